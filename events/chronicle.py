"""The chronicle: the journal's whole past, read as one, wherever it is kept.

Questions about history - what was as of a moment, what a request caused, what is to be replayed - ask it, and do not
know which entries are hot in the journal and which have moved to an archive.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, Protocol

from msgspec import Struct

from events.fold import Known
from events.journal import Earlier, Entry, Journal

ROOM = 20_000  # entries that may wait for who reads; a large one counts as many


class Snapshot(Struct, frozen=True):
    """The states of all resources as of a sequence: a fold that begins with it need not read what came before."""

    position: int
    known: Iterable[tuple[str, Known[Any]]]  # by prefix, as `Fold.restore` takes them


class Chronicle(Protocol):
    """What has ever happened."""

    async def last(self) -> int:
        """The sequence of the newest entry. Raises Unavailable."""

    def entries(self, after: int = 0, until: int | None = None, subject: str | None = None) -> AsyncIterator[Entry]:
        """The entries after one sequence up to another (None: the present last), in order; of one subject if given.

        Raises Unavailable.
        """

    async def snapshot(self, at: int) -> Snapshot | None:
        """The newest snapshot taken at sequence `at` or before it; None if there is none. Raises Unavailable."""


class JournalChronicle:
    """The past as far as the journal itself has it; `past` has what is dropped while it is read."""

    def __init__(self, journal: Journal, past: Earlier | None = None) -> None:
        self._journal = journal
        self._past = past

    async def last(self) -> int:
        return await self._journal.last()

    async def entries(
        self, after: int = 0, until: int | None = None, subject: str | None = None
    ) -> AsyncIterator[Entry]:
        last = await self._journal.last() if until is None else until
        if subject is not None:
            for entry in await self._journal.of(subject, after):
                if entry.sequence <= last:
                    yield entry
            return
        if last <= after:
            return
        position = after
        while position < last:
            async for entry in self._some(position, last):
                position = entry.sequence
                yield entry

    async def _some(self, after: int, last: int) -> AsyncIterator[Entry]:
        """As many entries as come before those that nobody has taken yet are too many."""
        queue: asyncio.Queue[Entry | None] = asyncio.Queue()
        room = ROOM

        def deliver(entry: Entry) -> None:
            nonlocal room
            if room > 0 and entry.sequence <= last:
                room -= 1 + len(entry.data) // 1024
                queue.put_nowait(entry)
            if room <= 0 or entry.sequence >= last:
                queue.put_nowait(None)

        tail = await self._journal.tail(after, deliver, self._past)
        try:
            while (entry := await queue.get()) is not None:
                yield entry
        finally:
            await tail.stop()

    async def snapshot(self, at: int) -> Snapshot | None:
        return None
