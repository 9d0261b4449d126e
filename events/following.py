"""Following: everything after a sequence, first from the chronicle, then as it happens, without a gap or a repetition.

What happened lately is kept once for all who follow; who has fallen further behind than that, or begins there, reads
the chronicle, some at a time. So nobody's slowness costs memory.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator
from operator import attrgetter

import msgspec

from events.chronicle import Chronicle
from events.cloudevents import Told, told_of
from events.fold import Change, Fold
from events.journal import Entry

KEPT = 5_000  # commits
BYTES = 16 << 20  # of them together
CHUNK = 1_000  # commits that are read from the chronicle, or handed on, at a time

_encode = msgspec.json.Encoder().encode
_sequence = attrgetter("sequence")


class Following:
    """What all who follow share. `chronicle` may be replaced by one that knows more."""

    def __init__(self, fold: Fold, chronicle: Chronicle) -> None:
        self.fold = fold
        self.chronicle = chronicle
        self._lately: list[Told] = []
        self._since = 0  # the sequence after which all is kept
        self._bytes = 0
        self._bells: set[asyncio.Event] = set()
        fold.listeners.append(self._hear)

    def close(self) -> None:
        """Hear no more."""
        if self._hear in self.fold.listeners:
            self.fold.listeners.remove(self._hear)

    def _hear(self, change: Change) -> None:
        if not self._bells:
            return
        one = told_of(Entry(change.sequence, change.subject, _encode(change.commit)), self.fold)
        self._lately.append(one)
        self._bytes += len(one.data)
        if len(self._lately) > 2 * KEPT or self._bytes > 2 * BYTES:
            self._forget()
        for bell in self._bells:
            bell.set()

    def _forget(self) -> None:
        """The older half."""
        gone = self._lately[: max(1, len(self._lately) // 2)]
        del self._lately[: len(gone)]
        self._since = gone[-1].sequence
        self._bytes -= sum(len(one.data) for one in gone)

    async def after(self, position: int, pause: float) -> AsyncGenerator[list[Told]]:
        """All commits after a sequence, in order, some at a time; none if nothing happens for `pause` seconds.

        It ends when whoever follows stops asking. Raises Unavailable.
        """
        bell = asyncio.Event()
        if not self._bells:
            self._lately, self._bytes, self._since = [], 0, self.fold.position
        self._bells.add(bell)
        try:
            while True:
                bell.clear()
                some = await self._some(position)
                if some:
                    position = some[-1].sequence
                    yield some
                    continue
                try:
                    async with asyncio.timeout(pause):
                        await bell.wait()
                except TimeoutError:
                    yield []
        finally:
            self._bells.discard(bell)

    async def _some(self, position: int) -> list[Told]:
        """The next ones after a sequence; none if there are none yet."""
        if position >= self._since:
            start = bisect_right(self._lately, position, key=_sequence)
            some = self._lately[start : start + CHUNK]
            whole = [one for n, one in enumerate(some) if one.sequence == position + 1 + n]
            if whole:
                return whole
            until = some[0].sequence - 1 if some else self.fold.position  # what this process does not fold
        else:
            until = self.fold.position
        if until <= position:
            return []
        some, size = [], 0
        entries = self.chronicle.entries(position, min(position + CHUNK, until))
        try:
            async for entry in entries:
                some.append(told_of(entry, self.fold))
                size += len(entry.data)
                if size > BYTES:
                    break
        finally:  # whoever follows may be gone in the midst of it
            if isinstance(entries, AsyncGenerator):
                await entries.aclose()
        return some
