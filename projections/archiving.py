"""Putting an epoch that has ended into the archive, and checking that all of it is there before it is dropped.

    read from the journal -> Parquet here -> read back, compared -> files put, the manifest last -> read back from there

Whatever breaks off is begun again from the journal; only an epoch whose manifest is kept, and whose files as kept hold
every byte, may be dropped. Source: DESIGN, "Hard cases, decided", 3.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from array import array
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from events.chronicle import JournalChronicle
from events.envelope import follows
from events.fold import Change, Fold, Known
from events.journal import Entry, Epoch, Journal
from events.passage import is_of_passage
from events.shelf import encode_known
from events.subjects import split
from projections.archive import (
    COMMITS,
    GRAVES,
    MANIFEST,
    ROWS,
    SOME,
    STATES,
    Archive,
    Damaged,
    Digest,
    Manifest,
    chained,
    file_digest,
    folder,
    grave,
    stored,
)
from projections.projector import by_prefix, histories
from projections.store import Batch, Bookmark, Store
from projections.tables import BORN, Log, Row, table

log = logging.getLogger("cumulog.archive")

# What stands in an entry's JSON, as columns; its bytes beside them are what counts.
_COMMITS = """
COPY (
    SELECT sequence, subject, split_part(subject, '.', 2) AS service, split_part(subject, '.', 3) AS resource,
        text->>'id' AS id, TRY_CAST(text->>'at' AS TIMESTAMPTZ)::TIMESTAMP AS "at", text->>'actor' AS actor,
        text->>'project' AS project, text->>'request' AS request, TRY_CAST(text->>'cause' AS BIGINT) AS cause,
        text->>'owner' AS owner, text->>'previous' AS previous, text->>'$.events[*].type' AS events, data
    FROM (SELECT *, TRY(CASE WHEN octet_length(data) < 100000 THEN decode(data)::JSON END) AS text FROM entry)
    ORDER BY sequence
) TO '{}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 50000)
"""
_STATES = "COPY (SELECT * FROM state ORDER BY subject) TO '{}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20000)"


class Kept(Struct, frozen=True):
    """What was put into the archive."""

    manifest: Manifest
    bytes: int


class Broken(Exception):
    """What is to be archived is not whole: it stays where it is."""


async def keep(archive: Archive, journal: Journal, epoch: Epoch, resources: Iterable[Any]) -> Kept:
    """Put an epoch that has ended into the archive, unless it is there.

    Raises Unavailable, Broken, Damaged.
    """
    assert epoch.last is not None, "the epoch has not ended"
    await archive.look()
    if epoch.number not in archive.manifests:
        await _Keeping(archive, journal, epoch, list(resources)).run()
    return Kept(archive.manifests[epoch.number], await check(archive, archive.manifests[epoch.number]))


async def check(archive: Archive, manifest: Manifest) -> int:
    """How many bytes are kept of an epoch, each of which was looked at. Raises Damaged, Unavailable."""
    size = 0
    for name, digest in manifest.files.items():
        file = await archive.file(manifest.number, name)
        if await asyncio.to_thread(file_digest, file) != digest:
            raise Damaged(f"{folder(manifest.number)}/{name} is not what its manifest says")
        size += file.stat().st_size
    return size


async def digest_of(entries: AsyncIterator[Entry], first: int, last: int) -> str:
    """The digest of entries that are to be all from one sequence to another. Raises Damaged."""
    digest, position = Digest(), first - 1
    async for entry in entries:
        if entry.sequence != position + 1:
            raise Damaged(f"the entries after {position} are missing")
        digest.add(entry)
        position += 1
    if position != last:
        raise Damaged(f"the entries after {position} are missing")
    return digest.end()


class _Keeping:
    def __init__(self, archive: Archive, journal: Journal, epoch: Epoch, resources: list[Any]) -> None:
        self.archive = archive
        self.journal = journal
        self.epoch = epoch
        self.fold = Fold(resources)
        known = by_prefix(histories())
        self.histories = {prefix: one for prefix, one in known.items() if prefix in self.fold.shelves}
        self.rows: Store
        self.made: dict[Log[Any], list[Row]] = {}  # of the histories
        self.born: dict[str, int] = {}
        self.known: dict[str, Known[Any]] = {}  # the newest of every resource that changed
        self.broken = ""

    async def run(self) -> None:
        place = self.archive.scratch / f"{folder(self.epoch.number)}.new"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o700, parents=True)
        try:
            self.rows = self._store(place / ROWS)
            manifest = await self._make(place)
            for name, digest in manifest.files.items():
                await self.archive.cold.put(stored(self.epoch.number, name, digest), place / name)
            await self.archive.look()
            if self.epoch.number in self.archive.manifests:
                return  # another process was faster
            (place / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
            await self.archive.cold.put(f"{folder(self.epoch.number)}/{MANIFEST}", place / MANIFEST)
        finally:
            shutil.rmtree(place, ignore_errors=True)
        await self.archive.look()

    def _store(self, path: Path) -> Store:
        logs = [log for one in self.histories.values() for log in one.LOGS]
        return Store(path, [table(shelf.module) for shelf in self.fold.shelves.values()], logs)

    async def _make(self, place: Path) -> Manifest:
        number, first, last = self.epoch.number, self.epoch.first, self.epoch.last
        assert last is not None
        digest = await self._read()
        await self._write(place)
        before = self.archive.manifests[number - 1].chain if number > 1 else ""
        back = await digest_of(_rows(self.archive, place / COMMITS), first, last)
        if back != digest:
            raise Broken(f"epoch {number} does not read back as it was written")
        manifest = Manifest(
            number=number,
            first=first,
            last=last,
            resources=len(self.known),
            digest=digest,
            tables=self.rows.fingerprint,
            forms={prefix: shelf.form for prefix, shelf in self.fold.shelves.items()},
            files={name: file_digest(place / name) for name in (COMMITS, STATES, ROWS, GRAVES)},
        )
        return replace(manifest, chain=chained(before, manifest))

    async def _read(self) -> str:
        """The epoch from the journal, folded and chained, into the tables `entry` and `state`."""
        number, first, last = self.epoch.number, self.epoch.first, self.epoch.last
        assert last is not None
        if number > 1 and number - 1 not in self.archive.manifests:
            raise Broken(f"epoch {number - 1} is not archived yet")
        self.fold.position = first - 1
        self.fold.passage.is_new = number > 1
        self.fold.listeners.append(self._hear)
        await self.archive.call(_tables)
        await self.archive.call(lambda _: self.rows.open())
        digest, rows = Digest(), []
        async for entry in JournalChronicle(self.journal, self.archive.entries).entries(first - 1, last):
            digest.add(entry)
            rows.append(entry)
            if not is_of_passage(entry.subject):
                await self._exhume(entry)
            self.fold.apply(entry)
            if self.broken or self.fold.strange or self.fold.spoiled or self.fold.passage.foreign:
                raise Broken(
                    f"epoch {number} cannot be folded: {self.broken} {self.fold.strange or ''} "
                    f"{list(self.fold.spoiled) or ''} {self.fold.passage.foreign}"
                )
            if len(rows) >= SOME:
                await self._append("entry", rows)
                await self._keep_rows()
                rows = []
        await self._append("entry", rows)
        if self.fold.position != last:
            raise Broken(f"epoch {number} could be read up to {self.fold.position} only")
        return digest.end()

    async def _exhume(self, entry: Entry) -> None:
        """Of a resource that died in an earlier epoch and lives again, what it was."""
        prefix, key = split(entry.subject)
        shelf = self.fold.shelves.get(prefix)
        if shelf is None or key in shelf.known or self.epoch.number == 1:
            return
        if await self.archive.holds(entry.subject, self.epoch.number):
            found = await self.archive.newest(entry.subject)
            if found is not None:
                shelf.put(shelf.decode_known(*found))

    def _hear(self, change: Change) -> None:
        if not follows(change.commit.previous, change.before.hash if change.before else None):
            self.broken = f"commit {change.sequence} does not continue the chain of {change.subject}"
        self.known[change.subject] = change.after
        if (history := self.histories.get(change.subject[: -len(change.after.key) - 1])) is not None:
            for value in history.apply(change):
                log_ = self.rows.logs[type(value)]
                self.made.setdefault(log_, []).append(log_.row(value))
        if not change.after.state.deleted and (change.before is None or change.before.state.deleted):
            self.born[change.subject] = change.sequence

    async def _keep_rows(self, batches: Iterable[Batch] = ()) -> None:
        """Put rows into the tables that are kept; they are true once all of them are there."""
        assert self.epoch.last is not None
        made, self.made = self.made, {}
        all_ = [*batches, *(Batch(log_.name, tuple(log_.types), rows, "insert") for log_, rows in made.items())]
        bookmark = Bookmark(self.epoch.last, self.fold.newest_at)
        if all_:
            await self.archive.call(lambda _: self.rows.write(all_, bookmark))

    async def _write(self, place: Path) -> None:
        before = await self._born_before()
        rows: list[Any] = []
        mine: dict[str, list[Row]] = {}
        for subject, known in self.known.items():
            prefix = subject[: -len(known.key) - 1]
            born = self.born.get(subject) or before.get(subject, 0)
            text = encode_known(known).decode()
            form = self.fold.shelves[prefix].form
            rows.append((subject, prefix, known.sequence, born, known.state.deleted, form, text))
            mine.setdefault(prefix, []).append((*self.rows.tables[prefix].row(known, text), born))
            if len(rows) >= SOME:
                await self._put(rows, mine)
                rows, mine = [], {}
        await self._put(rows, mine)
        await self.archive.call(lambda _: self.rows.close())
        await self.archive.call(lambda db: db.execute(_COMMITS.format(place / COMMITS)).fetchall())
        await self.archive.call(lambda db: db.execute(_STATES.format(place / STATES)).fetchall())
        await self.archive.call(_no_tables)
        dead = [grave(subject) for subject, known in self.known.items() if known.state.deleted]
        (place / GRAVES).write_bytes(array("Q", sorted(dead)).tobytes())

    async def _put(self, rows: list[Any], mine: dict[str, list[Row]]) -> None:
        await self._append("state", rows)
        tables = self.rows.tables
        await self._keep_rows(
            [Batch(tables[p].name, (*tables[p].columns, BORN), some, "insert") for p, some in mine.items()]
        )

    async def _born_before(self) -> dict[str, int]:
        """Of those who came to life in an earlier epoch, when."""
        files = [str(await self.archive.file(number, STATES)) for number in self.archive.manifests]
        if not files:
            return {}
        question = "SELECT subject, arg_max(born, sequence) FROM read_parquet(?) GROUP BY subject"
        return dict(await self.archive.ask(question, [files]))

    async def _append(self, table: str, rows: list[Any]) -> None:
        def append(db: Any) -> None:
            with db.appender(table) as appender:
                appender.append_rows(rows)

        if rows:
            await self.archive.call(append)


def _tables(db: Any) -> None:
    _no_tables(db)
    db.execute("CREATE TABLE entry (sequence BIGINT, subject VARCHAR, data BLOB)")
    db.execute(
        "CREATE TABLE state (subject VARCHAR, prefix VARCHAR, sequence BIGINT, born BIGINT, deleted BOOLEAN, "
        "form INTEGER, known VARCHAR)"
    )


def _no_tables(db: Any) -> None:
    db.execute("DROP TABLE IF EXISTS entry")
    db.execute("DROP TABLE IF EXISTS state")


async def _rows(archive: Archive, file: Path) -> AsyncIterator[Entry]:
    async for row in archive.stream("SELECT sequence, subject, data FROM read_parquet(?)", [str(file)]):
        yield Entry(*row)
