"""The journal: an append-only log of commits, guarded per subject. The specification, in memory.

It is cut in epochs, `events/epochs.py` says how; sequences run on over all of them. Who writes names the epoch that its
own fold has reached, and is refused if that has ended: nobody writes who does not know all that was carried forward.
Source: DESIGN, "The journal". One suite, tests/events/test_journal.py, runs over every implementation.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import NamedTuple, Protocol

CLOSED = "closed.journal.epoch"  # where an epoch takes its last entry, followed by its number
CARRIED = "ev.journal.epoch"  # where an epoch takes what is carried into it, likewise


class Entry(NamedTuple):
    """A commit as stored."""

    sequence: int  # 1, 2, … over the whole journal, whatever its epoch
    subject: str
    data: bytes


class Epoch(NamedTuple):
    """A part of the journal."""

    number: int  # 1, 2, …
    first: int  # sequence of its first entry
    last: int | None = None  # of its last one; None: it has not ended
    is_open: bool = True  # whether it takes commits: not any more once its end has begun


class Stale(Exception):
    """Something came to the subject after what the writer knew."""

    def __init__(self, sequence: int) -> None:
        super().__init__(f"the subject's last sequence is {sequence}")
        self.sequence = sequence


class Moved(Exception):
    """The epoch that the writer named takes no more. A write that was repeated may stand in it."""


class Unavailable(Exception):
    """The journal takes no write and answers no question now. It is not known whether a write was taken."""


Deliver = Callable[[Entry], None]
Earlier = Callable[[int, int], AsyncIterator[Entry]]
"""The entries after one sequence up to another that the journal has no more. May raise Unavailable."""


class Tail(Protocol):
    """A reader that follows the journal."""

    async def stop(self) -> None: ...


class Journal(Protocol):
    """An append-only log. Everything here may raise Unavailable."""

    async def append(self, subject: str, data: bytes, *, expected: int, epoch: int = 1) -> int:
        """Store `data` if the last sequence on exactly this subject in the epoch is `expected` (0: none); its own.

        No two commits are alike, for each bears its command's id: so an append that is repeated after a lost
        acknowledgement is recognised by its bytes, and returns the sequence of the first. Raises Stale, Moved.
        """

    async def find(self, subject: str, data: bytes, *, after: int, epoch: int) -> int | None:
        """The sequence of `data` on a subject in an epoch, after another sequence; None if it is not there."""

    async def newest(self, subject: str, epoch: int) -> Entry | None:
        """The newest entry of a subject in an epoch that the journal still has."""

    async def earlier(self, subject: str, before: int) -> tuple[bool, int]:
        """Whether an epoch before this one holds an entry of the subject, and the oldest that the journal still has."""

    async def last(self) -> int:
        """The sequence of the newest entry, asked of whoever decides (the leader)."""

    async def of(self, subject: str, after: int = 0) -> list[Entry]:
        """The entries of one subject after a sequence, in order, as far as the journal still has them."""

    async def tail(self, after: int, deliver: Deliver, past: Earlier | None = None) -> Tail:
        """Call `deliver` with every entry after `after`, in order and gapless, until stopped; reconnects by itself.

        What was dropped before it was read comes from `past`; without it, nothing comes any more.
        """

    # How epochs follow one another: each of these may be repeated, by anybody

    async def epochs(self) -> list[Epoch]:
        """The epochs that the journal still has, the oldest first."""

    async def only(self, epoch: int, prefixes: Iterable[str]) -> bool:
        """Whether every entry of an epoch is on a subject below one of these prefixes."""

    async def end(self, epoch: int, data: bytes) -> int:
        """Have an epoch take nothing more after `data`, its last entry; its sequence, also if it ended before."""

    async def begin(self, epoch: int, first: int) -> None:
        """Make a new epoch."""

    async def drop(self, epoch: int) -> None:
        """Remove a whole epoch that has ended."""


class MemoryJournal:
    """The journal's meaning, in memory: for tests and simulations."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []  # of all epochs, the dropped ones too
        self._epochs = [Epoch(1, 1)]
        self._last: dict[str, int] = {}  # of the newest epoch
        self._stored: dict[tuple[str, bytes], int] = {}
        self._tails: list[_MemoryTail] = []

    async def append(self, subject: str, data: bytes, *, expected: int, epoch: int = 1) -> int:
        if epoch != self._epochs[-1].number or self._epochs[-1].last is not None:
            raise Moved
        last = self._last.get(subject, 0)
        if last == expected:
            return self._store(subject, data)
        own = self._stored.get((subject, data), 0)
        if own <= max(expected, self._epochs[-1].first - 1):
            raise Stale(last)
        return own

    def _store(self, subject: str, data: bytes) -> int:
        entry = Entry(len(self.entries) + 1, subject, data)
        self.entries.append(entry)
        self._last[subject] = self._stored[subject, data] = entry.sequence
        for tail in self._tails:
            tail.ring()
        return entry.sequence

    async def find(self, subject: str, data: bytes, *, after: int, epoch: int) -> int | None:
        at = self._at(epoch)
        found = self._stored.get((subject, data), 0)
        return found if max(after, at.first - 1) < found <= (at.last or found) else None

    async def newest(self, subject: str, epoch: int) -> Entry | None:
        at = self._at(epoch)
        found = [entry for entry in self.entries[at.first - 1 : at.last] if entry.subject == subject]
        return found[-1] if found else None

    async def earlier(self, subject: str, before: int) -> tuple[bool, int]:
        start, end = self._epochs[0].first - 1, self._at(before).first - 1
        return any(entry.subject == subject for entry in self.entries[start:end]), self._epochs[0].number

    async def last(self) -> int:
        return len(self.entries)

    async def of(self, subject: str, after: int = 0) -> list[Entry]:
        start = max(after, self._epochs[0].first - 1)
        return [entry for entry in self.entries[start:] if entry.subject == subject]

    async def tail(self, after: int, deliver: Deliver, past: Earlier | None = None) -> Tail:
        if after < self._epochs[0].first - 1:
            raise Unavailable(f"the journal begins at {self._epochs[0].first}")
        tail = _MemoryTail(self, after, deliver)
        self._tails.append(tail)
        tail.ring()
        return tail

    async def epochs(self) -> list[Epoch]:
        return list(self._epochs)

    async def only(self, epoch: int, prefixes: Iterable[str]) -> bool:
        own = tuple(f"{prefix}." for prefix in prefixes)
        at = self._at(epoch)
        return all(entry.subject.startswith(own) for entry in self.entries[at.first - 1 : at.last])

    async def end(self, epoch: int, data: bytes) -> int:
        at = self._at(epoch)
        last = at.last or self._store(f"{CLOSED}.{epoch}", data)
        self._epochs[self._epochs.index(at)] = at._replace(last=last, is_open=False)
        return last

    def _at(self, epoch: int) -> Epoch:
        found = next((one for one in self._epochs if one.number == epoch), None)
        if found is None:
            raise Unavailable(f"the journal has no epoch {epoch}")
        return found

    async def begin(self, epoch: int, first: int) -> None:
        if epoch > self._epochs[-1].number:
            assert (self._epochs[-1].number, self._epochs[-1].last) == (epoch - 1, first - 1)
            self._epochs.append(Epoch(epoch, first))
            self._last.clear()

    async def drop(self, epoch: int) -> None:
        assert self._epochs[-1].number > epoch, "the newest epoch is not to be dropped"
        self._epochs = [one for one in self._epochs if one.number != epoch]


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
