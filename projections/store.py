"""The store: one DuckDB file for each process, in UTC, that may be thrown away at any time.

Rows and the bookmark - up to which sequence of the journal they are true - change in one transaction, so that a crash
leaves an older state that is true as of its bookmark. A file that other code has written, or that cannot be read, is
removed, loudly, and made anew from the journal. Nothing here may be called by two threads at once.
Source: DESIGN, "Fold, tables, archive".
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from projections.tables import BORN, Log, Row, Table, quoted

if TYPE_CHECKING:  # importing it takes 60 ms and 17 MiB: done when the store is opened
    from duckdb import Appender, DuckDBPyConnection

_log = logging.getLogger(__name__)

# More threads are slower for small work. No file but its own is within reach of any statement, and no setting can be
# changed by one. An early checkpoint keeps the time short that opening takes after a crash; it takes more memory than
# there is for a table of some 120 000 rows, which goes to a folder beside the file meanwhile.
_SETTINGS = {
    "threads": "1",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "temp_directory": "",
    "max_temp_directory_size": "4GB",
    "checkpoint_threshold": "4MB",
    "disabled_optimizers": "row_group_pruner",  # of DuckDB 2.0: ORDER BY … LIMIT lost rows where others were deleted
}
# Rows that DuckDB stores and, where some were replaced, merges together: of its own 122 880 a merge takes seconds.
_GROUP = 16_384
_NAME = "kept"  # of the file within DuckDB, which takes the size of a group for what is attached alone
_TRANSACTION = 16 << 20  # characters of text: what bounds the memory that DuckDB needs
_AT_ONCE = 64  # rows handed over in one call, during which no other thread runs
_BOOKMARK = "CREATE TABLE bookmark (sequence BIGINT, newest_at TIMESTAMP, fingerprint VARCHAR, torn BOOLEAN)"


class Bookmark(NamedTuple):
    """Up to where the tables are true."""

    sequence: int
    newest_at: datetime | None  # time of the commit there


class Batch(NamedTuple):
    """Rows for one table; no key twice, for DuckDB would silently keep the first."""

    table: str
    columns: Sequence[str]
    rows: Iterable[Row]
    action: Literal["insert", "upsert"] = "upsert"  # which replaces the row that has the key


class InUse(Exception):
    """Another process has the file."""


class Store:
    """The tables as kept on disk, or in memory if `path` is None."""

    def __init__(
        self, path: Path | None, tables: Iterable[Table[Any]], logs: Iterable[Log[Any]] = (), memory: str = "256MB"
    ) -> None:
        self.path = path
        self.tables = {table.prefix: table for table in tables}
        self.logs = {log.struct: log for log in logs}
        self._made: list[Table[Any] | Log[Any]] = [*self.tables.values(), *self.logs.values()]
        self._settings: dict[str, Any] = {**_SETTINGS, "memory_limit": memory}
        self._spill = path.with_name(path.name + ".spill") if path is not None else None
        if self._spill is not None:
            self._settings["temp_directory"] = str(self._spill)
        self._connection: DuckDBPyConnection | None = None
        self._weight = 0  # characters of text written since the last rest
        self._torn = False  # in the midst of a write of several transactions, or left there by a failure
        self._pouring = False  # the file is torn until the next write

    @property
    def connection(self) -> DuckDBPyConnection:
        assert self._connection is not None, "the store is not open"
        return self._connection

    @property
    def fingerprint(self) -> str:
        """What the code understands: other than the file's, and the file is not for this code."""
        made = [(one.ddl, one.meaning) for one in self._made]
        return sha256(repr((_BOOKMARK, made)).encode()).hexdigest()

    # Its life

    def open(self) -> Bookmark:
        """Open the file, a new one if it is not of this code or cannot be read; its bookmark. Raises InUse, OSError."""
        import duckdb

        if self._connection is not None:
            return self.bookmark()
        if self.path is not None and self.path.exists() and not os.access(self.path, os.R_OK | os.W_OK):
            raise PermissionError(f"{self.path} cannot be read and written.")
        try:
            self._connect()
            if self._spill is not None:
                shutil.rmtree(self._spill, ignore_errors=True)  # of a process that was killed
            if self._found() == self.fingerprint:
                return self.bookmark()
            _log.warning("The tables in %s are of another version: they are made anew from the journal.", self.path)
        except duckdb.Error as fault:
            if "Could not set lock" in str(fault):
                raise InUse(f"{self.path} is in use by another process.") from fault
            _log.error("The tables in %s cannot be read (%s): they are made anew from the journal.", self.path, fault)
        self.discard()
        self._connect()
        self._found()
        return self.bookmark()

    def another(self) -> DuckDBPyConnection:
        """A connection for another thread, to be closed by whoever asked for it."""
        if self.path is None:
            return self.connection.cursor()
        return self._connected()  # a cursor would be closed by `rest`

    def _connect(self) -> None:
        self._connection = self._connected()

    def _connected(self) -> DuckDBPyConnection:
        """A connection to the file; those of one process share what DuckDB holds of it."""
        import duckdb

        db = duckdb.connect(f":memory:{self.path or ''}", config=self._settings)
        try:
            if db.execute("SELECT current_setting('lock_configuration')").fetchall() == [(False,)]:  # it is the first
                if self.path is not None:
                    file = str(self.path).replace("'", "''")
                    db.execute(f"ATTACH '{file}' AS {_NAME} (ROW_GROUP_SIZE {_GROUP})")
                db.execute("SET GLOBAL TimeZone = 'UTC'")
                db.execute("SET GLOBAL enable_external_access = false")
                db.execute("SET lock_configuration = true")
            self._use(db)
        except duckdb.Error:
            db.close()
            raise
        return db

    def _use(self, db: DuckDBPyConnection) -> None:
        if self.path is not None:
            db.execute(f"USE {_NAME}")

    def _found(self) -> str:
        """The fingerprint of the open file; of an empty one ours, once it has the tables."""
        if not self.ask("SELECT 1 FROM duckdb_tables() LIMIT 1"):
            self.connection.begin()
            self.connection.execute(_BOOKMARK)
            self.connection.execute("INSERT INTO bookmark VALUES (0, NULL, ?, false)", [self.fingerprint])
            for one in self._made:
                self.connection.execute(one.ddl)
            self.connection.commit()
        return str(self.ask("SELECT CASE WHEN torn THEN 'torn' ELSE fingerprint END FROM bookmark")[0][0])

    def rest(self) -> None:
        """Let go of the memory in which DuckDB keeps what it has read and written: some 20 ms for 50 to 100 MiB."""
        self._weight = 0
        if self.path is not None:
            self.close()
            self._connect()

    def discard(self) -> None:
        """Remove the file; `open` makes a new one."""
        self.close()
        self._torn = False
        if self.path is not None:
            self.path.unlink(missing_ok=True)
            self.path.with_name(self.path.name + ".wal").unlink(missing_ok=True)

    def replace(self, draft: Path) -> Bookmark:
        """Put another file into the place of this one, and open it; the bookmark of what is open then."""
        assert self.path is not None, "tables in memory have no file"
        self.discard()
        draft.replace(self.path)
        self._connect()
        return self.bookmark()

    def close(self) -> None:
        """Let go of the file; what was written is in it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # What is in it

    def bookmark(self) -> Bookmark:
        """Up to where the tables are true."""
        sequence, newest_at = self.ask("SELECT sequence, newest_at FROM bookmark")[0]
        return Bookmark(sequence, newest_at and newest_at.replace(tzinfo=UTC))

    def ask(self, question: str, values: Sequence[Any] = ()) -> list[Row]:
        """The rows that a SELECT finds."""
        return self.connection.execute(question, list(values)).fetchall()

    def read(self, question: str, values: Sequence[Any] = ()) -> Iterator[Row]:
        """The rows that a SELECT finds, some at a time, where they may be many; to be read to the end."""
        cursor = self.connection.cursor()
        try:
            self._use(cursor)
            cursor.execute(question, list(values))
            while rows := cursor.fetchmany(1024):
                yield from rows
        finally:
            cursor.close()

    def write(self, batches: Iterable[Batch], bookmark: Bookmark) -> None:
        """All of it and the bookmark, or nothing; of more than a transaction's worth, the file is torn until the end.

        A torn file is made anew when it is opened. Once torn by a failure, every further write fails.
        """
        assert not self._torn, "the tables were left torn by an earlier failure"
        if self._connection is None:
            self._connect()
        self.connection.begin()
        try:
            weight = 0
            for batch in batches:
                rows, more = iter(batch.rows), True
                while more:
                    columns = list(batch.columns)
                    with self.connection.appender(batch.table, columns=columns, action=batch.action) as appender:
                        more, weight = _fill(appender, rows, weight)
                    if more:
                        self._tear()
                        self._weight, weight = self._weight + weight, 0
            self.connection.execute("UPDATE bookmark SET sequence = ?, newest_at = ?, torn = false", list(bookmark))
            self.connection.commit()
        except BaseException:  # whatever it is: nothing of it may stay
            self._let_go()
            raise
        self._torn = self._pouring = False
        self._weight += weight
        if self._weight > _TRANSACTION // 2:
            self.rest()

    def pour(self, into: Table[Any] | Log[Any], rows: list[Any]) -> None:
        """Insert what DuckDB makes of texts, `(text, born)` or `(text,)` each; the file is torn until `write`."""
        db = self.connection
        if not self._pouring:
            db.execute("UPDATE bookmark SET torn = true")
            self._pouring = True
        columns = "text VARCHAR" + ", born BIGINT" * isinstance(into, Table)
        db.execute(f"CREATE OR REPLACE TEMP TABLE poured ({columns})")
        with db.appender("poured") as appender:
            for begin in range(0, len(rows), _AT_ONCE):
                appender.append_rows(rows[begin : begin + _AT_ONCE])
        db.execute(f"INSERT INTO {quoted(into.name)} {into.poured}").fetchall()
        db.execute("DROP TABLE poured")

    def take_out(self, table: Table[Any], key: str) -> tuple[str, int] | None:
        """What a row has under `known` and `born`, once it is removed; None if there is no such row."""
        found = self.ask(f"DELETE FROM {quoted(table.name)} WHERE key = ? RETURNING known, {BORN}", [key])
        return found[0] if found else None

    def _let_go(self) -> None:
        """After a failure: a file that DuckDB could not write to may be of no use to it until it is opened anew."""
        import duckdb

        with suppress(duckdb.Error):  # the failure that led here is the one that is told
            self.connection.rollback()
        if self.path is not None:
            with suppress(duckdb.Error):
                self.close()

    def _tear(self) -> None:
        self.connection.execute("UPDATE bookmark SET torn = true")
        self.connection.commit()
        self._torn = True
        self.connection.begin()


def _fill(appender: Appender, rows: Iterator[Row], weight: int) -> tuple[bool, int]:
    """Whether there are more rows than the transaction takes, and its weight in characters of text."""
    while some := list(islice(rows, _AT_ONCE)):
        appender.append_rows(some)
        weight += sum(len(value) for row in some for value in row if type(value) is str)
        if weight > _TRANSACTION:
            return True, weight
    return False, weight
