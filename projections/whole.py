"""Tables from a whole log at once: every commit is read once, and a row written once, when its resource rests.

What `Fold` and `Projector` do for each commit - indexes, hashes, whoever listens - is done for the newest state of each
resource alone, and DuckDB makes the columns of the texts that it is given, in a thread of its own. Memory is bounded:
of the dead, only some are remembered, and the others had back from their rows if they live again.
Source: DESIGN, "Fold, tables, archive".
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from events.envelope import digest
from events.fold import Change, Fold, Known, Shelf
from events.journal import Entry, Journal, Unavailable
from events.passage import is_of_passage
from events.shelf import encode_known
from events.subjects import split
from projections.store import Bookmark, Store
from projections.tables import Log, Table

if TYPE_CHECKING:
    from projections.projector import History

LONG = 20_000  # commits: shorter logs are not worth the trouble
SOME = 20_000  # rows that are poured at a time
AHEAD = 8  # how many times as much may wait to be poured
DEAD = 50_000  # of a kind that are remembered
PATIENCE = 30.0  # seconds without a commit after which the log counts as broken off


class Unusual(Exception):
    """A commit of this log cannot be folded: the careful way is to be gone."""


class _One:
    """One resource, as of the newest commit that was read."""

    __slots__ = ("born", "data", "kind", "known")

    def __init__(self, kind: _Kind, known: Known[Any] | None = None, born: int = 0) -> None:
        self.kind = kind
        self.known = known  # its hash is not worked out yet
        self.data = b""  # of its newest commit
        self.born = born


class _Kind:
    """What there is of one kind."""

    def __init__(self, shelf: Shelf, table: Table[Any], history: History | None) -> None:
        self.decode = shelf.decode
        self.evolve = shelf.evolve
        self.table = table
        self.apply: Callable[[Change], Iterable[Any]] | None = history.apply if history else None
        self.dead: dict[str, _One] = {}  # by subject, in the order of their newest words


class Whole:
    """Fills an empty store from a journal's beginning."""

    def __init__(
        self, store: Store, fold: Fold, histories: dict[str, History], *, rows: int = SOME, dead: int = DEAD
    ) -> None:
        self._store = store
        self._some = rows
        self._dead = dead
        self._kinds = {
            prefix: _Kind(shelf, store.tables[prefix], histories.get(prefix)) for prefix, shelf in fold.shelves.items()
        }
        self._found: dict[str, _One] = {}  # by subject
        self._rows: dict[type[Any], list[tuple[str]]] = {struct: [] for struct in store.logs}
        self._encode = msgspec.json.Encoder().encode
        self._bookmark = Bookmark(0, None)
        self._living = 0
        self.position = self._last = 0  # of the newest commit that was read
        self._thread = ThreadPoolExecutor(1, "whole")
        self._poured: deque[Future[None]] = deque()
        self._done: asyncio.Future[None]

    async def fill(self, journal: Journal, last: int) -> tuple[Bookmark, int]:
        """Read the journal up to `last`; the bookmark that the store has then, and how many resources live.

        Raises Unusual, Unavailable.
        """
        self._last = last
        self._done = asyncio.get_running_loop().create_future()
        self._store.open()
        try:
            tail = await journal.tail(0, self._take)
            try:
                await self._read()
            finally:
                await tail.stop()
            await asyncio.to_thread(self._finish)
        finally:
            await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        return self._bookmark, self._living

    async def _read(self) -> None:
        seen = -1
        while not self._done.done():
            if self.position == seen:
                raise Unavailable(f"nothing follows {seen} in the journal, which goes on to {self._last}")
            seen = self.position
            await asyncio.wait([self._done], timeout=PATIENCE)
        self._done.result()

    def _take(self, entry: Entry) -> None:
        if self._done.done():
            return
        try:
            self._fold(entry)
        except Exception as fault:  # whatever it is: somebody else will find out
            self._done.set_exception(Unusual(f"commit {entry.sequence} of {entry.subject}: {fault!r}"))
            return
        self.position = entry.sequence
        if entry.sequence >= self._last:
            self._done.set_result(None)

    def _fold(self, entry: Entry) -> None:
        sequence, subject, data = entry
        one = self._found.get(subject)
        if one is None:
            if is_of_passage(subject):
                return
            kind = self._kinds.get(split(subject)[0])
            if kind is None:
                return  # a resource of a service that this program does not have
            one = self._found[subject] = _One(kind)
        else:
            kind = one.kind
        commit, before = kind.decode(data), one.known
        if before is None and commit.previous is not None:
            before = self._exhume(one, subject)
        state: Any = None
        born, revision, was_dead = commit.at, 1, True
        if before is not None:
            state, born, revision = before.state, before.created_at, before.revision + 1
            was_dead = before.state.deleted
        for event in commit.events:
            state = kind.evolve(state, event, commit.at)
        key = before.key if before is not None else split(subject)[1]
        after = one.known = Known(state, key, born, commit.at, sequence, revision, "")
        one.data = data
        if state.deleted:
            kind.dead.pop(subject, None)
            kind.dead[subject] = one
            if len(kind.dead) > 2 * self._dead:
                self._bury(kind)
        elif was_dead:
            kind.dead.pop(subject, None)
            one.born = sequence
        if kind.apply is not None:
            for value in kind.apply(Change(subject, sequence, commit, before, after)):
                rows = self._rows[type(value)]
                rows.append((self._encode(value).decode(),))
                if len(rows) >= self._some:
                    self._pour_rows(type(value))
        self._bookmark = Bookmark(sequence, commit.at)

    # What is written

    def _finish(self) -> None:
        """Write what is left, and the bookmark."""
        for struct in self._rows:
            self._pour_rows(struct)
        by_kind: dict[_Kind, list[_One]] = {}
        for one in self._found.values():
            by_kind.setdefault(one.kind, []).append(one)
            self._living += one.known is not None and not one.known.state.deleted
        self._found.clear()
        for kind, all_ in by_kind.items():
            for begin in range(0, len(all_), self._some):
                self._pour(kind, all_[begin : begin + self._some])
        self._submit(partial(self._store.write, (), self._bookmark))
        while self._poured:
            self._poured.popleft().result()

    def _bury(self, kind: _Kind) -> None:
        """Write those who died first, and forget them."""
        some = list(islice(kind.dead, self._dead))
        self._pour(kind, [self._found.pop(subject) for subject in some])
        for subject in some:
            del kind.dead[subject]

    def _exhume(self, one: _One, subject: str) -> Known[Any]:
        """What was buried, out of its row, which is removed. Raises KeyError."""
        table, key = one.kind.table, split(subject)[1]
        found: Future[tuple[str, int] | None] = self._thread.submit(self._store.take_out, table, key)
        text, one.born = found.result() or _missing(subject)
        return table.decode(text)

    def _pour(self, kind: _Kind, some: list[_One]) -> None:
        rows = []
        for one in some:
            assert one.known is not None
            known = replace(one.known, hash=digest(one.data))
            rows.append((encode_known(known).decode(), one.born))
        self._submit(partial(self._store.pour, kind.table, rows))

    def _pour_rows(self, struct: type[Any]) -> None:
        log: Log[Any] = self._store.logs[struct]
        rows, self._rows[struct] = self._rows[struct], []
        self._submit(partial(self._store.pour, log, rows))

    def _submit(self, work: Callable[[], None]) -> None:
        self._poured.append(self._thread.submit(work))
        while len(self._poured) > AHEAD or (self._poured and self._poured[0].done()):
            self._poured.popleft().result()


def _missing(subject: str) -> tuple[str, int]:
    raise KeyError(f"the first commits of {subject} are missing")


async def is_long(journal: Journal) -> bool:
    """Whether the journal has all of its commits, and many."""
    epochs = await journal.epochs()
    return epochs[0].first == 1 and await journal.last() >= LONG


__all__ = ["Unusual", "Whole", "is_long"]
