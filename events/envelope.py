"""The envelope of every change: a command asks, its events happened, one commit carries them.

A commit is one journal message: the events of one command, stored whole or not at all.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from datetime import datetime
from typing import Any, Generic, TypeVar

from msgspec import Struct

E = TypeVar("E")

Key = str | tuple[str, ...]


class Event(Struct, frozen=True, gc=False, kw_only=True, tag=True, omit_defaults=True):
    """A fact about one resource, in the past tense; tagged with its class name. Never changed once released."""


class Command(Struct, frozen=True, gc=False, kw_only=True):
    """A wish about one resource, in the imperative. Time, ids and choices reach `decide` as its fields."""

    id: Any  # the key of its resource: a string, or a tuple of strings


class State(Struct, frozen=True, gc=False, kw_only=True):
    """What the events of one resource fold to."""

    deleted: bool = False  # a deleted resource leaves the fold after an hour; the tables keep it

    @property
    def owner(self) -> str | None:
        """The project whose it is: it decides which tenant's feed shows a commit."""
        return getattr(self, "project", None)


class Origin(Struct, frozen=True, gc=False, kw_only=True):
    """Who asked, and why."""

    actor: str | None = None  # a user's id, or `cumulog` for the cloud's own handlers
    project: str | None = None
    request: str | None = None  # `req-` and a UUID: what `cumulog trace` follows
    cause: int | None = None  # journal sequence of the commit that woke the handler
    trace: str | None = None  # W3C's `traceparent` of a request that is traced


CLOUD = Origin(actor="cumulog")


class Commit(Struct, Generic[E], frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One journal message."""

    id: str  # the command's: recognised again after a lost acknowledgement
    at: datetime
    actor: str | None = None
    project: str | None = None
    request: str | None = None
    cause: int | None = None
    owner: str | None = None
    trace: str | None = None
    previous: str | None = None  # digest of the commit before it on its subject
    events: tuple[E, ...]


def digest(data: bytes) -> str:
    """The hash that chains commits: SHA-256 over the bytes as stored, URL-safe base64 without padding."""
    return urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
