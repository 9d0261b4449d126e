"""One object for what many have alike: of a hundred thousand servers most have one of a few sizes, images, projects."""

from __future__ import annotations

import sys
from typing import Any, TypeVar, cast

import msgspec

T = TypeVar("T")

MOST = 20_000  # different values that are kept

_encode = msgspec.json.Encoder(order="deterministic").encode
_known: dict[tuple[type, bytes], Any] = {}


def alike(value: T) -> T:
    """The value, or one that equals it and was met before. Nobody may change it."""
    if value is None or isinstance(value, bool | int):
        return value
    if type(value) is str:
        return cast(T, sys.intern(cast(str, value)))
    if len(_known) >= MOST:
        _known.clear()
    return cast(T, _known.setdefault((type(value), _encode(value)), value))
