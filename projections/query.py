"""What an operator asks in SQL: one SELECT over the tables, which can change nothing and reach nothing else.

Three fences: the statement is a SELECT, its transaction is read-only, and the store has switched off files, networks,
extensions and changes of settings. It may take so long and give so many rows, and shares the store's memory.
"""

from __future__ import annotations

import asyncio
from threading import Timer
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from events.refusals import Invalid
from projections.tables import Row

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from projections.projector import Projector

_ZONED = "TIMESTAMP WITH TIME ZONE"  # DuckDB hands it out with a library only that is not here


class Answer(Struct, frozen=True):
    """What a question found."""

    columns: tuple[str, ...]
    types: tuple[str, ...]  # SQL's, by column
    rows: list[Row]
    more: bool  # whether there were more rows than were asked for


async def query(projector: Projector, question: str, most: int = 10_000, seconds: float = 10.0) -> Answer:
    """The answer to one SELECT, from tables no older than the fold is now. Raises Invalid."""
    await projector.flush()
    connection = await projector.another()
    try:
        return await asyncio.to_thread(answer, connection, question, most, seconds)
    finally:
        connection.close()


def answer(connection: DuckDBPyConnection, question: str, most: int, seconds: float) -> Answer:
    """The answer to one SELECT on a connection of its own. Raises Invalid."""
    import duckdb

    slow = Timer(seconds, connection.interrupt)
    slow.daemon = True
    try:
        select = _select(connection, question)
        slow.start()
        connection.execute("BEGIN TRANSACTION READ ONLY")
        shape = connection.execute(f"DESCRIBE {select}").fetchall()
        columns, types = [row[0] for row in shape], [row[1] for row in shape]
        rows = connection.execute(_without_zones(select, types)).fetchmany(most + 1)
    except duckdb.InterruptException as fault:
        raise Invalid(f"The question took longer than {seconds:g} seconds.") from fault
    except duckdb.Error as fault:
        raise Invalid(str(fault)) from fault
    finally:
        slow.cancel()
    return Answer(tuple(columns), tuple(types), rows[:most], len(rows) > most)


def _select(connection: DuckDBPyConnection, question: str) -> str:
    """The text of the one SELECT that `question` is. Raises Invalid."""
    import duckdb

    statements = connection.extract_statements(question)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise Invalid("A single SELECT is answered, nothing else.")
    return statements[0].query.strip().rstrip(";")


def _without_zones(select: str, types: list[str]) -> str:
    if _ZONED not in types:
        return select
    names = [f"c{number}" for number in range(len(types))]
    wanted = [f"{name}::TIMESTAMP" if kind == _ZONED else name for name, kind in zip(names, types, strict=True)]
    return f"SELECT {', '.join(wanted)} FROM ({select}\n) AS asked({', '.join(names)})"


def text(value: Any) -> str:
    """A value as a terminal shows it."""
    return "" if value is None else value.isoformat(" ") if hasattr(value, "isoformat") else str(value)
