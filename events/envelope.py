"""The envelope of every change: a command asks, its events happened, one commit carries them.

A commit is one journal message, stored whole or not at all: the events of one command, or of several that waited for
the same resource at the same moment.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

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


class Part(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A further command of a commit: who asked for it, and how many events are its, after those of the ones before."""

    id: str
    events: int
    actor: str | None = None
    project: str | None = None
    request: str | None = None
    cause: int | None = None
    trace: str | None = None


class Commit(Struct, Generic[E], frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One journal message. What it says of a command - who asked, and why - is of the first; of others, see `each`."""

    id: str  # the command's: recognised again after a lost acknowledgement
    at: datetime
    actor: str | None = None
    project: str | None = None
    request: str | None = None
    cause: int | None = None
    owner: str | None = None
    trace: str | None = None
    previous: str | None = None  # how the digest of the commit before it on its subject begins: see `follows`
    events: tuple[E, ...]
    parts: tuple[Part, ...] = ()  # the commands after the first

    def each(self) -> Iterator[Commit[E]]:
        """Its commands one by one, as if each had had a commit of its own: for whoever asks who did what."""
        if not self.parts:
            yield self
            return
        begin = len(self.events) - sum(part.events for part in self.parts)
        yield replace(self, events=self.events[:begin], parts=())
        for part in self.parts:
            yield replace(
                self,
                id=part.id,
                actor=part.actor,
                project=part.project,
                request=part.request,
                cause=part.cause,
                trace=part.trace,
                events=self.events[begin : begin + part.events],
                parts=(),
            )
            begin += part.events


LINK = 22  # characters of a digest: 132 bits, which nobody finds another commit for


def follows(previous: str | None, digest: str | None) -> bool:
    """Whether a commit that says so of the one before it stands behind the commit of this digest; None: behind none.

    Older commits say the whole digest.
    """
    if previous is None or digest is None:
        return previous is digest
    return len(previous) >= LINK and digest.startswith(previous)


def digest(data: bytes) -> str:
    """The hash that chains commits: SHA-256 over the bytes as stored, URL-safe base64 without padding."""
    return urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
