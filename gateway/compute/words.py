"""What is wrong with a body or a query, in compute's own words: those of JSON Schema, with the place and the value."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct

from events.refusals import Invalid
from gateway.serving import Call

LONGEST = 2000  # characters of a value that are said back

_FAULT = re.compile(r"(?P<reason>.*?)(?: - at (?P<key>`key` in )?`(?P<place>\$.*)`)?\Z", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "null": "null"}
_MALFORMED = "The server could not comply with the request since it is either malformed or otherwise incorrect."


def explain(text: str, data: bytes, kind: Any = None, root: str = "") -> str:
    """msgspec's sentence about `data` as compute's; `root` names what `data` is if it is not the whole body."""
    match = _FAULT.match(text)
    assert match is not None
    try:
        value = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return _MALFORMED
    name = root
    for attribute, index in _STEP.findall(match["place"] or ""):
        if index == "...":
            name, value = _faulty(value, text, kind)
        else:
            name = attribute or index
            value = value[name] if attribute else value[int(index)]
        kind = _inner(kind, name)
    said = _say(match["reason"], value, kind, bool(match["key"]))
    return f"Invalid input for field/attribute {name}. Value: {str(value)[:LONGEST]}. {said}" if name else said


def _faulty(value: dict[str, Any], text: str, kind: Any) -> tuple[str, Any]:
    """The member of a mapping that msgspec speaks of as `[...]`: the first that is not of the mapping's type."""
    inner = _inner(kind, "")
    for name, one in value.items():
        try:
            msgspec.convert(one, inner)
        except msgspec.ValidationError:
            return name, one
    return next(iter(value.items()))


def _inner(kind: Any, name: str) -> Any:
    """The type of a member."""
    for one in _alternatives(kind):
        if isinstance(one, type) and issubclass(one, Struct):
            for field in msgspec.structs.fields(one):
                if field.encode_name == name:
                    return field.type
        elif get_origin(one) is dict:
            return get_args(one)[1]
        elif get_origin(one) in (list, tuple):
            return get_args(one)[0]
    return Any


def _alternatives(kind: Any) -> list[Any]:
    """What a union is made of, or the type itself; without its annotations."""
    if hasattr(kind, "__metadata__"):
        return _alternatives(get_args(kind)[0])
    if get_origin(kind) is None or get_origin(kind) in (list, dict, tuple, Literal):
        return [kind]
    return [one for part in get_args(kind) for one in _alternatives(part)]


def _say(reason: str, value: Any, kind: Any, is_key: bool) -> str:
    if found := re.match(r"Object contains unknown field `(.*)`", reason, re.DOTALL):
        return f"Additional properties are not allowed ('{found[1]}' was unexpected)"
    if found := re.match(r"Object missing required field `(.*)`", reason, re.DOTALL):
        return f"'{found[1]}' is a required property"
    if found := re.match(r"Expected `\w+` matching regex (.*)", reason, re.DOTALL):
        if is_key:
            pattern = re.compile(str(found[1]).strip("'\""))
            wrong = next((key for key in value if not pattern.search(key)), "")
            return f"{wrong!r} does not match any of the regexes: {found[1]}"
        return f"{value!r} does not match {found[1]}"
    if found := re.match(r"Expected `(\w+)` (of length )?([<>]=) (\S+)", reason):
        return _bound(value, found[1], bool(found[2]), found[3], found[4])
    if found := re.match(r"Expected `(.*)`, got `\w+`", reason):
        return f"{value!r} is not of type {_types(found[1], kind)}"
    if reason.startswith("Invalid enum value"):
        return f"{value!r} is not one of {_choices(kind)}"
    return reason


def _bound(value: Any, kind: str, length: bool, sign: str, limit: str) -> str:
    if length:
        what = " has too many properties" if kind == "object" else " is too long"
        return f"{value!r}{what}" if sign == "<=" else f"{value!r} should be non-empty"
    bound = "less than the minimum of" if sign == ">=" else "greater than the maximum of"
    return f"{value!r} is {bound} {limit}"


def _types(found: str, kind: Any) -> str:
    literals = [one for one in _alternatives(kind) if get_origin(one) is Literal]
    names = found.split(" | ")
    if literals and len(names) == 1 and kind is not Any:
        names = ["str"]
    return ", ".join(f"'{_TYPES.get(name, name)}'" for name in names)


def _choices(kind: Any) -> list[Any]:
    found = _alternatives(kind)
    if bool in found:
        return [True, *get_args(Yes), False, *get_args(No)]
    return [choice for one in found if get_origin(one) is Literal for choice in get_args(one)]


# Flags and numbers as JSON or as text

Yes = Literal["True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes"]
No = Literal["False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no"]
Flag = bool | Yes | No
_YES = frozenset(get_args(Yes))


def is_true(flag: object) -> bool:
    """Whether a flag of a body is set."""
    return flag is True or flag in _YES


def missing(call: Call, name: str, place: str) -> Invalid:
    """A member that the body must have at this microversion is not there."""
    return Invalid(explain(f"Object missing required field `{name}` - at `$.{place}`", call.data))


def unwanted(call: Call, name: str, place: str) -> Invalid:
    """A member that the body may not have at this microversion is there."""
    return Invalid(explain(f"Object contains unknown field `{name}` - at `$.{place}`", call.data))


def of_query(name: str, value: str, what: str) -> Invalid:
    """A query parameter has a value that it cannot have."""
    return Invalid(f"Invalid input for query parameters {name}. Value: {value[:LONGEST]}. {what}")


_DIGITS = re.compile(r"[0-9]*\Z")


def limit_of(values: dict[str, list[str]], most: int) -> int:
    """How many items a page is to have, `most` if the caller names no number. Raises Invalid."""
    given = values.get("limit", [])
    for text in given:
        if not _DIGITS.match(text) or len(text) > 20:
            raise of_query("limit", text, f"{text!r} does not match '^[0-9]*$'")
    text = given[-1] if given else ""
    return min(int(text), most) if text else most


def boolean(text: str) -> bool:
    """A truth of a query. Raises Invalid."""
    word = text.strip().lower()
    if word in ("1", "t", "true", "on", "y", "yes"):
        return True
    if word in ("0", "f", "false", "off", "n", "no"):
        return False
    raise Invalid(
        f"Unrecognized value '{text[:LONGEST]}', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', "
        "'on', 't', 'true', 'y', 'yes'"
    )


def queries(call: Call) -> dict[str, list[str]]:
    """The query string: every name with all of its values."""
    found: dict[str, list[str]] = {}
    for name, value in call.request.query_params.multi_items():
        found.setdefault(name, []).append(value)
    return found


def known_queries(call: Call, known: Container[str]) -> dict[str, list[str]]:
    """The query string, from 2.75 on without names that mean nothing. Raises Invalid."""
    values = queries(call)
    unknown = sorted(name for name in values if name not in known)
    if unknown and call.version >= (2, 75):
        named = ", ".join(f"'{name[:255]}'" for name in unknown)
        raise Invalid(
            f"Additional properties are not allowed ({named} {'was' if len(unknown) == 1 else 'were'} unexpected)"
        )
    return values


__all__ = [
    *("UNSET", "Flag", "boolean", "explain", "is_true", "known_queries", "limit_of", "missing", "of_query"),
    *("queries", "unwanted"),
]
