"""Subjects: the address of a resource in the journal. Injective, without wildcards.

A key of `[A-Za-z0-9_-]{1,64}` stands as it is, anything else as `~` and its base32, and what would be longer than
128 characters as `=` and its SHA-256 (the key itself stands in the first event).
"""

from __future__ import annotations

import re
from base64 import b32decode, b32encode
from functools import lru_cache
from hashlib import sha256

from events.envelope import Key

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}\Z").match
_LONGEST = 128


def token(key: str) -> str:
    """One key as a token of a subject."""
    if _PLAIN(key):
        return key
    data = key.encode()
    encoded = "~" + b32encode(data).rstrip(b"=").decode()
    return encoded if len(encoded) <= _LONGEST else "=" + sha256(data).hexdigest()


def untoken(name: str) -> str:
    """The key that a token stands for. Raises ValueError for the hash of a long one: the key cannot be had from it."""
    if name.startswith("="):
        raise ValueError(f"{name} is a hash")
    if not name.startswith("~"):
        return name
    encoded = name[1:]
    return b32decode(encoded + "=" * (-len(encoded) % 8)).decode()


def key_of(key: Key) -> str:
    """The part of a subject that names one resource among its kind."""
    if isinstance(key, str):
        return key if _PLAIN(key) else token(key)
    return ".".join(map(token, key))


@lru_cache(maxsize=256)
def prefix_of(module: str) -> str:
    """`events.compute.server` -> `ev.compute.server`."""
    layer, service, resource = module.split(".")
    assert layer == "events", module
    return f"ev.{service}.{resource}"


def split(subject: str) -> tuple[str, str]:
    """A subject's prefix and key: `ev.compute.server`, `<id>`."""
    layer, service, resource, key = subject.split(".", 3)
    return f"{layer}.{service}.{resource}", key
