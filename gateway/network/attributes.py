"""Attributes: what a member of a document may hold, how it is told, whether lists are filtered and sorted by it.

Source: Networking API reference, and the service's own words for what it refuses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Any

from msgspec import UNSET, Struct

from events.ids import is_uuid
from events.refusals import Invalid, Refusal

Convert = Callable[[str, Any], Any]
"""From an attribute's name and a value as given to the value as meant. Raises Invalid."""


class Attribute(Struct, frozen=True, kw_only=True):
    """One member of a resource's document."""

    get: Callable[[Any, Any], Any]  # from the call and the state to what is shown
    convert: Convert | None = None
    post: bool = False  # it may be given when creating
    put: bool = False  # it may be given when updating
    required: bool = False
    default: Any = UNSET  # of creation
    shown: bool = True
    match: Convert | None = None  # of a filter's text; None: lists are not filtered by it
    sort: bool = False  # lists may be sorted by it, as it is shown


def bad(name: str, reason: str) -> Invalid:
    return Invalid(f"Invalid input for {name}. Reason: {reason}.")


def wrong(reason: str) -> Invalid:
    return Invalid(f"Invalid input for operation: {reason}.", kind="InvalidInput")


def text(limit: int = 255) -> Convert:
    """A string of at most so many characters."""

    def convert(name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise bad(name, f"'{value}' is not a valid string")
        if len(value) > limit:
            raise bad(name, f"'{value}' exceeds maximum length of {limit}")
        if "\x00" in value:
            raise bad(name, "a string cannot hold a null character")
        return value

    return convert


def as_text(name: str, value: Any) -> Any:
    """A filter's text as it stands."""
    return value


def as_lower(name: str, value: Any) -> Any:
    return str(value).lower()


def boolean(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    if isinstance(value, str) and value.lower() in ("true", "1", "false", "0"):
        return value.lower() in ("true", "1")
    raise wrong(f"'{value}' cannot be converted to boolean")


def integer(name: str, value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise wrong(f"'{value}' is not an integer") from None
    if abs(number) > 1 << 62:
        raise wrong(f"'{value}' is not an integer")
    return number


def non_negative(name: str, value: Any) -> int:
    number = integer(name, value)
    if number < 0:
        raise bad(name, f"'{number}' should be non-negative")
    return number


def uuid(name: str, value: Any) -> str:
    if not is_uuid(value):
        raise bad(name, f"'{value}' is not a valid UUID")
    return str(value)


def optional(convert: Convert) -> Convert:
    """None, or what `convert` takes."""
    return lambda name, value: None if value is None else convert(name, value)


def choice(values: Iterable[Any]) -> Convert:
    allowed = tuple(values)

    def convert(name: str, value: Any) -> Any:
        if isinstance(value, bool) or value not in allowed:
            raise bad(name, f"{value} is not in valid_values")
        return value

    return convert


def nothing(refuse: Callable[[str], Refusal]) -> Convert:
    """None; what would be the id of something that this cloud does not have is refused."""

    def convert(name: str, value: Any) -> None:
        if value is not None:
            raise refuse(uuid(name, value))

    return convert


def address(name: str, value: Any) -> str:
    """An IP address, in its canonical form."""
    if isinstance(value, str) and re.fullmatch(r"[0-9.]+", value) and value.count(".") == 3:
        octets = value.split(".")
        if any(len(octet) > 1 and octet.startswith("0") for octet in octets) and all(octets):
            plain = ".".join(str(int(octet)) for octet in octets)
            raise bad(name, f"'{value}' is not an accepted IP address, '{plain}' is recommended")
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError
        return str(ip_address(value))
    except ValueError:
        raise bad(name, f"'{value}' is not a valid IP address") from None


def cidr(name: str, value: Any) -> str:
    """A block of addresses, its host bits cleared."""
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError
        return str(ip_network(value, strict=False))
    except ValueError:
        raise bad(name, f"'{value}' is not a valid IP subnet") from None


def mac(name: str, value: Any) -> str:
    """A MAC address as six octets in small letters."""
    digits = re.sub(r"[:.-]", "", value).lower() if isinstance(value, str) else ""
    if not re.fullmatch(r"[0-9a-f]{12}", digits) or digits == "0" * 12:
        raise bad(name, f"'{value}' is not a valid MAC address")
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def moment(at: datetime | None) -> str | None:
    """A time as the service writes it: to the second."""
    return None if at is None else at.isoformat()[:19] + "Z"


NAME, LONG = text(255), text(255)


def field(name: str, **more: Any) -> Attribute:
    """An attribute that is a field of the state."""
    return Attribute(get=lambda call, state: getattr(state, name), **more)


def constant(value: Any, **more: Any) -> Attribute:
    """An attribute that is always the same."""
    return Attribute(get=lambda call, state: value, **more)


def standard() -> dict[str, Attribute]:
    """What every resource of the service has."""
    return {
        "id": field("id", match=as_text, sort=True),
        "name": field("name", convert=NAME, post=True, put=True, default="", match=as_text, sort=True),
        "tenant_id": field("project", convert=NAME, post=True, match=as_text, sort=True),
        "project_id": field("project", convert=NAME, post=True, match=as_text, sort=True),
        "description": field("description", convert=LONG, post=True, put=True, default="", match=as_text),
        "tags": Attribute(get=lambda call, state: state.tags),
        "created_at": Attribute(get=lambda call, state: moment(state.created_at)),
        "updated_at": Attribute(get=lambda call, state: moment(state.updated_at)),
        "revision_number": field("revision", match=as_text),
    }
