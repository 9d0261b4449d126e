"""Commits as others are told of them: CloudEvents 1.0 in their JSON format.

One event for each commit, for a commit is what was stored whole or not at all. Its `type` names what happened first
(`cumulog.compute.server.ServerPlaced`), its data is the commit with all of it, in today's forms. Where several commands
are one commit, the attributes are the first one's, and `parts` in the data tells of the others. `id` and the extension
`sequence` are the journal's sequence: it tells repetitions and the order. A resource's module names in `UNTOLD` the
fields that are not told, such as the hash of a password: they say `redacted`.
Source: CloudEvents 1.0.2 "Context Attributes", "JSON Event Format"; extensions "Sequence", "Distributed Tracing".
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from events.fold import Fold
from events.journal import Entry
from events.subjects import split

MEDIA_TYPE = "application/cloudevents+json"
SOURCE = "/cumulog"
REDACTED = "redacted"
OWN = "journal"  # stands where others have their service


class _Tagged(Struct, frozen=True, gc=False):
    type: str


class Part(Struct, frozen=True, gc=False):
    """A further command of a commit, as `events.envelope` has them."""

    events: int
    actor: str | None = None
    project: str | None = None
    request: str | None = None


class Head(Struct, frozen=True, gc=False):
    """As much of a commit as is asked of each."""

    at: datetime
    events: tuple[_Tagged, ...]
    actor: str | None = None
    project: str | None = None
    request: str | None = None
    cause: int | None = None
    owner: str | None = None
    trace: str | None = None
    parts: tuple[Part, ...] = ()

    def each(self) -> Iterator[tuple[Head | Part, tuple[str, ...]]]:
        """Its commands: who asked, and what came of it."""
        names = tuple(event.type for event in self.events)
        begin = len(names) - sum(part.events for part in self.parts)
        yield self, names[:begin]
        for part in self.parts:
            yield part, names[begin : begin + part.events]
            begin += part.events

    @property
    def projects(self) -> set[str]:
        """Whose it is, and of whom those are who asked for it."""
        return {one for one in (self.owner, self.project, *(part.project for part in self.parts)) if one}


_head = msgspec.json.Decoder(Head).decode
_encode = msgspec.json.Encoder().encode


class Told(Struct, frozen=True, gc=False):
    """A commit to be told of."""

    sequence: int
    subject: str
    data: bytes  # the commit, in today's forms
    head: Head

    @property
    def service(self) -> str:
        return self.subject.split(".", 2)[1]

    @property
    def resource(self) -> str:
        return self.subject.split(".", 3)[2]

    @property
    def types(self) -> tuple[str, ...]:
        """What happened."""
        return tuple(event.type for event in self.head.events)


def told(sequence: int, subject: str, data: bytes) -> Told:
    """A commit that is of today's forms."""
    return Told(sequence, subject, data, _head(data))


def told_of(entry: Entry, fold: Fold) -> Told:
    """An entry of the journal, whatever version wrote it, without what is nobody else's business."""
    if entry.subject.split(".", 2)[1] == OWN:  # what the journal says of itself may hold the states of everything
        head = _head(entry.data)
        data = {"at": head.at, "events": head.events}
        return Told(entry.sequence, entry.subject, _encode(data), head)
    shelf = fold.shelves.get(split(entry.subject)[0])
    if shelf is None:
        return told(entry.sequence, entry.subject, entry.data)
    data_today = shelf.today(entry.data) if shelf.today else entry.data
    untold: tuple[str, ...] = getattr(shelf.module, "UNTOLD", ())
    return told(entry.sequence, entry.subject, _without(untold, data_today) if untold else data_today)


def _without(names: tuple[str, ...], data: bytes) -> bytes:
    """A commit in whose events these fields, where they say anything, say nothing."""
    if not any(b'"%s":"' % name.encode() in data for name in names):
        return data
    commit = msgspec.json.decode(data)
    for event in commit["events"]:
        event.update((name, REDACTED) for name in names if isinstance(event.get(name), str))
    return _encode(commit)


def cloudevent(one: Told, source: str = SOURCE) -> bytes:
    """The event in structured mode. `source` is the cloud's name, a URI or the beginning of a path."""
    _, key = split(one.subject)
    head = one.head
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": str(one.sequence),
        "source": f"{source}/{one.service}",
        "type": f"cumulog.{one.service}.{one.resource}.{head.events[0].type if head.events else 'Nothing'}",
        "subject": key,
        "time": head.at,
        "datacontenttype": "application/json",
        "sequence": f"{one.sequence:020d}",
    }
    cause = None if head.cause is None else str(head.cause)
    extensions = {"project": head.owner, "actor": head.actor, "request": head.request, "cause": cause}
    extensions["traceparent"] = head.trace
    attributes.update((name, value) for name, value in extensions.items() if value)
    return _encode({**attributes, "data": msgspec.Raw(one.data)})
