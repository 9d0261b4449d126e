"""Microversions as marks on fields: an answer loses what is newer than the version asked for, a body may not hold it.

    locked: Annotated[bool, since(2, 9)] = False
    hidden: Annotated[bool, until(2, 74)] = False

Source: API-SIG guideline "Microversion specification".
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, get_args, get_origin, get_type_hints

from msgspec import UNSET, Struct

from events.refusals import Invalid, NotAcceptable

Version = tuple[int, int]

_NUMBER = re.compile(r"([1-9]\d{0,3})\.(0|[1-9]\d{0,3})\Z")


class Mark(Struct, frozen=True):
    """From which version to which a field exists."""

    first: Version = (0, 0)
    last: Version = (9999, 9999)


def since(major: int, minor: int) -> Mark:
    return Mark(first=(major, minor))


def until(major: int, minor: int) -> Mark:
    return Mark(last=(major, minor))


class Range(Struct, frozen=True, kw_only=True):
    """The versions that a service speaks."""

    service: str  # the name in `OpenStack-API-Version: <service> <version>`
    legacy: str | None = None  # an older header, with the version alone
    minimum: Version
    maximum: Version

    def asked(self, headers: Any) -> Version:
        """The version that a request asks for; the minimum if none. Raises Invalid, NotAcceptable."""
        text = None
        for entry in (headers.get("openstack-api-version") or "").split(","):
            words = entry.split()
            if len(words) == 2 and words[0].lower() == self.service:
                text = words[1]
        if text is None and self.legacy:
            text = headers.get(self.legacy)
        if text is None:
            return self.minimum
        if text == "latest":
            return self.maximum
        match = _NUMBER.match(text)
        if match is None:
            raise Invalid(
                f"API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum.",
            )
        version = (int(match[1]), int(match[2]))
        if not self.minimum <= version <= self.maximum:
            raise NotAcceptable(
                f"Version {text} is not supported by the API. Minimum is {name(self.minimum)} and maximum is "
                f"{name(self.maximum)}."
            )
        return version


def name(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


Plan = tuple[tuple[str, ...], tuple[str, ...]]


@lru_cache(maxsize=4096)
def _plan(kind: type, version: Version) -> Plan:
    """The fields of a Struct that are hidden at `version`, and those that may hold Structs with hidden fields."""
    hidden, nested = [], []
    for field, hint in get_type_hints(kind, include_extras=True).items():
        marks = [mark for mark in _marks(hint) if isinstance(mark, Mark)]
        if any(not mark.first <= version <= mark.last for mark in marks):
            hidden.append(field)
        elif any(_plan(child, version) != ((), ()) for child in _structs(hint) if child is not kind):
            nested.append(field)
    return tuple(hidden), tuple(nested)


def _marks(hint: Any) -> tuple[Any, ...]:
    return getattr(hint, "__metadata__", ())


def _structs(hint: Any) -> list[type]:
    """The Struct classes that a value of this type may hold, itself or as an element."""
    if isinstance(hint, type) and issubclass(hint, Struct):
        return [hint]
    if get_origin(hint) is None:
        return []
    return [kind for argument in get_args(hint) for kind in _structs(argument)]


def shape(view: Any, version: Version) -> None:
    """Take away from an answer, in place, what does not exist at `version`."""
    if isinstance(view, (list, tuple)):
        for one in view:
            shape(one, version)
        return
    if not isinstance(view, Struct):
        return
    hidden, nested = _plan(type(view), version)
    for field in hidden:
        setattr(view, field, UNSET)
    for field in nested:
        shape(getattr(view, field), version)


class ForeignField(Invalid):
    """A body holds what does not exist at the version asked for; said as msgspec says it of an unknown field."""


def refuse_foreign(body: Any, version: Version, place: str = "$") -> None:
    """Refuse a body that holds what does not exist at `version`. Raises ForeignField."""
    if isinstance(body, (list, tuple)):
        for index, one in enumerate(body):
            refuse_foreign(one, version, f"{place}[{index}]")
        return
    if not isinstance(body, Struct):
        return
    hidden, nested = _plan(type(body), version)
    for field in hidden:
        if getattr(body, field) is not UNSET:
            raise ForeignField(f"Object contains unknown field `{_wire(body, field)}` - at `{place}`")
    for field in nested:
        refuse_foreign(getattr(body, field), version, f"{place}.{_wire(body, field)}")


def _wire(body: Struct, field: str) -> str:
    return body.__struct_encode_fields__[body.__struct_fields__.index(field)]
