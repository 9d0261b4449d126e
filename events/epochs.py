"""Closing an epoch: the journal goes over into a new one, and what lives is carried forward.

    1. the epoch ends: nothing comes after its last entry
    2. the next one begins, at the sequence after that
    3. the states of all live resources, as of the last entry, are carried into it
    4. it is opened

Each step may be repeated by anybody, any number of processes may do so at once, and each may die anywhere: whoever
looks next takes it on. Until step 4 nobody can write, and writers wait. Source: DESIGN, "Hard cases, decided", 3.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from typing import Any

from msgspec import Raw, Struct

from events.clock import Clock, SystemClock
from events.envelope import Event
from events.fold import Fold
from events.ids import new_hex
from events.journal import CARRIED, CLOSED, Journal, Moved, Stale
from events.passage import CarryBegun, EpochClosed, EpochOpened, StatesCarried, opened, word
from events.shelf import encode_known

PART = 512 << 10  # bytes of states in one entry
PATIENCE = 2.0  # seconds without a word after which another's attempt is taken for dead

log = logging.getLogger("cumulog.journal")


class CannotClose(Exception):
    """This process does not know all that there is: another must carry it forward."""


class Closed(Struct, frozen=True):
    """An epoch that went over into the next."""

    number: int
    last: int  # its last sequence
    carried: int  # how many resources
    seconds: float  # for which nobody could write, as far as this process saw


async def close(journal: Journal, fold: Fold, clock: Clock | None = None, *, part: int = PART) -> Closed:
    """Close the epoch that `fold` is in, or help to finish closing it.

    Raises CannotClose, Unavailable, TimeoutError.
    """
    return await Closer(journal, fold, clock or SystemClock(), part).run()


async def finish(journal: Journal, fold: Fold, clock: Clock | None = None) -> Closed | None:
    """Take on what another has left half-closed; None if there is nothing to be done. Raises as `close` does."""
    number = fold.epoch.number
    if number not in fold.ends and (await journal.epochs())[-1].is_open:
        return None
    with suppress(TimeoutError):
        await fold.turned(number, PATIENCE)  # whoever began may be about to finish
    return await close(journal, fold, clock) if fold.epoch.number == number else None


class Closer:
    """One process that closes an epoch."""

    def __init__(self, journal: Journal, fold: Fold, clock: Clock, part: int) -> None:
        self.journal = journal
        self.fold = fold
        self.clock = clock
        self.part = part
        self.number = fold.epoch.number
        self.forms = {prefix: shelf.form for prefix, shelf in fold.shelves.items()}

    async def run(self) -> Closed:
        await self._check()
        since = asyncio.get_running_loop().time()
        last = await self.journal.end(self.number, word(new_hex(), self.clock.now(), EpochClosed(number=self.number)))
        await self.journal.begin(self.number + 1, last + 1)
        await self.fold.reach(last)
        await self._check()  # what came while it was ending
        while self.fold.epoch.number == self.number:
            try:
                await self._carry(last)
            except Stale as stale:
                await self._wait(stale.sequence)
            except Moved:  # the next epoch has gone over too
                await self.fold.turned(self.number)
        pause = asyncio.get_running_loop().time() - since
        log.info("epoch %s ends with %s; %s resources were carried", self.number, last, self.fold.living())
        return Closed(self.number, last, self.fold.living(), pause)

    async def _check(self) -> None:
        """Raises CannotClose if there may be a kind of resource that this process does not know."""
        if self.fold.spoiled:
            raise CannotClose(f"this process cannot read {', '.join(self.fold.spoiled)}")
        strange = set(self.fold.strange)
        entry = await self.journal.newest(f"{CARRIED}.{self.number}", self.number) if self.number > 1 else None
        if entry is not None and (begun := opened(entry.data)) is not None:
            strange |= set(begun.forms) - set(self.forms)
        if not strange and not await self.journal.only(self.number, (*self.forms, CARRIED, CLOSED)):
            strange = {"a kind of resource that is not named"}
        if strange:
            raise CannotClose(f"this process does not know {', '.join(sorted(strange))}")

    async def _wait(self, sequence: int) -> None:
        """Another carries too: let them finish, for as long as they go on."""
        await self.fold.reach(sequence)
        heard = -1
        while self.fold.epoch.number == self.number and heard != self.fold.position:
            heard = self.fold.position
            try:
                await self.fold.turned(self.number, PATIENCE)
            except TimeoutError:
                continue

    async def _carry(self, last: int) -> None:
        """One attempt. Raises Stale if another has begun since."""
        fold, attempt = self.fold, new_hex()
        assert fold.ends.get(self.number) == last, "the end of the epoch was not read"
        assert fold.position >= last, "the epoch was not read to its end"
        common: dict[str, Any] = {"attempt": attempt, "forms": self.forms}
        expected = await self._append(self._word(CarryBegun(**common), attempt), fold.passage.newest)
        digest, parts, count = sha256(), 0, 0
        for states in self._parts():
            data = self._word(StatesCarried(attempt=attempt, part=parts, states=states), f"{attempt}.{parts}")
            expected = await self._append(data, expected)
            digest.update(data)
            parts, count = parts + 1, count + len(states)
        done = EpochOpened(
            number=self.number + 1, first=last + 1, parts=parts, count=count, digest=digest.hexdigest(), **common
        )
        await fold.reach(await self._append(self._word(done, f"{attempt}.opened"), expected))

    def _parts(self) -> Iterator[tuple[tuple[str, Raw], ...]]:
        """All that lives, some at a time; nothing can change it before the epoch is opened."""
        states: list[tuple[str, Raw]] = []
        size = 0
        for shelf in self.fold.shelves.values():
            for key in list(shelf.live):
                raw = encode_known(shelf.known[key])
                states.append((shelf.prefix, Raw(raw)))
                size += len(raw)
                if size >= self.part:
                    yield tuple(states)
                    states, size = [], 0
        if states:
            yield tuple(states)

    def _word(self, one: Event, id: str) -> bytes:
        return word(id, self.clock.now(), one)

    async def _append(self, data: bytes, expected: int) -> int:
        subject = f"{CARRIED}.{self.number + 1}"
        return await self.journal.append(subject, data, expected=expected, epoch=self.number + 1)


__all__ = ["CannotClose", "Closed", "close", "finish"]
