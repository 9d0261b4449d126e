"""Commits as others are told of them: CloudEvents 1.0 in their JSON format.

One event for each commit, for a commit is what was stored whole or not at all. Its `type` names what happened first
(`cumulog.compute.server.ServerPlaced`), its data is the commit with all of it, each of today's form; actor and request
are of its first command, `parts` in the data says who asked for the others. `id` and the extension `sequence` are the
journal's sequence: it tells repetitions and the order.
Source: CloudEvents 1.0.2 "Context Attributes"; "JSON Event Format"; extension "Sequence".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from events import forms
from events.fold import Fold
from events.journal import Entry
from events.subjects import split

MEDIA_TYPE = "application/cloudevents+json"
SOURCE = "/cumulog"
OWN = "ev.journal."


class _Tagged(Struct, frozen=True, gc=False):
    type: str


class _Head(Struct, frozen=True, gc=False):
    """As much of a commit as is asked of each."""

    at: datetime
    events: tuple[_Tagged, ...]
    actor: str | None = None
    project: str | None = None
    request: str | None = None
    cause: int | None = None
    owner: str | None = None


_head = msgspec.json.Decoder(_Head).decode
_encode = msgspec.json.Encoder().encode


class Told(Struct, frozen=True, gc=False):
    """A commit to be told of."""

    sequence: int
    subject: str
    data: bytes  # the commit, in today's forms
    head: _Head

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
    """An entry of the journal, whatever version wrote it."""
    if entry.subject.startswith(OWN):  # what the journal says of itself may hold the states of everything
        head = _head(entry.data)
        data = {"at": head.at, "events": head.events}
        return Told(entry.sequence, entry.subject, _encode(data), head)
    shelf = fold.shelves.get(split(entry.subject)[0])
    today: forms.Reform | None = shelf.today if shelf is not None else None
    return told(entry.sequence, entry.subject, today(entry.data) if today else entry.data)


def cloudevent(one: Told, source: str = SOURCE) -> bytes:
    """The event in structured mode. `source` is the cloud's name, a URI or the beginning of a path."""
    prefix, key = split(one.subject)
    head = one.head
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": str(one.sequence),
        "source": f"{source}/{one.service}",
        "type": f"cumulog.{prefix[3:]}.{head.events[0].type if head.events else 'Nothing'}",
        "subject": key,
        "time": head.at,
        "datacontenttype": "application/json",
        "sequence": f"{one.sequence:020d}",
    }
    cause = None if head.cause is None else str(head.cause)
    extensions = {"project": head.owner, "actor": head.actor, "request": head.request, "cause": cause}
    attributes.update((name, value) for name, value in extensions.items() if value)
    return _encode({**attributes, "data": msgspec.Raw(one.data)})
