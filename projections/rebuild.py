"""The tables made anew: from the archive's states by SQL, and the commits of the tail.

A new file is built beside the one in use, which goes on being read and written, and takes its place at the end: `renew`
of the projector. The archive's states stand for all commits before them; only histories are folded from commits.
Source: DESIGN, "Fold, tables, archive".
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from events.clock import SystemClock
from events.fold import BURIAL, Change, Fold, Known
from events.garbage import resting
from events.journal import Journal
from events.services import deciders
from projections.archive import COMMITS, ROWS, STATES, Archive, Manifest, file_digest
from projections.restore import restore
from projections.store import Batch, Bookmark, Store
from projections.tables import BORN, Log, Row, Table, quoted
from projections.whole import Unusual, is_long

if TYPE_CHECKING:
    from projections.projector import History

SOME = 1_000  # rows that are read at a time

log = logging.getLogger("cumulog.tables")


class Rebuilt(Struct, frozen=True):
    """What was made."""

    position: int  # of the newest commit that the tables hold
    resources: int
    seconds: float


async def rebuild(journal: Journal, archive: Archive, path: Path) -> Rebuilt:
    """New tables in the place of those in `path`, which nobody uses. Raises InUse, OSError, Unavailable, Damaged."""
    draft = path.with_name(path.name + ".new")
    made = await build(journal, archive, draft)
    Store(path, ()).discard()
    draft.replace(path)
    return made


async def build(journal: Journal, archive: Archive, draft: Path, at_least: int = 0) -> Rebuilt:
    """A new file of tables that hold all that the journal says, up to a sequence at least."""
    from projections.projector import Projector

    since = asyncio.get_running_loop().time()
    Store(draft, ()).discard()
    if not await archive.look() and await is_long(journal):
        try:
            position, living = await _whole(journal, draft, at_least)
        except Unusual as fault:
            log.warning("the log is read commit by commit: %s", fault)
            Store(draft, ()).discard()
        else:
            return Rebuilt(position, living, asyncio.get_running_loop().time() - since)
    fold = Fold(deciders())
    fold.past = archive
    tables = Projector(fold, draft)
    try:
        with resting():
            await tables.load(SystemClock().now(), max(at_least, await journal.last()), archive)
            await fold.follow(journal)
            await fold.reach(at_least)
            await fold.stop()  # it goes no further: what the file holds is known
    finally:
        await tables.stop()
    seconds = asyncio.get_running_loop().time() - since
    return Rebuilt(tables.written, fold.living(), seconds)


async def _whole(journal: Journal, draft: Path, at_least: int) -> tuple[int, int]:
    """Up to which commit the tables hold everything, and how many resources live. Raises as `Whole.fill`."""
    from projections.projector import Projector

    tables = Projector(Fold(deciders()), draft)
    with resting():
        bookmark, living = await tables.fill(journal, max(at_least, await journal.last()))
    return bookmark.sequence, living


async def from_archive(
    archive: Archive, store: Store, histories: dict[str, History], fold: Fold, now: datetime
) -> Work:
    """How an empty store, and a fold that knows nothing, are filled from the archive."""
    manifests = await archive.look()
    files = {name: [str(await archive.file(one.number, name)) for one in manifests] for name in (STATES, ROWS, COMMITS)}
    return Work(store, histories, fold, manifests, files, now)


class Work:
    """Filling one store: to be done in the store's own thread."""

    def __init__(
        self,
        store: Store,
        histories: dict[str, History],
        fold: Fold,
        manifests: list[Manifest],
        files: dict[str, list[str]],
        now: datetime,
    ) -> None:
        self.store = store
        self.histories = histories
        self.fold = fold
        self.manifests = manifests
        self.files = files
        self.now = now
        self.since = now - BURIAL
        self.known: list[tuple[str, Known[Any]]] = []  # what the fold is to know

    def do(self) -> Bookmark:
        """The bookmark up to which all is there now."""
        import duckdb

        if not self.manifests:
            return self.store.bookmark()
        if (found := self._copied()) is not None:
            return found
        last = self.manifests[-1].last
        self._db = duckdb.connect(":memory:", config={"threads": "2", "memory_limit": "1GB"})
        try:
            at = self._db.execute(f'SELECT max("at") FROM read_parquet({self.files[COMMITS]})').fetchall()[0][0]
            newest = at.replace(tzinfo=self.since.tzinfo) if at else None
            self.store.write(self._batches(), Bookmark(last, newest))
        finally:
            self._db.close()
        self.fold.restore(self.known, last)
        self.fold.newest_at = newest
        self.fold.ends[self.manifests[-1].number] = last
        return Bookmark(last, newest)

    def _copied(self) -> Bookmark | None:
        """As below, if the rows that are kept are this version's: they are copied, and the fold restored from them."""
        path, fingerprint = self.store.path, self.store.fingerprint
        if path is None or any(one.tables != fingerprint for one in self.manifests):
            return None
        import duckdb

        for one, name in zip(self.manifests, self.files[ROWS], strict=True):
            if file_digest(Path(name)) != one.files[ROWS]:
                log.error("%s is not what its manifest says: the tables are made from states", name)
                return None
        oldest, *newer = self.files[ROWS]
        self.store.discard()
        shutil.copyfile(oldest, path)
        last = self.manifests[-1].last
        with duckdb.connect(str(path)) as db:
            for name in newer:
                db.execute(f"ATTACH '{name}' AS newer (READ_ONLY)")
                for table in self.store.tables.values():
                    db.execute(f"INSERT OR REPLACE INTO {quoted(table.name)} SELECT * FROM newer.{quoted(table.name)}")
                for one_log in self.store.logs.values():
                    db.execute(f"INSERT INTO {quoted(one_log.name)} SELECT * FROM newer.{quoted(one_log.name)}")
                db.execute("UPDATE bookmark SET newest_at = (SELECT newest_at FROM newer.bookmark)")
                db.execute("DETACH newer")
            db.execute("UPDATE bookmark SET sequence = ?", [last])
        bookmark = restore(self.store, self.fold, self.now, last)
        self.fold.ends[self.manifests[-1].number] = last
        return bookmark

    def _batches(self) -> Iterator[Batch]:
        for prefix, table in self.store.tables.items():
            yield Batch(table.name, (*table.columns, BORN), self._states(prefix, table), "insert")
        for prefix, history in self.histories.items():
            for log_, rows in self._rows(prefix, history):
                yield Batch(log_.name, tuple(log_.types), rows, "insert")

    def _read(self, question: str) -> Iterator[tuple[Any, ...]]:
        cursor = self._db.cursor()
        try:
            cursor.execute(question)
            while rows := cursor.fetchmany(SOME):
                yield from rows
        finally:
            cursor.close()

    def _states(self, prefix: str, table: Table[Any]) -> Iterator[Row]:
        only = (
            ""
            if len(self.manifests) == 1
            else "QUALIFY row_number() OVER (PARTITION BY subject ORDER BY sequence DESC) = 1"
        )
        question = (
            f"SELECT known, form, born FROM read_parquet({self.files[STATES]}) "  # our own file names
            f"WHERE prefix = '{prefix}' {only} ORDER BY born"
        )
        shelf, row, dead = self.fold.shelves[prefix], table.row, []
        for text, form, born in self._read(question):
            known = shelf.decode_known(text, form)
            if not known.state.deleted:
                self.known.append((prefix, known))
            elif known.updated_at > self.since:
                dead.append((prefix, known))
            yield (*row(known, text if form == shelf.form else None), born)
        dead.sort(key=lambda one: one[1].sequence)
        self.known += dead

    def _rows(self, prefix: str, history: History) -> Iterator[tuple[Log[Any], list[Row]]]:
        """The rows of a history, which follow from each commit and the states before and after it."""
        shelf = self.fold.shelves[prefix]
        evolve, decode, apply = shelf.evolve, shelf.decode, history.apply
        after: dict[str, Known[Any]] = {}
        made: dict[Log[Any], list[Row]] = {}
        _, service, resource = prefix.split(".")
        question = (
            f"SELECT sequence, subject, data FROM read_parquet({self.files[COMMITS]}) "  # likewise
            f"WHERE service = '{service}' AND resource = '{resource}'"
        )
        for sequence, subject, data in self._read(question):
            commit, before = decode(data), after.get(subject)
            state: Any = before.state if before else None
            for event in commit.events:
                state = evolve(state, event, commit.at)
            born = before.created_at if before else commit.at
            revision = before.revision + 1 if before else 1
            known = Known(state, subject[len(prefix) + 1 :], born, commit.at, sequence, revision, "")
            after[subject] = known
            for value in apply(Change(subject, sequence, commit, before, known)):
                to = self.store.logs[type(value)]
                made.setdefault(to, []).append(to.row(value))
            for to, rows in made.items():
                if len(rows) >= SOME:
                    yield to, rows
                    made[to] = []
        yield from made.items()
