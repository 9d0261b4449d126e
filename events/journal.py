"""The journal: an append-only log of commits, guarded per subject. The specification, in memory.

Source: DESIGN, "The journal". One suite, tests/events/test_journal.py, runs over every implementation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, Protocol


class Entry(NamedTuple):
    """A commit as stored."""

    sequence: int  # 1, 2, … over the whole journal
    subject: str
    data: bytes


class Stale(Exception):
    """Something came to the subject after what the writer knew."""

    def __init__(self, sequence: int) -> None:
        super().__init__(f"the subject's last sequence is {sequence}")
        self.sequence = sequence


class Unavailable(Exception):
    """The journal takes no write and answers no question now. It is not known whether a write was taken."""


Deliver = Callable[[Entry], None]


class Tail(Protocol):
    """A reader that follows the journal."""

    async def stop(self) -> None: ...


class Journal(Protocol):
    """An append-only log."""

    async def append(self, subject: str, data: bytes, *, expected: int, id: str) -> int:
        """Store `data` if the last sequence on exactly this subject is `expected` (0: none); its sequence.

        `id` is the command's: an append repeated after a lost acknowledgement is recognised by it, and returns the
        sequence of the first. Raises Stale, Unavailable.
        """

    async def last(self) -> int:
        """The sequence of the newest entry, asked of whoever decides (the leader). Raises Unavailable."""

    async def of(self, subject: str, after: int = 0) -> list[Entry]:
        """The entries of one subject after a sequence, in order. Raises Unavailable."""

    async def tail(self, after: int, deliver: Deliver) -> Tail:
        """Call `deliver` with every entry after `after`, in order and gapless, until stopped; reconnects by itself."""


class MemoryJournal:
    """The journal's meaning, in memory: for tests and simulations."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._last: dict[str, int] = {}
        self._ids: dict[str, int] = {}
        self._tails: list[_MemoryTail] = []

    async def append(self, subject: str, data: bytes, *, expected: int, id: str) -> int:
        known = self._ids.get(id)
        if known is not None and self.entries[known - 1].subject == subject:
            return known
        last = self._last.get(subject, 0)
        if last != expected:
            raise Stale(last)
        entry = Entry(len(self.entries) + 1, subject, data)
        self.entries.append(entry)
        self._last[subject] = self._ids[id] = entry.sequence
        for tail in self._tails:
            tail.ring()
        return entry.sequence

    async def last(self) -> int:
        return len(self.entries)

    async def of(self, subject: str, after: int = 0) -> list[Entry]:
        return [entry for entry in self.entries[after:] if entry.subject == subject]

    async def tail(self, after: int, deliver: Deliver) -> Tail:
        tail = _MemoryTail(self, after, deliver)
        self._tails.append(tail)
        tail.ring()
        return tail


class _MemoryTail:
    def __init__(self, journal: MemoryJournal, after: int, deliver: Deliver) -> None:
        self._journal = journal
        self._position = after
        self._deliver = deliver
        self._bell = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def ring(self) -> None:
        self._bell.set()

    async def _run(self) -> None:
        while True:
            await self._bell.wait()
            self._bell.clear()
            while self._position < len(self._journal.entries):
                entry = self._journal.entries[self._position]
                self._position += 1
                self._deliver(entry)

    async def stop(self) -> None:
        self._journal._tails.remove(self)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
