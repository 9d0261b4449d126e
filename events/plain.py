"""States as JSON and back: what msgspec does not know of itself, and what a state means to the code that reads it."""

from __future__ import annotations

from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from immutables import Map
from msgspec import Struct


def to_plain(value: Any) -> Any:
    """For msgspec's encoders: a persistent map as a dict."""
    if isinstance(value, Map):
        return dict(value)
    raise NotImplementedError(type(value))


def from_plain(kind: Any, value: Any) -> Any:
    """For msgspec's decoders: a persistent map of whatever values its type names."""
    if get_origin(kind) is Map:
        keys, values = get_args(kind)
        return Map(msgspec.convert(value, dict[keys, values], dec_hook=from_plain))  # type: ignore[valid-type]  # known at run time only
    raise NotImplementedError(kind)


def meaning(struct: type[Struct]) -> str:
    """What tells two versions of a Struct apart, such as a field that was renamed within a nested one."""
    return repr(_meaning(struct, {}))


def _meaning(kind: Any, found: dict[str, str]) -> dict[str, str]:
    for part in get_args(kind):
        _meaning(part, found)
    if isinstance(kind, type) and issubclass(kind, Struct) and str(kind) not in found:
        hints = get_type_hints(kind)
        found[str(kind)] = str(hints)
        for hint in hints.values():
            _meaning(hint, found)
    return found
