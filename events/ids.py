"""Ids: random ones for what somebody asked for, derived ones for what follows from it."""

from __future__ import annotations

import re
from uuid import NAMESPACE_URL, uuid4, uuid5

_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\Z")


def new_id() -> str:
    """A random UUID with dashes: the form of compute, image and network."""
    return str(uuid4())


def new_hex() -> str:
    """A random UUID without dashes: the form of identity."""
    return uuid4().hex


def derived(*parts: str) -> str:
    """The UUID that always follows from `parts`: planning twice makes one thing."""
    return str(uuid5(NAMESPACE_URL, "\x1f".join(parts)))


def is_uuid(text: object) -> bool:
    """Whether `text` is a UUID, with or without dashes."""
    return isinstance(text, str) and _UUID.match(text) is not None
