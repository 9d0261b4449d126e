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
from events.journal import Entry, Journal


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
    """The past as far as the journal itself has it."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

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
        queue: asyncio.Queue[Entry] = asyncio.Queue()
        tail = await self._journal.tail(after, queue.put_nowait)
        try:
            position = after
            while position < last:
                entry = await queue.get()
                position = entry.sequence
                if position <= last:
                    yield entry
        finally:
            await tail.stop()

    async def snapshot(self, at: int) -> Snapshot | None:
        return None
