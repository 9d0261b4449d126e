"""Moments: from a time or a sequence to the state of everything as it was then.

A moment is a sequence, or a time. A time stands for the longest beginning of the journal all of whose commits bear a
time that is not later: what is told of a moment never holds anything that by its own word came after it. Commits bear
the time of the process that made them, so that their times are nearly, not strictly, in order. A time is found by
halving, and by reading the last SKEW before it: right as long as no two processes' clocks differ by more than that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct

from events.chronicle import Chronicle, Snapshot
from events.fold import Fold, Known
from events.journal import Entry
from events.refusals import Invalid, NotFound

Moment = int | datetime

SKEW = timedelta(seconds=10)  # between the clocks of any two processes, at most
CHUNK = 20_000  # entries that are asked for at a time: what bounds the memory of a reading
WORK = 0.002  # seconds of work at a stretch
REST = 0.002  # seconds that everybody else has after it
STAGE = 10_000  # entries after which the dead are buried, and `grown` is told
REMEMBERED = 10_000  # times of commits

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class _Dated(Struct, frozen=True, gc=False):
    at: datetime


_dated = msgspec.json.Decoder(_Dated).decode


def since(text: str, now: datetime) -> datetime:
    """A time: ISO 8601 (in UTC unless it says otherwise), or `90s`, `10m`, `2h`, `3d` ago. Raises ValueError."""
    if text[-1:] in _UNITS and text[:-1].isdecimal():
        try:
            return now - timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
        except OverflowError as fault:
            raise ValueError(text) from fault
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def moment(text: str, now: datetime) -> Moment:
    """A moment as a caller names it: a sequence, or a time as `since` reads it. Raises Invalid."""
    text = text.strip()
    if text.isdecimal() and len(text) < 19:
        return int(text)
    try:
        return since(text, now)
    except (ValueError, OverflowError) as fault:
        raise Invalid("A moment is a sequence, a time in ISO 8601, or 90s, 10m, 2h, 3d for that long ago.") from fault


class Pace:
    """Work among others: after some ms of it they have their turn."""

    def __init__(self, work: float = WORK, rest: float = REST) -> None:
        self._work = work
        self._rest = rest
        self._since = time.perf_counter()

    async def keep(self) -> None:
        """To be called between any two small pieces of work."""
        if time.perf_counter() - self._since > self._work:
            await asyncio.sleep(self._rest)
            self._since = time.perf_counter()


class Moments:
    """Finds sequences by time. What it has learned of the journal never changes, so it is remembered."""

    def __init__(self, chronicle: Chronicle) -> None:
        self._chronicle = chronicle
        self._times: dict[int, datetime] = {}

    async def sequence(self, moment: Moment, now: datetime) -> int:
        """The sequence as of which a moment is. Raises Invalid if it is to come or before the cloud; Unavailable."""
        last = await self._chronicle.last()
        if isinstance(moment, int):
            if moment > last:
                raise Invalid(f"The journal has come to {last}, not yet to {moment}.")
            found = moment
        else:
            if moment > now:
                raise Invalid("That moment is still to come.")
            found = await self._last_until(moment, last)
        if found < 1:
            raise Invalid("That was before the cloud.")
        return found

    async def _last_until(self, when: datetime, last: int) -> int:
        """The last sequence before the first commit that bears a time after `when`."""
        surely = 0  # all commits up to this one are of that time or before
        step = 1 << last.bit_length()
        while step := step >> 1:  # always over the same sequences, whose times are then known already
            if surely + step <= last and await self.time(surely + step) <= when - SKEW:
                surely += step
        async for entry in read(self._chronicle, surely, last):
            if _dated(entry.data).at > when:
                break
            surely = entry.sequence
        return surely

    async def time(self, sequence: int) -> datetime:
        known = self._times.get(sequence)
        if known is None:
            async for entry in self._chronicle.entries(sequence - 1, sequence):
                known = _dated(entry.data).at
            if known is None:
                raise NotFound(f"The commit of sequence {sequence} is nowhere to be found.")
            self._times[sequence] = known
            if len(self._times) > REMEMBERED:
                del self._times[next(iter(self._times))]
        return known


async def read(chronicle: Chronicle, after: int, until: int) -> AsyncIterator[Entry]:
    """The entries of a span, some at a time, among the work of others. Raises Unavailable."""
    pace = Pace()
    while after < until:
        end = min(after + CHUNK, until)
        async for entry in chronicle.entries(after, end):
            yield entry
            await pace.keep()
        after = end


def snapshot(fold: Fold) -> Snapshot:
    """What another fold can begin with. The fold must stay as it is until that has been read."""

    def known() -> Iterator[tuple[str, Known[Any]]]:
        for prefix, shelf in fold.shelves.items():
            for some in (shelf.live, shelf.dead):
                for key in some:
                    yield prefix, shelf.known[key]

    return Snapshot(fold.position, known())


async def fold_to(
    fold: Fold,
    chronicle: Chronicle,
    sequence: int,
    begin: Snapshot | None = None,
    grown: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Bring an empty fold to what a fold was at `sequence`, from a snapshot if one is given. Raises Unavailable.

    `grown` is called now and then, and may raise to have it given up.
    """
    pace = Pace()
    if begin is not None:
        for some in _chunks(begin.known, 50):
            fold.restore(some, begin.position)
            await pace.keep()
        if grown is not None:
            await grown()
    async for entry in read(chronicle, fold.position, sequence):
        fold.apply(entry)
        if entry.sequence % STAGE == 0 or entry.sequence == sequence:
            if fold.newest_at is not None:
                fold.bury(fold.newest_at)
            if grown is not None:
                await grown()


def _chunks(some: Iterable[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(some)
    while chunk := list(islice(rest, size)):
        yield chunk
