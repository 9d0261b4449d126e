"""Ids: random ones for what somebody asked for, derived ones for what follows from it."""

from __future__ import annotations

import os
import re
from base64 import urlsafe_b64encode
from uuid import NAMESPACE_URL, uuid5

_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\Z")


class _Random:
    """Random bytes of the system, many at a time: each question to it costs more than all else about an id."""

    def __init__(self) -> None:
        self._bytes = b""
        self._used = 0

    def forget(self) -> None:
        self._used = len(self._bytes)

    def sixteen(self) -> bytes:
        if self._used + 16 > len(self._bytes):
            self._bytes, self._used = os.urandom(4096), 0
        self._used += 16
        return self._bytes[self._used - 16 : self._used]


_random = _Random()
os.register_at_fork(after_in_child=_random.forget)  # no two processes make the same


def new_id() -> str:
    """A random UUID with dashes: the form of compute, image and network."""
    text = new_hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def new_hex() -> str:
    """A random UUID without dashes: the form of identity."""
    text = _random.sixteen().hex()
    return f"{text[:12]}4{text[13:16]}{'89ab'[int(text[16], 16) & 3]}{text[17:]}"  # RFC 9562, version 4


def new_token() -> str:
    """A random name of 22 letters, for what is seldom read."""
    return urlsafe_b64encode(_random.sixteen())[:22].decode()


def derived(*parts: str) -> str:
    """The UUID that always follows from `parts`: planning twice makes one thing."""
    return str(uuid5(NAMESPACE_URL, "\x1f".join(parts)))


def is_uuid(text: object) -> bool:
    """Whether `text` is a UUID, with or without dashes."""
    return isinstance(text, str) and _UUID.match(text) is not None
