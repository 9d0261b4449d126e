"""The fold: the state of every live resource, in memory, by id and by declared index, kept current by a tail.

It is the only place in which states are folded. What it tells is true as of `position`. A resource with a commit that
cannot be folded is *spoiled*: nobody reads or changes it here until its commits can be, and everything else goes on.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
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
from events.refusals import Busy
from events.subjects import key_of, prefix_of, split

S = TypeVar("S", bound=State)
S_co = TypeVar("S_co", bound=State)

BURIAL = timedelta(hours=1)  # how long a deleted resource stays in the fold

log = logging.getLogger("cumulog.fold")


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


class Spoil(Struct, gc=False):
    """Why a resource cannot be folded."""

    why: str
    sequence: int  # of the commit that could not be
    newest: int  # the newest commit of its subject that was passed over


class Spoiled(Busy):
    """The resource cannot be read or changed by this process. Another version of the program may be able to."""


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
        moves = []  # worked out first: if that raises, nothing has been changed
        for name in self.names:
            was = getattr(old, name) if old is not None else None
            now = getattr(new, name) if new is not None else None
            if was != now:
                moves.append((name, was, now))
        self.known[key] = after
        for name, was, now in moves:
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
        self.spoiled: dict[str, Spoil] = {}  # by subject
        self.listeners: list[Listener] = []
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = count()
        self._tail: Tail | None = None

    # What is known

    def shelf(self, resource: Decider[S]) -> Shelf:
        """Everything of one kind."""
        return self.shelves[prefix_of(resource.__name__)]

    def known(self, resource: Decider[S], key: Key) -> Known[S] | None:
        """A resource and where it stands, a recently deleted one too. Raises Spoiled."""
        shelf, name = self.shelf(resource), key_of(key)
        if self.spoiled:
            self.check(f"{shelf.prefix}.{name}")
        return shelf.known.get(name)

    def get(self, resource: Decider[S], key: Key) -> S | None:
        """The state of a live resource. Raises Spoiled."""
        shelf, name = self.shelf(resource), key_of(key)
        if self.spoiled:
            self.check(f"{shelf.prefix}.{name}")
        return cast(S | None, shelf.live.get(name))

    def check(self, subject: str) -> None:
        """Raises Spoiled."""
        if (spoil := self.spoiled.get(subject)) is not None:
            raise Spoiled(f"Commit {spoil.sequence} of {subject} cannot be read: an operator has to look at it.")

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
        if entry.subject in self.spoiled:
            self.spoiled[entry.subject].newest = entry.sequence
        elif shelf is not None:  # else: a resource of a service that this process does not have
            change = self._fold(shelf, key, entry)
            if change is not None:
                self.newest_at = change.commit.at
                self.position = entry.sequence
                self._tell(change)
        self.position = entry.sequence
        while self._waiting and self._waiting[0][0] <= self.position:
            future = heapq.heappop(self._waiting)[2]
            if not future.done():
                future.set_result(None)

    def _fold(self, shelf: Shelf, key: str, entry: Entry) -> Change | None:
        try:
            commit = shelf.decode(entry.data)
            after = self._after(shelf, key, shelf.known.get(key), commit, entry)
            return Change(entry.subject, entry.sequence, commit, shelf.put(after), after)
        except Exception as fault:  # whatever it is, what follows in the journal is to be heard
            self._spoil(entry, fault)
            return None

    def _spoil(self, entry: Entry, fault: Exception) -> None:
        log.critical("commit %d of %s cannot be folded: %r", entry.sequence, entry.subject, entry.data, exc_info=fault)
        self.spoiled[entry.subject] = Spoil(repr(fault), entry.sequence, entry.sequence)

    def _tell(self, change: Change) -> None:
        for listener in self.listeners:
            try:
                listener(change)
            except Exception:  # the others hear of it all the same
                log.exception("commit %d of %s was not heard by %s", change.sequence, change.subject, listener)

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
        """A resource that the fold has buried, folded anew from its own commits; None if it never was.

        Raises Spoiled.
        """
        shelf, name = self.shelf(resource), key_of(key)
        subject = f"{shelf.prefix}.{name}"
        known: Known[Any] | None = None
        for entry in await journal.of(subject):
            if entry.sequence > self.position:
                break
            try:
                known = self._after(shelf, name, known, shelf.decode(entry.data), entry)
            except Exception as fault:
                self._spoil(entry, fault)
                break
        self.check(subject)
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
        for subject in list(self.spoiled):
            await self.refold(subject, journal)

    async def refold(self, subject: str, journal: Journal) -> None:
        """Try a spoiled resource anew, from its first commit on: this program may be able to fold what another was not.

        Raises Unavailable.
        """
        prefix, key = split(subject)
        shelf, spoil = self.shelves[prefix], self.spoiled[subject]
        entries: list[Entry] = []
        while not entries or entries[-1].sequence < spoil.newest:  # more may have come while the journal answered
            entries = [entry for entry in await journal.of(subject) if entry.sequence <= self.position]
        known: Known[Any] | None = None
        try:
            for entry in entries:
                commit = shelf.decode(entry.data)
                known = self._after(shelf, key, known, commit, entry)
            assert known is not None
            change = Change(subject, known.sequence, commit, shelf.put(known), known)
        except Exception as fault:
            spoil.why = repr(fault)
            log.error("%s still cannot be folded: %r", subject, fault)
            return
        del self.spoiled[subject]
        self._tell(change)

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
