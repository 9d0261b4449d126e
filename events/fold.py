"""The fold: the state of every live resource, in memory, by id and by declared index, kept current by a tail.

It is the only place in which states are folded. What it tells is true as of `position`. A resource with a commit that
cannot be folded is *spoiled*: nobody reads or changes it here until its commits can be, and everything else goes on.
Where the journal goes over into a new epoch it reads the passage (events/passage.py), and then writes into the new one.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Protocol, TypeVar, cast

from msgspec.structs import replace

from events.envelope import Commit, Event, Key, State, digest
from events.garbage import resting
from events.journal import Entry, Epoch, Journal, Tail, Unavailable
from events.passage import Foreign, Passage, is_of_passage
from events.shelf import Change, Decider, Known, Listener, Shelf, Spoil, Spoiled
from events.subjects import key_of, prefix_of, split

S = TypeVar("S", bound=State)

BULK = 5_000  # commits
BURIAL = timedelta(hours=1)  # how long a deleted resource stays in the fold

log = logging.getLogger("cumulog.fold")


class _Unfoldable(Exception):
    """A commit cannot be folded."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(f"commit {entry.sequence} of {entry.subject}")
        self.entry = entry


class Past(Protocol):
    """What the journal itself has no more. Everything here may raise Unavailable."""

    def entries(self, after: int = 0, until: int | None = None, subject: str | None = None) -> AsyncIterator[Entry]:
        """The entries after one sequence up to another, in order."""

    async def holds(self, subject: str, before: int) -> bool:
        """Whether the subject may have had a resource in an epoch before this one."""

    async def newest(self, subject: str) -> tuple[bytes, int] | None:
        """A resource as it last was in the past: a `Known` as JSON, and the form of its state."""


class Fold:
    """The states of all live resources of the given modules."""

    def __init__(self, modules: Iterable[Any]) -> None:
        self.shelves = {shelf.prefix: shelf for shelf in map(Shelf, modules)}
        self.position = 0  # sequence of the newest entry that was applied
        self.newest_at: datetime | None = None  # time of the newest commit that was applied
        self.spoiled: dict[str, Spoil] = {}  # by subject
        self.listeners: list[Listener] = []
        self.epoch = Epoch(1, 1)  # into which this process may write
        self.ends: dict[int, int] = {}  # the last sequences of the epochs whose ends were seen
        self.strange: set[str] = set()  # kinds of resources that are in the journal and not known here
        self.past: Past | None = None
        self.taken_over: list[Callable[[], None]] = []  # called when the fold has begun with carried states
        self.passage = Passage(self)
        self._turning: list[asyncio.Future[None]] = []
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
        return cast("S | None", shelf.live.get(name))

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
        return [shelf.live[key] for key in shelf.indexes[index].find(value)]

    def count(self, resource: Decider[S], index: str, value: Any) -> int:
        """How many there are, without looking at them."""
        return len(self.shelf(resource).indexes[index].find(value))

    def values(self, resource: Decider[S], index: str) -> Iterator[Any]:
        """The values that a declared index has now."""
        return self.shelf(resource).indexes[index].values()

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
        elif is_of_passage(entry.subject):
            self.passage.take(entry)
        else:
            self.strange.add(prefix)
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

    def suspect(self, subjects: Iterable[str]) -> None:
        """These could not be folded by whoever kept what was restored: `follow` tries them anew."""
        for subject in subjects:
            if split(subject)[0] in self.shelves:
                self.spoiled[subject] = Spoil("it could not be folded before this process began", 0, 0)

    def take_over(self, carried: Iterable[tuple[str, bytes]], forms: Mapping[str, int]) -> None:
        """Begin with the states that were carried into an epoch. Raises what reading them raises."""
        for prefix, raw in carried:
            shelf = self.shelves[prefix]
            shelf.put(shelf.decode_known(raw, forms[prefix]))
        for listener in self.taken_over:
            listener()

    async def _anew(self, shelf: Shelf, key: str, journal: Journal) -> tuple[Known[Any] | None, Change | None]:
        """A resource from its own commits, and the newest of them. Raises Unavailable, _Unfoldable."""
        subject = f"{shelf.prefix}.{key}"
        entries = await journal.of(subject)  # first: what is dropped from now on is in the past by then
        kept = await self.past.newest(subject) if self.past else None
        known: Known[Any] | None = shelf.decode_known(*kept) if kept else None
        if known is not None and known.sequence > self.position:
            raise Unavailable(f"this process has read up to {self.position} only")
        change: Change | None = None
        for entry in entries:
            if known is not None and entry.sequence <= known.sequence:
                continue
            if entry.sequence > self.position:
                break
            try:
                commit = shelf.decode(entry.data)
                if commit.previous is not None and known is None:
                    raise Unavailable(f"the first commits of {subject} are not here")
                before, known = known, self._after(shelf, key, known, commit, entry)
            except Unavailable:
                raise
            except Exception as fault:  # whatever it is: as in `_fold`
                raise _Unfoldable(entry) from fault
            change = Change(subject, entry.sequence, commit, before, known)
        return known, change

    async def exhume(self, resource: Decider[S], key: Key, journal: Journal) -> Known[S] | None:
        """A resource that the fold has buried, folded anew from its own commits; None if it never was.

        Raises Spoiled, Unavailable.
        """
        shelf, name = self.shelf(resource), key_of(key)
        subject = f"{shelf.prefix}.{name}"
        try:
            known, _ = await self._anew(shelf, name, journal)
        except _Unfoldable as fault:
            self._spoil(fault.entry, fault)
        self.check(subject)
        current = shelf.known.get(name)
        if known is not None and current is None:
            shelf.put(known)
            return known
        return current

    async def dig(self, resource: Decider[S], key: Key, journal: Journal) -> None:
        """Bring back what the guard of this epoch does not tell of: who died in an earlier one. Raises Unavailable."""
        subject = f"{self.shelf(resource).prefix}.{key_of(key)}"
        found, oldest = await journal.earlier(subject, self.epoch.number)
        if found or (oldest > 1 and self.past is not None and await self.past.holds(subject, oldest)):
            await self.exhume(resource, key, journal)

    def living(self) -> int:
        """How many resources live."""
        return sum(len(shelf.live) for shelf in self.shelves.values())

    async def follow(self, journal: Journal) -> None:
        """Keep current by a tail of `journal`, and return once everything stored so far is folded in.

        What the journal has no more is read from `past`; a fold that knows nothing, and has no past, begins with what
        was carried into the oldest epoch. Raises Unavailable, Foreign.
        """
        last = await journal.last()
        try:
            with self._in_bulk() if last - self.position > BULK else nullcontext():
                await self._catch_up(journal, last)
        except BaseException:  # also if it is cancelled: the tail must not go on
            await self.stop()
            raise
        if self.passage.foreign:
            raise Foreign(self.passage.foreign)
        for subject in list(self.spoiled):
            await self.refold(subject, journal)

    async def _catch_up(self, journal: Journal, last: int) -> None:
        epochs = await journal.epochs()
        first = epochs[0].first
        if self.position < first - 1 and self.past is not None:
            async for entry in self.past.entries(self.position, first - 1):
                self.apply(entry)
        if self.position < first - 1:
            if self.position:
                raise Unavailable(f"the journal begins at {first}, and was read up to {self.position}")
            self.passage.is_new = True
            self.position = first - 1
        for epoch in epochs:
            if epoch.first <= self.position and (epoch.last is None or self.position <= epoch.last):
                self.epoch = Epoch(epoch.number, epoch.first)
        self._tail = await journal.tail(self.position, self.apply, self.past.entries if self.past else None)
        seen = -1
        while self.position < last and not self.passage.foreign:
            if self.position == seen:
                raise Unavailable(f"nothing follows {seen} in the journal, which goes on to {last}")
            seen = self.position
            with suppress(TimeoutError):  # as long as it goes on
                await self.reach(last)

    @contextmanager
    def _in_bulk(self) -> Iterator[None]:
        """Many commits are folded, and nobody asks meanwhile: sort what lives at the end, and collect no garbage."""
        for shelf in self.shelves.values():
            shelf.is_unsorted = True
        with resting():
            try:
                yield
            finally:
                for prefix, shelf in self.shelves.items():
                    for key, fault in shelf.sort().items():
                        self._spoil(Entry(shelf.known[key].sequence, f"{prefix}.{key}", b""), fault)

    async def refold(self, subject: str, journal: Journal) -> None:
        """Try a spoiled resource anew, from its first commit on: this program may be able to fold what another was not.

        Raises Unavailable.
        """
        prefix, key = split(subject)
        shelf, spoil = self.shelves[prefix], self.spoiled[subject]
        before = shelf.known.get(key)
        try:
            known, change = await self._anew(shelf, key, journal)
            while known is not None and known.sequence < spoil.newest:  # more came while the journal answered
                known, change = await self._anew(shelf, key, journal)
        except _Unfoldable as fault:
            spoil.why, spoil.sequence = repr(fault.__cause__), fault.entry.sequence
            log.error("%s still cannot be folded: %s", subject, spoil.why)
            return
        del self.spoiled[subject]
        if known is not None:
            shelf.put(known)
        if change is not None:
            self._tell(replace(change, before=before))

    def turn(self, epoch: Epoch) -> None:
        """Write into this epoch from now on."""
        self.epoch = epoch
        turning, self._turning = self._turning, []
        for future in turning:
            if not future.done():
                future.set_result(None)

    async def turned(self, number: int, timeout: float = 30.0) -> None:
        """Return once this epoch has been left for another. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while self.epoch.number <= number:
                future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._turning.append(future)
                await future

    async def fence(self, journal: Journal) -> None:
        """Return once everything is folded in that was acknowledged to anybody before.

        Raises Unavailable, TimeoutError.
        """
        while True:
            number = self.epoch.number
            await self.reach(await journal.last())
            if self.epoch.number == number and number not in self.ends:
                return
            await self.turned(number)  # what was asked of an epoch that has ended is not the newest

    async def reach(self, sequence: int, timeout: float | None = 30.0) -> None:
        """Return once the entry of this sequence is folded in. Raises TimeoutError after `timeout` seconds."""
        if self.position >= sequence:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (sequence, next(self._count), future))
        timer = asyncio.get_running_loop().call_later(timeout, _late, future) if timeout is not None else None
        try:
            await future
        finally:
            if timer is not None:
                timer.cancel()

    def bury(self, now: datetime) -> None:
        """Let go of what has been deleted for an hour."""
        for shelf in self.shelves.values():
            shelf.bury(now - BURIAL)

    async def stop(self) -> None:
        if self._tail is not None:
            await self._tail.stop()
            self._tail = None


def _late(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())


__all__ = [
    "BURIAL",
    "Change",
    "Decider",
    "Fold",
    "Foreign",
    "Known",
    "Listener",
    "Past",
    "Shelf",
    "Spoil",
    "Spoiled",
]
