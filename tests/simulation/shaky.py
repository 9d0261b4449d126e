"""The journal as one process sees it: far away, late, at times out of reach - and deaf to a process that is dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from random import Random
from typing import Any

from events.fold import Fold
from events.journal import Deliver, Earlier, Entry, Epoch, Journal, MemoryJournal, Unavailable
from events.shelf import encode_known


class Recorded(MemoryJournal):
    """A journal in memory that shows each entry to whoever watches, in the moment in which it is stored."""

    def __init__(self) -> None:
        super().__init__()
        self.watchers: list[Callable[[Entry], None]] = []

    def _store(self, subject: str, data: bytes) -> int:
        sequence = super()._store(subject, data)
        for watcher in self.watchers:
            watcher(self.entries[-1])
        return sequence


class MemoryPast:
    """The archive of a simulation: what a journal has dropped, which it still shows."""

    def __init__(self, journal: Recorded, resources: list[Any]) -> None:
        self._journal = journal
        self._resources = resources

    async def entries(
        self, after: int = 0, until: int | None = None, subject: str | None = None
    ) -> AsyncIterator[Entry]:
        for entry in self._journal.entries[after:until]:
            if subject is None or entry.subject == subject:
                yield entry

    async def holds(self, subject: str, before: int) -> bool:
        return await self.newest(subject) is not None

    async def newest(self, subject: str) -> tuple[bytes, int] | None:
        fold = Fold(self._resources)
        for entry in self._journal.entries[: (await self._journal.epochs())[0].first - 1]:
            if entry.subject == subject:
                fold.apply(entry)
        found = [(encode_known(one), s.form) for s in fold.shelves.values() for one in s.known.values()]
        return found[0] if found else None


class Shaky:
    """A process's way to the journal."""

    def __init__(self, journal: Recorded, random: Random) -> None:
        self._journal = journal
        self._random = random
        self.dead = False
        self.unreachable = 0.0  # probability that a question is not answered
        self.lost = 0.0  # probability that a write is stored, but its acknowledgement lost
        self.lag = 0.002  # seconds that entries need at most to get here
        self.waits_until = 0.0  # loop time before which nothing gets here
        self.asked = 0  # how often for the last sequence

    async def append(self, subject: str, data: bytes, *, expected: int, epoch: int = 1) -> int:
        await self._travel()
        sequence = await self._journal.append(subject, data, expected=expected, epoch=epoch)
        await self._travel()
        if self._random.random() < self.lost:
            raise Unavailable("the acknowledgement was lost")
        return sequence

    async def last(self) -> int:
        self.asked += 1
        await self._travel()
        return await self._journal.last()

    async def of(self, subject: str, after: int = 0) -> list[Entry]:
        await self._travel()
        return await self._journal.of(subject, after)

    async def find(self, subject: str, data: bytes, *, after: int, epoch: int) -> int | None:
        await self._travel()
        return await self._journal.find(subject, data, after=after, epoch=epoch)

    async def newest(self, subject: str, epoch: int) -> Entry | None:
        await self._travel()
        return await self._journal.newest(subject, epoch)

    async def earlier(self, subject: str, before: int) -> tuple[bool, int]:
        await self._travel()
        return await self._journal.earlier(subject, before)

    async def epochs(self) -> list[Epoch]:
        await self._travel()
        return await self._journal.epochs()

    async def only(self, epoch: int, prefixes: Iterable[str]) -> bool:
        await self._travel()
        return await self._journal.only(epoch, prefixes)

    async def end(self, epoch: int, data: bytes) -> int:
        await self._travel()
        return await self._journal.end(epoch, data)

    async def begin(self, epoch: int, first: int) -> None:
        await self._travel()
        await self._journal.begin(epoch, first)

    async def drop(self, epoch: int) -> None:
        await self._travel()
        await self._journal.drop(epoch)

    async def tail(self, after: int, deliver: Deliver, past: Earlier | None = None) -> _LateTail:
        return _LateTail(self, self._journal, after, deliver)

    async def _travel(self) -> None:
        await asyncio.sleep(self._random.random() * 0.002)
        if self.dead:
            raise asyncio.CancelledError  # the process is no more, whatever its code would do now
        if self._random.random() < self.unreachable:
            raise Unavailable("there is no way to the journal")

    def delay(self) -> float:
        """Seconds until what is stored now gets here."""
        waits = self.waits_until - asyncio.get_running_loop().time()
        return max(waits, 0.0) + self._random.random() * self.lag


class _LateTail:
    """Delivers in order, late, and then all at once."""

    def __init__(self, shaky: Shaky, journal: Recorded, after: int, deliver: Deliver) -> None:
        self._shaky = shaky
        self._journal = journal
        self._position = after
        self._deliver = deliver
        self._bell = asyncio.Event()
        self._bell.set()
        journal.watchers.append(self._ring)
        self._task = asyncio.create_task(self._run())

    def _ring(self, entry: Entry) -> None:
        self._bell.set()

    async def _run(self) -> None:
        while True:
            await self._bell.wait()
            await asyncio.sleep(self._shaky.delay())
            self._bell.clear()
            while self._position < len(self._journal.entries):
                self._position += 1
                self._deliver(self._journal.entries[self._position - 1])

    async def stop(self) -> None:
        self._journal.watchers.remove(self._ring)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def _is_a_journal(shaky: Shaky) -> Journal:
    return shaky


__all__ = ["MemoryPast", "Recorded", "Shaky"]
