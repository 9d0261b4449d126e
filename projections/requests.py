"""The index of requests: which commits each request led to, so that its trace reads these alone.

    DIR/requests.index    sixteen bytes for each command: of a hash of its request, and the commit's sequence, in order

It is written behind the fold, and without fsync: what is missing at its end is read from the log again, beside all
other work, and a file that is gone is made anew. Whoever shares the directory may read it, and search the rest himself.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterator
from hashlib import blake2b
from pathlib import Path
from struct import Struct as Layout
from typing import Any

import msgspec
from msgspec import Struct

from events.chronicle import Chronicle
from events.envelope import Commit
from events.fold import Change, Fold
from events.journal import Unavailable
from events.moments import Pace, read

NAME = "requests.index"
EVERY = 1.0  # seconds between two writings
NEAR = 500  # commits between two of a request that are read in one go
BLOCK = 1 << 20  # bytes that are searched at a stretch
AT_ONCE = 4_000  # records that are written in one go while the index is made

Span = tuple[int, int]  # after one sequence, up to another

log = logging.getLogger("cumulog.requests")
_record = Layout("<8sQ")


class _Asked(Struct, frozen=True, gc=False):
    """As much of a commit as is indexed."""

    request: str | None = None
    parts: tuple[_Asked, ...] = ()


asked_by = msgspec.json.Decoder(_Asked).decode


def mark(request: str) -> bytes:
    """What a request is found by: another may have the same, so that whoever reads its commits looks at each."""
    return blake2b(request.encode(), digest_size=8).digest()


def records(commit: _Asked | Commit[Any], sequence: int) -> bytes:
    """What the index has of one commit."""
    if not commit.parts:
        return _record.pack(mark(commit.request), sequence) if commit.request is not None else b""
    requests = {commit.request, *(part.request for part in commit.parts)}
    return b"".join(_record.pack(mark(one), sequence) for one in requests if one is not None)


class Requests:
    """The index of one process, kept while its fold follows the journal; without a path it is in memory alone."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._kept = bytearray()  # if there is no path
        self._new = bytearray()  # what was heard since the last writing
        self._size, self._read = self._found()  # bytes of the file, and the sequence up to which it has all
        self._since: int | None = None  # what came after this is heard

    @property
    def position(self) -> int:
        """The sequence up to which all is in the file."""
        return self._read

    # It is written

    async def run(self, fold: Fold, chronicle: Chronicle) -> None:
        """Keep the index from now on, and first read what came before, until cancelled."""
        self._since = fold.position
        if self._read > self._since:  # of another journal
            self._size = self._read = 0
        self._cut()
        fold.listeners.append(self._hear)
        try:
            while self._read < self._since:
                try:
                    await self._catch_up(chronicle, self._since)
                except (Unavailable, OSError) as fault:
                    log.warning("the index of requests cannot be made now: %s", fault)
                    self._cut()
                    await asyncio.sleep(EVERY)
            while True:
                self._flush()
                await asyncio.sleep(EVERY)
        finally:
            fold.listeners.remove(self._hear)
            if self._read >= self._since:
                self._flush()

    def _hear(self, change: Change) -> None:
        self._new += records(change.commit, change.sequence)

    async def _catch_up(self, chronicle: Chronicle, until: int) -> None:
        """Index what was not heard. Raises Unavailable."""
        found = bytearray()
        sequence = self._read
        async for entry in read(chronicle, self._read, until):
            asked, sequence = asked_by(entry.data), entry.sequence
            found += records(asked, sequence)
            if len(found) >= AT_ONCE * _record.size:
                self._write(found)
                self._read, found = sequence, bytearray()
        self._write(found)
        self._read = until

    def _flush(self) -> None:
        new, self._new = self._new, bytearray()
        try:
            self._write(new)
        except OSError as fault:  # a disk that is full now may have room then
            log.warning("the index of requests cannot be written: %s", fault)
            self._cut()
            self._new = new + self._new

    def _write(self, records: bytearray) -> None:
        if self._path is None:
            self._kept += records
        elif records:
            with self._path.open("ab") as file:
                file.write(records)
            self._size += len(records)

    def _cut(self) -> None:
        """Have the file end with the last whole record."""
        if self._path is not None and self._path.exists():
            os.truncate(self._path, self._size)

    # It is read

    async def spans(self, request: str, last: int) -> list[Span]:
        """Where in the log up to `last` the commits of a request are to be looked for, in order."""
        places = [(sequence - 1, sequence) async for sequence in self._find(mark(request))]
        end = last if self._since is None else self._since
        if self._read < end:  # it is not indexed yet
            places.append((self._read, end))
        spans: list[Span] = []
        for after, until in sorted(set(places)):
            if spans and after - spans[-1][1] <= NEAR:
                spans[-1] = spans[-1][0], max(until, spans[-1][1])
            else:
                spans.append((after, until))
        return [span for span in spans if span[0] < last]

    async def _find(self, wanted: bytes) -> AsyncIterator[int]:
        pace = Pace()
        for block in self._blocks():
            place = block.find(wanted)
            while place >= 0:
                if place % _record.size == 0:
                    yield _record.unpack_from(block, place)[1]
                place = block.find(wanted, place + 1)
            await pace.keep()

    def _blocks(self) -> Iterator[bytes]:
        if self._path is None:
            yield bytes(self._kept)
        elif self._path.exists():
            with self._path.open("rb") as file:
                while block := file.read(BLOCK):
                    yield block
        yield bytes(self._new)

    def _found(self) -> tuple[int, int]:
        """How much of the file is whole, and the sequence of its newest record: a loss of power may leave zeros."""
        if self._path is None or not self._path.exists():
            return 0, 0
        with self._path.open("rb") as file:
            size = file.seek(0, os.SEEK_END) // _record.size * _record.size
            while size:
                file.seek(size - _record.size)
                if sequence := _record.unpack(file.read(_record.size))[1]:
                    return size, int(sequence)
                size -= _record.size
        return 0, 0


def newest(directory: Path) -> Requests:
    """The index that a process has come furthest with in a cloud's directory."""
    files = [directory / NAME, *directory.glob(f"*/{NAME}")]
    return max((Requests(file) for file in files), key=lambda one: one.position)
