"""The members of bodies: what each may be, and the words that say which is not.

Identity keeps members that it does not know, so that a body is a mapping here and no Struct; the words are those of
JSON Schema's validators, which clients show. Source: Identity API reference; JSON Schema validation, draft 4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from events.refusals import Invalid

MOST_EXTRA = 64  # members that are unknown
LARGEST_EXTRA = 32_768  # bytes of all of them
SHOWN = 500  # characters of a value in a message

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "integer": (int,),
    "null": (type(None),),
}


class Shape(Struct, frozen=True, kw_only=True):
    """What a member may be."""

    types: tuple[str, ...]
    least: int | None = None  # characters, items, or the number itself
    most: int | None = None
    pattern: str | None = None
    format: str | None = None  # what a pattern is called if it has a name
    values: tuple[Any, ...] | None = None
    items: Shape | None = None
    members: Mapping[str, Shape] | None = None  # of an object that has no others
    unique: bool = False

    def fault(self, value: Any) -> str | None:
        """Why a value does not fit, whatever is in it."""
        if not any(isinstance(value, _TYPES[name]) for name in self.types) or (
            isinstance(value, bool) and "boolean" not in self.types
        ):
            return f"{shown(value)} is not of type {', '.join(map(repr, self.types))}"
        if self.values is not None and value not in self.values:
            return f"{shown(value)} is not one of {list(self.values)!r}"
        if isinstance(value, (str, list)):
            return self._bounds(value)
        if isinstance(value, int):
            if self.least is not None and value < self.least:
                return f"{value} is less than the minimum of {self.least}"
            if self.most is not None and value > self.most:
                return f"{value} is greater than the maximum of {self.most}"
        return None

    def _bounds(self, value: str | list[Any]) -> str | None:
        if self.least is not None and len(value) < self.least:
            return f"{shown(value)} should be non-empty" if self.least == 1 else f"{shown(value)} is too short"
        if self.most is not None and len(value) > self.most:
            return f"{shown(value)} is too long"
        if isinstance(value, str):
            if self.pattern is not None and not re.search(self.pattern, value):
                fault = f"is not a {self.format!r}" if self.format else f"does not match {self.pattern!r}"
                return f"{shown(value)} {fault}"
            return None
        if self.unique and len(value) != len(set(map(repr, value))):
            return f"{shown(value)} has non-unique elements"
        return None

    def guard(self, name: str, value: Any) -> None:
        """Raises Invalid for a value that does not fit, or that has something in it that does not."""
        if (fault := self.fault(value)) is not None:
            raise wrong(name, value, fault)
        if isinstance(value, list) and self.items is not None:
            for number, item in enumerate(value):
                self.items.guard(str(number), item)
        if isinstance(value, dict) and self.members is not None:
            check(name, value, self.members, extra=False)


def shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


NAME = Shape(types=("string",), least=1, most=255, pattern=r"[\S]+")
PROJECT_NAME = Shape(types=("string",), least=1, most=64, pattern=r"[\S]+")
OPTIONAL_NAME = Shape(types=("string", "null"), most=255)
ID = Shape(types=("string",), least=1, most=64, pattern=r"^[a-zA-Z0-9-]+$")
OPTIONAL_ID = Shape(types=("string", "null"), most=64)
OPTIONAL_KEY = Shape(types=("string", "null"), least=1, most=64, pattern=r"^[a-zA-Z0-9-]+$")
UUID = Shape(
    types=("string",), most=64, pattern=r"^[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}$", format="uuid"
)
LIMIT = Shape(types=("integer",), least=-1, most=0x7FFFFFFF)
BOOLEAN = Shape(types=("boolean",))
SWITCH_VALUES: tuple[bool | str, ...] = (
    *(True, "True", "TRUE", "true", False, "False", "FALSE", "false"),
    *("", "1", "0", "y", "Y", "n", "N", "on", "ON", "off", "OFF", "yes", "no"),
)
SWITCH = Shape(types=("boolean", "string", "null"), values=SWITCH_VALUES)  # null is refused by the values
OPTIONAL_BOOLEAN = Shape(types=("boolean", "null"))
DESCRIPTION = Shape(types=("string", "null"), most=65_535)
STRING = Shape(types=("string",), most=65_535)
BLOB = Shape(types=("string",), most=262_144)
PASSWORD = Shape(types=("string",), most=4096)
OPTIONAL_PASSWORD = Shape(types=("string", "null"), most=4096)
OBJECT = Shape(types=("object",))
OPTIONS = Shape(types=("object",), members={"immutable": OPTIONAL_BOOLEAN})  # of roles, projects and domains
TAG = Shape(types=("string",), least=1, most=255, pattern=r"^[^,/]*$")
TAGS = Shape(types=("array",), most=80, items=TAG, unique=True)


def merged(before: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Options after some were given; one that is null is taken away."""
    return {name: value for name, value in {**before, **given}.items() if value is not None}


def inner(body: Any, name: str) -> dict[str, Any]:
    """The object that a body wraps. Raises Invalid."""
    if not isinstance(body, dict):
        raise Invalid("It is no object.", kind="malformed")
    for other in body:
        if other != name:
            raise Invalid(f"Additional properties are not allowed ({shown(other)} was unexpected)")
    if name not in body:
        raise Invalid(f"{name!r} is a required property")
    value: Any = body[name]
    if not isinstance(value, dict):
        raise wrong(name, value, f"{shown(value)} is not of type 'object'")
    return value


def several(
    body: Any, name: str, members: Mapping[str, Shape], required: tuple[str, ...], most: int = 100
) -> list[dict[str, Any]]:
    """The objects that a body wraps in a list. Raises Invalid."""
    if not isinstance(body, dict):
        raise Invalid("It is no object.", kind="malformed")
    if name not in body:
        raise Invalid(f"{name!r} is a required property")
    for other in body:
        if other != name:
            raise Invalid(f"Additional properties are not allowed ({shown(other)} was unexpected)")
    check(name, body, {name: Shape(types=("array",), least=1, most=most, items=OBJECT)}, extra=False)
    for number, one in enumerate(body[name]):
        check(str(number), one, members, required=required, extra=False)
    return list(body[name])


def wrong(name: str, value: Any, fault: str) -> Invalid:
    what = value if isinstance(value, str) else shown(value)
    return Invalid(f"Invalid input for field/attribute {name}. Value: {what[:SHOWN]}. {fault}")


def check(
    name: str,
    given: dict[str, Any],
    shapes: Mapping[str, Shape],
    *,
    required: tuple[str, ...] = (),
    extra: bool = True,
    least: int = 0,
) -> dict[str, Any]:
    """The members that are not known, of an object whose known ones fit. Raises Invalid."""
    rest = {member: value for member, value in given.items() if member not in shapes}
    if rest and not extra:
        raise wrong(name, given, f"Additional properties are not allowed ({shown(next(iter(rest)))} was unexpected)")
    for member in required:
        if member not in given:
            raise wrong(name, given, f"{member!r} is a required property")
    if len(given) < least:
        raise wrong(name, given, f"{shown(given)} should be non-empty")
    for member, shape in shapes.items():
        if member in given:
            shape.guard(member, given[member])
            if isinstance(given[member], dict) and len(msgspec.json.encode(given[member])) > LARGEST_EXTRA:
                raise Invalid(f"The property {member} of {name} has more than {LARGEST_EXTRA} bytes.")
    if len(rest) > MOST_EXTRA or len(msgspec.json.encode(rest)) > LARGEST_EXTRA:
        raise Invalid(
            f"More than {MOST_EXTRA} further properties of {name}, or more than {LARGEST_EXTRA} bytes of them."
        )
    return rest
