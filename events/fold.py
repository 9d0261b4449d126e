"""The fold: the state of every live resource, in memory, by id and by declared index, kept current by a tail.

It is the only place in which states are folded. What it tells is true as of `position`.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from typing import Any, Generic, Protocol, TypeVar, cast, get_type_hints

import msgspec
from msgspec import Struct

from events import forms
from events.envelope import Commit, Event, Key, State, digest
from events.journal import Entry, Journal, Tail
from events.subjects import key_of, prefix_of, split

S = TypeVar("S", bound=State)
S_co = TypeVar("S_co", bound=State)

BURIAL = timedelta(hours=1)  # how long a deleted resource stays in the fold


class Decider(Protocol[S_co]):
    """As much of a resource's module as the fold needs: its name, and a state by what `evolve` returns."""

    __name__: str

    @property
    def evolve(self) -> Callable[[S_co | None, Any, datetime], S_co]: ...


class Known(Struct, Generic[S], frozen=True, gc=False):
    """A resource's state and where it stands."""

    state: S
    key: str
    created_at: datetime
    updated_at: datetime
    sequence: int
    revision: int  # how many commits it has had
    hash: str  # of its newest commit


class Change(Struct, frozen=True, gc=False):
    """One commit as applied."""

    subject: str
    sequence: int
    commit: Commit[Any]
    before: Known[Any] | None
    after: Known[Any]


Listener = Callable[[Change], None]


@cache
def _reading(evolve: Any) -> tuple[type[State], Callable[[bytes], Commit[Any]]]:
    """The type of a resource's states, and how its commits are read."""
    hints = get_type_hints(evolve)
    return hints["return"], msgspec.json.Decoder(cast(Any, Commit)[hints["event"]]).decode


class Shelf:
    """One kind of resource: its states, its indexes and how its commits are read."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.prefix = prefix_of(module.__name__)
        self.state_type, self.decode = _reading(module.evolve)
        self.today: forms.Reform | None = (
            None  # what makes of a stored commit one of today's forms, where there were others
        )
        if older := forms.upcasters(module):
            self.today = today = forms.reform(older)
            plain = self.decode
            self.decode = lambda data: plain(today(data))
        self.evolve = module.evolve
        self.known: dict[str, Known[Any]] = {}
        self.live: dict[str, Any] = {}  # key -> state, in order of creation
        self.names: tuple[str, ...] = getattr(module, "INDEXES", ())
        self.indexes: dict[str, dict[Any, dict[str, None]]] = {name: {} for name in self.names}
        self.dead: dict[str, datetime] = {}

    def put(self, after: Known[Any]) -> Known[Any] | None:
        """Keep `after`; what stood there before."""
        key = after.key
        before = self.known.get(key)
        old = self.live.get(key)
        new = None if after.state.deleted else after.state
        self.known[key] = after
        for name in self.names:
            was = getattr(old, name) if old is not None else None
            now = getattr(new, name) if new is not None else None
            if was != now:
                self._move(self.indexes[name], key, was, now)
        if new is None:
            self.live.pop(key, None)
            self.dead.pop(key, None)  # they stand in the order of their newest words
            self.dead[key] = after.updated_at
        else:
            self.live[key] = new
            self.dead.pop(key, None)
        return before

    def _move(self, index: dict[Any, dict[str, None]], key: str, was: Any, now: Any) -> None:
        """Values of a tuple are indexed one by one, None not at all."""
        for value in was if isinstance(was, tuple) else () if was is None else (was,):
            keys = index[value]
            keys.pop(key, None)
            if not keys:
                del index[value]
        for value in now if isinstance(now, tuple) else () if now is None else (now,):
            index.setdefault(value, {})[key] = None

    def bury(self, before: datetime) -> None:
        for key, died in list(self.dead.items()):
            if died > before:
                break  # the dead stand in the order of their deaths
            del self.dead[key], self.known[key]


class Fold:
    """The states of all live resources of the given modules."""

    def __init__(self, modules: Iterable[Any]) -> None:
        self.shelves = {shelf.prefix: shelf for shelf in map(Shelf, modules)}
        self.position = 0  # sequence of the newest entry that was applied
        self.newest_at: datetime | None = None  # time of the newest commit that was applied
        self.listeners: list[Listener] = []
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = count()
        self._tail: Tail | None = None

    # What is known

    def shelf(self, resource: Decider[S]) -> Shelf:
        """Everything of one kind."""
        return self.shelves[prefix_of(resource.__name__)]

    def known(self, resource: Decider[S], key: Key) -> Known[S] | None:
        """A resource and where it stands, a recently deleted one too."""
        return self.shelf(resource).known.get(key_of(key))

    def get(self, resource: Decider[S], key: Key) -> S | None:
        """The state of a live resource."""
        return cast(S | None, self.shelf(resource).live.get(key_of(key)))

    def all(self, resource: Decider[S]) -> list[S]:
        """The states of all live resources of a kind, the oldest first."""
        return list(self.shelf(resource).live.values())

    def by(self, resource: Decider[S], index: str, value: Any) -> list[S]:
        """The live resources whose declared index has `value`, in the order in which they came to it."""
        shelf = self.shelf(resource)
        return [shelf.live[key] for key in shelf.indexes[index].get(value, ())]

    def count(self, resource: Decider[S], index: str, value: Any) -> int:
        """How many there are, without looking at them."""
        return len(self.shelf(resource).indexes[index].get(value, ()))

    def values(self, resource: Decider[S], index: str) -> Iterator[Any]:
        """The values that a declared index has now."""
        return iter(self.shelf(resource).indexes[index])

    # How it becomes known

    def apply(self, entry: Entry) -> None:
        """Fold one entry of the journal in."""
        if entry.sequence <= self.position:
            return  # delivered again after a reconnect
        prefix, key = split(entry.subject)
        shelf = self.shelves.get(prefix)
        if shelf is not None:  # else: a resource of a service that this process does not have
            commit = shelf.decode(entry.data)
            self.newest_at = commit.at
            after = self._after(shelf, key, shelf.known.get(key), commit, entry)
            change = Change(entry.subject, entry.sequence, commit, shelf.put(after), after)
            self.position = entry.sequence
            for listener in self.listeners:
                listener(change)
        self.position = entry.sequence
        while self._waiting and self._waiting[0][0] <= self.position:
            future = heapq.heappop(self._waiting)[2]
            if not future.done():
                future.set_result(None)

    @staticmethod
    def _after(shelf: Shelf, key: str, known: Known[Any] | None, commit: Commit[Event], entry: Entry) -> Known[Any]:
        state = known.state if known else None
        for event in commit.events:
            state = shelf.evolve(state, event, commit.at)
        return Known(
            state,
            key,
            known.created_at if known else commit.at,
            commit.at,
            entry.sequence,
            known.revision + 1 if known else 1,
            digest(entry.data),
        )

    def restore(self, known: Iterable[tuple[str, Known[Any]]], position: int) -> None:
        """Begin from states that were kept, by prefix, as of `position`."""
        for prefix, one in known:
            self.shelves[prefix].put(one)
        self.position = position

    async def exhume(self, resource: Decider[S], key: Key, journal: Journal) -> Known[S] | None:
        """A resource that the fold has buried, folded anew from its own commits; None if it never was."""
        shelf, name = self.shelf(resource), key_of(key)
        known: Known[Any] | None = None
        for entry in await journal.of(f"{shelf.prefix}.{name}"):
            if entry.sequence > self.position:
                break
            known = self._after(shelf, name, known, shelf.decode(entry.data), entry)
        current = shelf.known.get(name)
        if known is not None and current is None:
            shelf.put(known)
            return known
        return current

    async def follow(self, journal: Journal) -> None:
        """Keep current by a tail of `journal`, and return once everything stored so far is folded in."""
        last = await journal.last()
        self._tail = await journal.tail(self.position, self.apply)
        await self.reach(last)

    async def reach(self, sequence: int, timeout: float = 30.0) -> None:
        """Return once the entry of this sequence is folded in. Raises TimeoutError."""
        if self.position >= sequence:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (sequence, next(self._count), future))
        async with asyncio.timeout(timeout):
            await future

    def bury(self, now: datetime) -> None:
        """Let go of what has been deleted for an hour."""
        for shelf in self.shelves.values():
            shelf.bury(now - BURIAL)

    async def stop(self) -> None:
        if self._tail is not None:
            await self._tail.stop()
            self._tail = None
