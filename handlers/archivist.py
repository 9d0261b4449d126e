"""The archivist: finishes what others left half-closed, closes epochs when they are long, archives and drops them.

Any number of processes run one; all they do may be done by several at once. An epoch is dropped only when every byte of
it has been read back from the archive. Source: DESIGN, "Hard cases, decided", 3.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from msgspec import Struct

from events.clock import Clock, SystemClock
from events.epochs import CannotClose, Closed, close, finish
from events.fold import Fold
from events.journal import CARRIED, Epoch, Journal, Unavailable

PERIOD = 5.0  # seconds between two looks
REST = 60.0  # seconds until what failed is tried again

log = logging.getLogger("cumulog.archive")

Keep = Callable[[Epoch], Awaitable[int]]  # puts an epoch into the archive; how many bytes are there now


class Archived(Struct, frozen=True):
    """What was done."""

    closed: Closed | None = None
    kept: tuple[int, ...] = ()  # epochs that are in the archive, and no longer in the journal
    bytes: int = 0


class Archivist:
    """Looks after one journal; without `keep` nothing is archived, and nothing dropped."""

    def __init__(
        self,
        journal: Journal,
        fold: Fold,
        keep: Keep | None,
        *,
        commits: int = 0,  # after so many, those that carried what lives apart, an epoch is closed; 0: never by itself
        clock: Clock | None = None,
        period: float = PERIOD,
    ) -> None:
        self.failure = ""  # of the newest look: for whoever asks for its health
        self._journal = journal
        self._fold = fold
        self._keep = keep
        self._commits = commits
        self._clock: Clock = clock or SystemClock()
        self._period = period
        self._opened = (0, 0)  # an epoch, and the sequence of the entry that opened it
        self._one = asyncio.Lock()

    async def run(self) -> None:
        """Look from time to time, until cancelled."""
        pause = self._period
        while True:
            await asyncio.sleep(pause)
            pause = REST
            try:
                await self.look()
                self.failure, pause = "", self._period
            except (Unavailable, TimeoutError) as fault:  # it may answer any moment
                self.failure, pause = str(fault) or "no answer in time", self._period
                log.warning("the journal cannot be archived now: %s", self.failure)
            except CannotClose as fault:
                self.failure = str(fault)
                log.warning("the journal cannot be archived now: %s", self.failure)
            except Exception as fault:  # it must not end: others may leave something half-closed
                self.failure = repr(fault)
                log.exception("the journal could not be archived")

    async def look(self) -> Archived:
        """Do what is due."""
        async with self._one:
            closed = await finish(self._journal, self._fold, self._clock)
            if self._commits and self._fold.position - await self._begin() >= self._commits:
                closed = await close(self._journal, self._fold, self._clock)
            return await self._archive(closed)

    async def _begin(self) -> int:
        """The sequence after which the epoch's own commits come."""
        epoch = self._fold.epoch
        if self._opened[0] != epoch.number:
            carried = await self._journal.newest(f"{CARRIED}.{epoch.number}", epoch.number)
            self._opened = epoch.number, carried.sequence if carried else epoch.first - 1
        return self._opened[1]

    async def archive(self, number: int | None = None) -> Archived:
        """Close the epoch, if it is this one, and archive what has ended; who asks by its number may ask again.

        Raises CannotClose, Unavailable, TimeoutError.
        """
        async with self._one:
            is_due = number is None or number == self._fold.epoch.number
            closed = await close(self._journal, self._fold, self._clock) if is_due else None
            return await self._archive(closed)

    async def _archive(self, closed: Closed | None) -> Archived:
        kept: list[int] = []
        size = 0
        ended = [one for one in await self._journal.epochs() if one.number < self._fold.epoch.number]
        for epoch in ended if self._keep is not None else ():
            assert self._keep is not None
            size += await self._keep(epoch)
            await self._journal.drop(epoch.number)
            kept.append(epoch.number)
        return Archived(closed, tuple(kept), size)
