"""A resource with every kind of field, and a cloud of one fold and its tables, for the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import msgspec
from immutables import Map
from msgspec import Struct
from msgspec.structs import replace

from events.envelope import Commit, Event, State, digest
from events.fold import Change, Fold, Known
from events.journal import Entry, MemoryJournal
from projections.projector import Projector
from projections.tables import Log

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Port(Struct, frozen=True, gc=False):
    mac: str
    addresses: tuple[str, ...] = ()


class Share(Struct, frozen=True, gc=False):
    amounts: dict[str, int]
    until: datetime | None = None


class Thing(State, frozen=True, gc=False, kw_only=True):
    key: str  # also the name of a column that every table has
    project: str | None = None
    size: int = 0  # MiB
    ratio: float = 1.0
    public: bool = True
    status: Literal["NEW", "OLD"] = "NEW"
    level: Literal[1, 2] | None = None
    end: datetime | None = None
    group: tuple[str, ...] = ()
    port: Port | None = None
    ports: tuple[Port, ...] = ()
    specs: dict[str, str] = {}
    shares: Map[str, Share] = Map()


class ThingMade(Event, frozen=True, gc=False, kw_only=True):
    key: str
    project: str | None = None


class ThingSized(Event, frozen=True, gc=False, kw_only=True):
    size: int


class ThingDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = ThingMade | ThingSized | ThingDeleted


def evolve(thing: Thing | None, event: Events, at: datetime) -> Thing:
    if isinstance(event, ThingMade):
        return Thing(key=event.key, project=event.project, end=at, shares=Map(one=Share({"cores": 1}, at)))
    assert thing is not None
    if isinstance(event, ThingSized):
        return replace(thing, size=event.size)
    return replace(thing, deleted=True)


def resource(name: str, **members: Any) -> Any:
    """A module as events/ has them, of these words and rules."""
    module = ModuleType(f"events.{name}")
    for member, value in {"evolve": evolve, "INDEXES": ("project",), **members}.items():
        setattr(module, member, value)
    return module


thing = resource("sample.thing")
other = resource("sample.other")


history: Any = ModuleType("projections.sample.thing")


class Step(Struct, frozen=True):
    """A row of a history: one for each event of a thing."""

    thing: str
    what: str
    sequence: int


def _apply(change: Change) -> Iterator[Step]:
    for event in change.commit.events:
        yield Step(change.after.key, type(event).__name__, change.sequence)


history.LOGS = (Log("sample_step", Step),)
history.apply = _apply


@asynccontextmanager
async def tables(write: Writer, path: Path | None = None, stop: bool = True) -> AsyncIterator[Projector]:
    """The tables of a writer's journal, followed by a fold of their own."""
    fold = Fold([thing, other])
    projector = Projector(fold, path, [history])
    await projector.load(write.now, await write.journal.last())
    await fold.follow(write.journal)
    try:
        yield projector
    finally:
        await fold.stop()
        if stop:
            await projector.stop()


class Writer:
    """Appends commits without anybody's decision, a second apart."""

    def __init__(self) -> None:
        self.journal = MemoryJournal()
        self.now = NOW
        self._newest: dict[str, Entry] = {}

    async def __call__(self, key: str, *events: Events, of: str = "thing", seconds: float = 1.0) -> int:
        """The sequence of one commit."""
        self.now += timedelta(seconds=seconds)
        subject = f"ev.sample.{of}.{key}"
        newest = self._newest.get(subject)
        id = str(len(self.journal.entries))
        previous = digest(newest.data) if newest else None
        data = msgspec.json.encode(Commit(id=id, at=self.now, previous=previous, events=events))
        sequence = await self.journal.append(subject, data, expected=newest.sequence if newest else 0)
        self._newest[subject] = self.journal.entries[-1]
        return sequence

    async def make(self, keys: Iterable[str], project: str | None = None) -> None:
        for key in keys:
            await self(key, ThingMade(key=key, project=project))


def content(fold: Fold) -> dict[str, Any]:
    """All that a fold tells, the order of creation too."""
    return {
        prefix: (shelf.known, list(shelf.live.items()), list(shelf.dead.items()))
        for prefix, shelf in fold.shelves.items()
    }


def known(state: Thing, key: str = "k", sequence: int = 1) -> Known[Thing]:
    return Known(state, key, NOW, NOW + timedelta(microseconds=1), sequence, 1, "h" * 43)
