"""The projector: from the fold to the tables, in batches, and back again at a start.

It hears every change and remembers the newest state of each resource that changed; a flush writes them in one
transaction with the bookmark, in a thread. It flushes some time after a change, when many have changed, and whenever
somebody asks a question: what a question finds is never older than the fold was when it was asked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from random import uniform
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeVar

from msgspec import Struct

from events.fold import Change, Fold, Known
from events.garbage import resting
from events.journal import Journal
from events.refusals import Busy
from events.services import modules
from projections.archive import Archive
from projections.rebuild import Rebuilt, from_archive
from projections.restore import restore
from projections.spoils import Spoils
from projections.store import Batch, Bookmark, Store
from projections.tables import BORN, Log, Row, table
from projections.whole import Unusual, Whole, is_long

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")

_PAUSE = 10.0  # seconds at most until a failed flush is tried again: a disk that is full now may have room then

_log = logging.getLogger(__name__)


class History(Protocol):
    """A module `projections/<service>/<resource>.py` that keeps rows beside the states of its resource."""

    __name__: str

    @property
    def LOGS(self) -> tuple[Log[Any], ...]: ...

    @property
    def apply(self) -> Callable[[Change], Iterator[Struct]]:
        """The rows that follow from one commit, each of a Struct that one of LOGS is for."""


class Dirty(NamedTuple):
    """What has changed since the last flush."""

    known: dict[str, Known[Any]]  # the newest by subject: no key twice in one flush
    born: dict[str, int]  # sequence by which a subject came to life
    changes: list[Change]  # for the histories


class Projector:
    """Keeps the tables of a fold, in a file, or in memory if `path` is None.

    `load`, then let the fold follow the journal, and `run` all the while; `stop` at the end.
    """

    def __init__(
        self,
        fold: Fold,
        path: Path | None,
        own: Iterable[History] | None = None,
        *,
        every: float = 30.0,  # seconds from a change to the flush, give or take a fourth, if nobody asks before
        rows: int = 20_000,  # changed resources that are flushed at once
    ) -> None:
        self.fold = fold
        kept = list(histories() if own is None else own)
        self._histories = by_prefix(kept)
        logs = [log for one in kept for log in one.LOGS]
        self.store = Store(path, [table(shelf.module) for shelf in fold.shelves.values()], logs)
        self._every = every
        self._rows = rows
        self._dirty = Dirty({}, {}, [])
        self._heard = self._written = Bookmark(0, None)
        self._late = False  # something older than the bookmark is dirty: it could not be folded before
        self.failure = ""  # why the tables could not be written, if they could not
        self._flushing: asyncio.Future[Any] | None = None
        self._some = asyncio.Event()
        self._many = asyncio.Event()
        self._spoils = Spoils(path)
        self._since: list[Change] | None = None  # what came while new tables are being built
        self._replacing = False  # what is asked now would be answered by new tables, which lack what came since
        self._floor = 0  # what came up to here is in the tables that were built
        self.pouring: Whole | None = None  # what fills empty tables at a start
        self._thread = ThreadPoolExecutor(1, "tables")  # the store is used there alone

    # Its life

    async def open(self) -> None:
        """Open the file early, where there is something else to wait for meanwhile. Raises InUse, OSError."""
        await self._call(self.store.open)

    async def load(
        self, now: datetime, last: int, archive: Archive | None = None, journal: Journal | None = None
    ) -> int:
        """Restore the fold from the tables; the sequence to follow the journal from, `last` being its newest now.

        Tables that are empty are filled from the archive, or from a journal that is long and whole. To be called before
        the fold follows. Raises InUse, OSError; of an archive or a journal, Unavailable, Damaged.
        """
        self._heard = self._written = await self._call(partial(restore, self.store, self.fold, now, last))
        if not self._written.sequence and archive is not None:
            work = await from_archive(archive, self.store, self._histories, self.fold, now)
            self._heard = self._written = await self._call(work.do)
        if not self._written.sequence and journal is not None and await is_long(journal):
            await self._pour(journal, last)
            self._heard = self._written = await self._call(partial(restore, self.store, self.fold, now, last))
        self.fold.listeners.append(self._hear)
        self.fold.taken_over.append(self._take_over)
        if self._written.sequence:
            self.fold.suspect(self._spoils.read())
            await self._call(self.store.rest)
        return self._written.sequence

    async def _pour(self, journal: Journal, last: int) -> None:
        """Fill the file from the whole journal, if that can be done at once."""
        self.pouring = Whole(self.store, self.fold, self._histories)
        try:
            with resting():
                await self.pouring.fill(journal, last)
        except BaseException as fault:  # also if it is cancelled: half a file is none
            await self._call(self.store.discard)
            if not isinstance(fault, Unusual):
                raise
            _log.warning("The log is read commit by commit: %s", fault)
        finally:
            self.pouring = None

    async def fill(self, journal: Journal, last: int, **bounds: int) -> tuple[Bookmark, int]:
        """Fill an empty file from the whole journal, up to `last`, and close it: as `Whole.fill`, with its bounds."""
        await self._call(self.store.open)
        try:
            return await Whole(self.store, self.fold, self._histories, **bounds).fill(journal, last)
        finally:
            await self._call(self.store.close)
            self._thread.shutdown(wait=False)

    async def begin(self) -> None:
        """Begin with empty tables and an empty fold. Raises InUse, OSError."""
        await self._call(self.store.open)
        self.fold.listeners.append(self._hear)

    async def run(self) -> None:
        """Flush what changes, until cancelled; what could not be written is tried again, less and less often."""
        pause = self._every
        while True:
            await self._some.wait()
            with suppress(TimeoutError):  # few have changed: they are written all the same
                async with asyncio.timeout(pause * uniform(0.75, 1.25)):  # not all processes of a machine at once
                    await self._many.wait()
            try:
                await self.flush()
            except Exception:  # it has been logged
                await asyncio.sleep(pause)
                pause = min(pause * 2, _PAUSE)
            else:
                pause = self._every

    async def stop(self) -> None:
        """Write what is left, and let go of the file."""
        if self._hear in self.fold.listeners:
            self.fold.listeners.remove(self._hear)
        try:
            await self.flush()
        finally:
            await self._call(self.store.close)
            self._thread.shutdown(wait=False)

    async def renew(self, build: Callable[[Path, int], Awaitable[Rebuilt]]) -> Rebuilt:
        """Have a new file built beside the one in use, and put it into its place. Raises Busy, and what `build` raises.

        `build` is told where, and up to which sequence at least; it may go further.
        """
        path = self.store.path
        assert path is not None, "tables in memory are not made anew"
        if self._since is not None:
            raise Busy("The tables are being made anew already.")
        self._since = []
        try:
            draft = path.with_name(path.name + ".new")
            made = await build(draft, self._heard.sequence)
            await self.flush()
            while self._flushing is not None and not self._flushing.done():
                await asyncio.shield(self._flushing)
            replacing = asyncio.get_running_loop().run_in_executor(self._thread, self.store.replace, draft)
            replacing.add_done_callback(partial(self._replaced, made))
            self._flushing, self._replacing = replacing, True  # whoever wants to write or to ask waits for it
            await asyncio.shield(replacing)
            if self._floor != made.position:
                raise Busy("A long question holds on to the old tables: try again.")
            return made
        finally:
            self._since = None

    def _replaced(self, made: Rebuilt, replacing: asyncio.Future[Bookmark]) -> None:
        self._replacing = False
        if replacing.exception() is not None or replacing.result().sequence != made.position:
            return  # what is open is what was open before
        self._floor, self._written = made.position, replacing.result()
        self._dirty = Dirty({}, {}, [])
        for change in self._since or ():
            if change.sequence > made.position:
                self._note(change)

    @property
    def written(self) -> int:
        """The sequence up to which the tables are true."""
        return self._written.sequence

    @property
    def lag(self) -> int:
        """How many commits the tables are behind the fold."""
        return self._heard.sequence - self._written.sequence

    # What it does

    async def ask(self, question: str, values: Sequence[Any] = ()) -> list[Row]:
        """The rows that a SELECT finds in tables no older than the fold is now. Raises Busy: they cannot be written."""
        try:
            await self.flush()
        except Exception as fault:  # it has been logged
            raise Busy("The tables cannot be brought up to date now; try again.", retry_after=5) from fault
        return await self._call(partial(self.store.ask, question, values))

    async def another(self) -> DuckDBPyConnection:
        """A connection for another thread, to be closed by whoever asked for it."""
        return await self._call(self.store.another)

    async def flush(self) -> None:
        """Return once the tables hold what the fold holds now."""
        heard = self._heard.sequence
        while self._written.sequence < heard or self._late or self._replacing:
            if self._flushing is None or self._flushing.done():
                self._flushing = self._write()
            await asyncio.shield(self._flushing)  # others may wait for it too

    def _write(self) -> asyncio.Future[None]:
        self._spoils.keep(self.fold.spoiled)  # before the bookmark passes by what is not in the tables
        work, self._dirty, self._late = self._dirty, Dirty({}, {}, []), False
        heard = self._heard
        self._some.clear()
        self._many.clear()
        write = partial(self.store.write, self._batches(work), heard)
        # Whoever waits may be cancelled, the thread goes on: what comes of it is noted in any case.
        writing = asyncio.get_running_loop().run_in_executor(self._thread, write)
        writing.add_done_callback(partial(self._written_or_not, work, heard))
        return writing

    def _written_or_not(self, work: Dirty, heard: Bookmark, writing: asyncio.Future[None]) -> None:
        fault = writing.exception()
        if fault is None:
            self._written, self.failure = heard, ""
            if not self._late:
                self._spoils.forget(self.fold.spoiled)
            return
        self.failure = str(fault)
        _log.error("The tables could not be written: %r", fault)
        newer, self._late = self._dirty, self._late or self._written.sequence >= heard.sequence
        self._dirty = Dirty({**work.known, **newer.known}, {**work.born, **newer.born}, [*work.changes, *newer.changes])
        self._some.set()

    def _take_over(self) -> None:
        """Write all that the fold has begun with."""
        for prefix, shelf in self.fold.shelves.items():
            for n, (key, known) in enumerate(shelf.known.items()):
                self._dirty.known[f"{prefix}.{key}"] = known
                self._dirty.born[f"{prefix}.{key}"] = n - len(shelf.known)  # before all who come to life from now on
        self._heard = Bookmark(self.fold.position, self.fold.newest_at)
        self._many.set()
        self._some.set()

    def _hear(self, change: Change) -> None:
        if self._since is not None:
            self._since.append(change)
        if change.sequence > self._floor:
            self._note(change)

    def _note(self, change: Change) -> None:
        after, before = change.after, change.before
        dirty = self._dirty
        dirty.known[change.subject] = after
        if not after.state.deleted and (before is None or before.state.deleted):
            dirty.born[change.subject] = change.sequence
        if self._histories and _prefix(change.subject, after) in self._histories:
            dirty.changes.append(change)
        if change.sequence > self._heard.sequence:
            self._heard = Bookmark(change.sequence, change.commit.at)
        else:
            self._late = True
        self._some.set()
        if len(dirty.known) + len(dirty.changes) >= self._rows:
            self._many.set()

    def _batches(self, work: Dirty) -> Iterator[Batch]:
        by_table: dict[str, tuple[list[Row], list[Known[Any]]]] = {}
        for subject, known in work.known.items():
            born, changed = by_table.setdefault(_prefix(subject, known), ([], []))
            if subject in work.born:
                born.append((known, work.born[subject]))
            else:
                changed.append(known)
        action: Literal["insert", "upsert"] = "upsert" if self._written.sequence else "insert"  # there is nothing yet
        # Rows are made one by one as DuckDB takes them: a single long call would keep the event loop from running.
        for prefix, (born, changed) in by_table.items():
            to = self.store.tables[prefix]
            if born:
                yield Batch(to.name, (*to.columns, BORN), ((*to.row(known), since) for known, since in born), action)
            if changed:
                yield Batch(to.name, to.columns, map(to.row, changed), action)
        rows: dict[Log[Any], list[Row]] = {}
        for change in work.changes:
            for value in self._histories[_prefix(change.subject, change.after)].apply(change):
                log = self.store.logs[type(value)]
                rows.setdefault(log, []).append(log.row(value))
        for log, made in rows.items():
            yield Batch(log.name, tuple(log.types), made, "insert")

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _prefix(subject: str, known: Known[Any]) -> str:
    return subject[: -len(known.key) - 1]


def histories() -> list[History]:
    """All that are kept."""
    found: list[Any] = [module for module in modules("projections") if hasattr(module, "LOGS")]
    return found


def by_prefix(kept: Iterable[History]) -> dict[str, History]:
    """Histories by the prefix of their resources' subjects."""
    return {one.__name__.replace("projections.", "ev.", 1): one for one in kept}
