"""Wide questions: filters, order and pages as SQL over the tables, with the same answers as `paging.py` over states.

Source: DESIGN, "Fold, tables, archive": DuckDB finds the keys, the fold has the states.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol, TypeVar

from events.envelope import State
from events.fold import Known
from events.refusals import Invalid
from projections.paging import Cut, Filter, Missing, Page, sort_keys
from projections.tables import BORN, Row, Table, quoted

S = TypeVar("S", bound=State)


class Asked(Protocol):
    """Answers SQL: a projector."""

    async def ask(self, question: str, values: Sequence[Any] = ()) -> list[Row]: ...


class Question(NamedTuple):
    """SQL with its values."""

    sql: str
    values: list[Any]


async def ask(
    tables: Asked, table: Table[Any], filters: Iterable[Filter], page: Page, missing: Missing | None = None
) -> Cut[str]:
    """The keys of the page of those that match. Raises Invalid, and as `cut` does."""
    where = _where(table, filters)
    keys = sort_keys(page)
    order = [(_column(table, key), direction) for key, direction in keys] or [(quoted(BORN), "asc")]
    name, of = _column(table, page.name), quoted(table.name)
    after, before = Question("true", []), Question("false", [])
    if page.marker is not None:
        columns = ", ".join(column for column, _ in order)
        marked = await tables.ask(f"SELECT {columns} FROM {of} WHERE {name} = ?", [page.marker])
        if not marked:
            if missing is not None:
                raise missing(page.marker)
            return Cut([], False, False)
        after = _beyond(order, marked[0], page.reverse)
        before = Question(f"NOT ({after.sql})", after.values)
    by = ", ".join(_by(column, (direction == "asc") != page.reverse) for column, direction in order)
    sql = f"SELECT key FROM {of} WHERE {where.sql} AND {after.sql} ORDER BY {by}"
    most = [] if page.limit is None else [page.limit + 1]
    rows = await tables.ask(sql + " LIMIT ?" * len(most), [*where.values, *after.values, *most])
    found = [key for (key,) in rows[: page.limit]]
    beyond, behind = len(rows) > len(found), False
    if page.marker is not None:
        sql = f"SELECT 1 FROM {of} WHERE {where.sql} AND {before.sql} LIMIT 1"
        behind = bool(await tables.ask(sql, [*where.values, *before.values]))
    return Cut(found[::-1], beyond, behind) if page.reverse else Cut(found, behind, beyond)


async def known(tables: Asked, table: Table[S], keys: Sequence[str]) -> list[Known[S]]:
    """What the tables have under the keys, in their order: the long deleted too, which the fold has no more."""
    marks = ", ".join("?" * len(keys))
    rows = await tables.ask(f"SELECT key, known FROM {quoted(table.name)} WHERE key IN ({marks})", keys) if keys else []
    texts: dict[str, str] = dict(rows)
    return [table.decode(texts[key]) for key in keys if key in texts]


def _column(table: Table[Any], field: str) -> str:
    column = table.of_field.get(field, "") if field not in ("known", "hash", BORN) else ""
    if not column or table.types[column] == "JSON":
        raise Invalid(f"{field} can neither be sorted nor filtered by.")
    return quoted(column)


def _where(table: Table[Any], filters: Iterable[Filter]) -> Question:
    parts, values = ["true"], []
    for one in filters:
        column = _column(table, one.field)
        if one.value is None:
            parts.append(f"{column} IS {'NULL' if one.operator == '=' else 'NOT NULL'}")
        elif one.operator in ("in", "not in"):
            some = [_plain(value) for value in one.value if value is not None]
            marks = ", ".join("?" * len(some))
            none = f"{column} IS NOT NULL AND {'false' if one.operator == 'in' else 'true'}"
            parts.append(f"{column} {one.operator} ({marks})" if some else none)
            values += some
        else:
            parts.append(f"{column} {one.operator} ?" + " ESCAPE '\\'" * (one.operator == "like"))
            values.append(_plain(one.value))
    return Question(" AND ".join(parts), values)


def _plain(value: Any) -> Any:
    """A time as the tables have it: in UTC."""
    aware = isinstance(value, datetime) and value.tzinfo is not None
    return value.astimezone(UTC).replace(tzinfo=None) if aware else value


def _by(column: str, ascending: bool) -> str:
    return f"{column} ASC NULLS FIRST" if ascending else f"{column} DESC NULLS LAST"


def _beyond(order: Sequence[tuple[str, str]], marked: Row, reverse: bool) -> Question:
    """What stands after the marked row in the order; before it if `reverse`."""
    ways: list[str] = []
    same: list[str] = []
    values: list[Any] = []
    equals: list[Any] = []
    for (column, direction), at in zip(order, marked, strict=True):
        ascending = (direction == "asc") != reverse
        if at is None:
            ways.append(" AND ".join([*same, f"{column} IS NOT NULL" if ascending else "false"]))
            values += equals
            same.append(f"{column} IS NULL")
            continue
        further = f"{column} > ?" if ascending else f"({column} < ? OR {column} IS NULL)"
        ways.append(" AND ".join([*same, further]))
        values += [*equals, at]
        same.append(f"{column} = ?")
        equals.append(at)
    return Question("coalesce(" + " OR ".join(f"({way})" for way in ways) + ", false)", values)
