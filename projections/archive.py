"""The archive: epochs of the journal that have ended, as Parquet, which DuckDB and everybody else reads.

    epoch-0001/HASH.commits.parquet   every entry, typed, with its exact bytes
    epoch-0001/HASH.states.parquet    the newest state of every resource that changed in it, the dead too
    epoch-0001/HASH.rows.duckdb       their rows and histories as this version's tables have them: a rebuild copies them
    epoch-0001/HASH.graves            which of these are dead: eight bytes of a hash for each, sorted
    epoch-0001/manifest.json          what there is, with counts and digests; put last: without it there is nothing

Files are named by what they hold, so that several processes may archive an epoch at once. The chronicle over it reads
cold and hot as one, and the fold asks it for who died in an earlier epoch.
Source: DESIGN, "Fold, tables, archive"; Apache Parquet.
"""

from __future__ import annotations

import asyncio
import logging
from array import array
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from events.chronicle import JournalChronicle, Snapshot
from events.fold import Fold, Known
from events.journal import Entry, Journal, Unavailable
from events.services import deciders
from projections.cold import Cold

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")

COMMITS, STATES, ROWS, GRAVES = "commits.parquet", "states.parquet", "rows.duckdb", "graves"
MANIFEST = "manifest.json"
SOME = 2_000  # rows that are read at a time

log = logging.getLogger("cumulog.archive")


class Manifest(Struct, frozen=True, kw_only=True):
    """What is kept of one epoch."""

    number: int
    first: int  # sequence
    last: int
    resources: int  # that changed in it
    digest: str  # SHA-256 over all its entries in order: see `Digest`
    chain: str = ""  # SHA-256 over the chain of the epoch before and all else that stands here
    forms: dict[str, int]  # of the states, by prefix
    tables: str  # fingerprint of the tables whose rows are kept
    files: dict[str, str]  # name -> SHA-256 of its bytes


class Damaged(Exception):
    """A file of the archive is not what its manifest says."""


class Digest:
    """The digest of entries in order."""

    def __init__(self) -> None:
        self._hash = sha256()

    def add(self, entry: Entry) -> None:
        self._hash.update(b"%d %s %d\n" % (entry.sequence, entry.subject.encode(), len(entry.data)))
        self._hash.update(entry.data)

    def end(self) -> str:
        return self._hash.hexdigest()


def chained(before: str, manifest: Manifest) -> str:
    """The chain over all epochs up to one."""
    return sha256(before.encode() + msgspec.json.encode(replace(manifest, chain=""))).hexdigest()


def folder(number: int) -> str:
    return f"epoch-{number:04}"


def stored(number: int, name: str, digest: str) -> str:
    """Where a file of an epoch is kept."""
    return f"{folder(number)}/{digest[:16]}.{name}"


def grave(subject: str) -> int:
    """What a dead resource's subject is known by."""
    return int.from_bytes(blake2b(subject.encode(), digest_size=8).digest(), "little")


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    hashed = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            hashed.update(block)
    return hashed.hexdigest()


class Archive:
    """What is kept in cold storage. Everything here may raise Unavailable, and Damaged."""

    def __init__(self, cold: Cold, scratch: Path) -> None:
        self.cold = cold
        self.scratch = scratch  # a folder of this process's own, for copies of what is far away
        self.manifests: dict[int, Manifest] = {}
        self._graves: dict[int, array[int]] = {}
        self._connection: DuckDBPyConnection | None = None
        self._thread = ThreadPoolExecutor(1, "archive")  # the connection is used there alone

    # What there is

    async def look(self) -> list[Manifest]:
        """Every epoch that is kept, the oldest first."""
        for name in await self.cold.names():
            place, _, file = name.rpartition("/")
            if file == MANIFEST and int(place.removeprefix("epoch-")) not in self.manifests:
                try:
                    manifest = msgspec.json.decode((await self._copy(name, "")).read_bytes(), type=Manifest)
                except msgspec.DecodeError as fault:
                    raise Damaged(f"{name} cannot be read: {fault}") from fault
                self.manifests[manifest.number] = manifest
        self.manifests = dict(sorted(self.manifests.items()))
        return list(self.manifests.values())

    async def file(self, number: int, name: str) -> Path:
        """A file of an epoch, here."""
        digest = self.manifests[number].files[name]
        return await self._copy(stored(number, name, digest), digest)

    async def _copy(self, name: str, digest: str) -> Path:
        here = self.cold.path(name)
        if here is not None:
            return here
        copy = self.scratch / name
        if digest and copy.exists() and file_digest(copy) == digest:
            return copy
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not await self.cold.get(name, copy):
            raise Unavailable(f"the archive has no {name}")
        if digest and file_digest(copy) != digest:
            raise Damaged(f"{name} is not what its manifest says")
        return copy

    async def ask(self, question: str, values: list[Any]) -> list[tuple[Any, ...]]:
        """The rows that a SELECT finds."""
        return await self.call(lambda db: db.execute(question, values).fetchall())

    async def call(self, work: Callable[[DuckDBPyConnection], T]) -> T:
        """Do something with the archive's own connection, in its thread."""

        def inside() -> T:
            import duckdb

            if self._connection is None:
                self.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
                settings: dict[str, Any] = {
                    "threads": "1",
                    "memory_limit": "512MB",
                    "temp_directory": str(self.scratch / "spill"),
                }
                self._connection = duckdb.connect(":memory:", config=settings)
                self._connection.execute("SET GLOBAL TimeZone = 'UTC'")
            try:
                return work(self._connection)
            except duckdb.Error as fault:
                raise Damaged(f"the archive cannot be read: {fault}") from fault

        return await asyncio.get_running_loop().run_in_executor(self._thread, inside)

    async def stream(self, question: str, values: list[Any]) -> AsyncIterator[tuple[Any, ...]]:
        """The rows that a SELECT finds, some at a time; of one file in the order in which they stand there."""
        cursor = await self.call(lambda db: db.cursor().execute(question, values))
        try:
            while rows := await self.call(lambda _: cursor.fetchmany(SOME)):
                for row in rows:
                    yield row
        finally:
            await self.call(lambda _: cursor.close())

    async def close(self) -> None:
        """Let go of everything."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, connection.close)
        self._thread.shutdown(wait=False)

    # What it tells

    async def entries(
        self, after: int = 0, until: int | None = None, subject: str | None = None
    ) -> AsyncIterator[Entry]:
        """The entries after one sequence up to another, in order; of one subject if given."""
        for manifest in await self.look():
            if manifest.last <= after or (until is not None and manifest.first > until):
                continue
            file = str(await self.file(manifest.number, COMMITS))
            low, high = max(after, manifest.first - 1), manifest.last if until is None else min(until, manifest.last)
            question = "SELECT sequence, subject, data FROM read_parquet(?) WHERE sequence > ? AND sequence <= ?"
            values = [file, low, high]
            if subject is not None:
                question, values = f"{question} AND subject = ?", [*values, subject]
            async for row in self.stream(question, values):
                yield Entry(*row)

    async def newest(self, subject: str) -> tuple[bytes, int] | None:
        """As the fold's past tells it."""
        for manifest in reversed(await self.look()):
            file = str(await self.file(manifest.number, STATES))
            question = "SELECT known, prefix FROM read_parquet(?) WHERE subject = ?"
            for known, prefix in await self.ask(question, [file, subject]):
                return known.encode(), manifest.forms[prefix]
        return None

    async def holds(self, subject: str, before: int) -> bool:
        """As the fold's past tells it; of every epoch before this one."""
        if any(number not in self.manifests for number in range(1, before)):
            await self.look()
        mark = grave(subject)
        for number in range(before - 1, 0, -1):
            if number not in self.manifests:
                raise Unavailable(f"epoch {number} is neither in the journal nor in the archive")
            graves = self._graves.get(number)
            if graves is None:
                graves = self._graves[number] = array("Q")
                graves.frombytes((await self.file(number, GRAVES)).read_bytes())
            place = bisect_left(graves, mark)
            if place < len(graves) and graves[place] == mark:
                return True
        return False


class Chronicle:
    """The journal's whole past, cold and hot as one."""

    def __init__(self, journal: Journal, archive: Archive) -> None:
        self._hot = JournalChronicle(journal, archive.entries)
        self._journal = journal
        self._archive = archive

    async def last(self) -> int:
        return await self._hot.last()

    async def entries(
        self, after: int = 0, until: int | None = None, subject: str | None = None
    ) -> AsyncIterator[Entry]:
        position = after
        first = (await self._journal.epochs())[0].first
        if position < first - 1:
            async for entry in self._archive.entries(position, first - 1 if until is None else until, subject):
                if entry.sequence < first:
                    yield entry
            position = first - 1
        if until is None or until > position:
            async for entry in self._hot.entries(position, until, subject):
                yield entry

    async def snapshot(self, at: int) -> Snapshot | None:
        """All states at the end of the newest epoch that ended at sequence `at` or before it."""
        manifests = [one for one in await self._archive.look() if one.last <= at]
        if not manifests:
            return None
        rows = await kept(self._archive, manifests)
        return Snapshot(manifests[-1].last, rows)


async def kept(
    archive: Archive, manifests: list[Manifest], fold: Fold | None = None
) -> Iterator[tuple[str, Known[Any]]]:
    """The newest states in these epochs, by prefix; those that live in the order in which they came to life.

    Each is decoded when it is taken: whoever reads them may let others work in between.
    """
    shelves = (fold or Fold(deciders())).shelves
    files = [str(await archive.file(one.number, STATES)) for one in manifests]
    question = (
        "SELECT prefix, known, form FROM read_parquet(?) "
        "QUALIFY row_number() OVER (PARTITION BY subject ORDER BY sequence DESC) = 1 ORDER BY born"
    )
    rows = await archive.ask(question, [files])
    return ((prefix, shelves[prefix].decode_known(known, form)) for prefix, known, form in rows if prefix in shelves)
