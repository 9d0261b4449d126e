"""A table for each resource: its row *is* the state that the fold has, with a column for each field.

Text, numbers, truths and times stand as they are, whatever is nested as JSON text. The column `known` holds the whole
row once more as one JSON text: decoding it costs a quarter of putting the columns together again. What is no resource's
state, such as a server's history, is a `Log`: rows of a Struct of its own, only ever appended.
Source: DESIGN, "Fold, tables, archive".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Generic, TypeVar, cast, get_type_hints

import msgspec
from msgspec import Struct, inspect

from events import forms
from events.envelope import State
from events.fold import Decider, Known
from events.plain import from_plain, meaning, to_plain
from events.subjects import prefix_of

S = TypeVar("S", bound=State)
R = TypeVar("R", bound=Struct)

Row = tuple[Any, ...]

_PLAIN: dict[type[inspect.Type], str] = {
    inspect.StrType: "VARCHAR",
    inspect.IntType: "BIGINT",
    inspect.FloatType: "DOUBLE",
    inspect.BoolType: "BOOLEAN",
    inspect.DateTimeType: "TIMESTAMP",  # in UTC: the store's time zone
}
# Of every resource; a state's field of the same name gets a column with `_` behind it.
_BEFORE = {"key": "VARCHAR PRIMARY KEY"}
_AFTER = {
    "created_at": "TIMESTAMP",
    "updated_at": "TIMESTAMP",
    "sequence": "BIGINT",
    "revision": "BIGINT",
    "hash": "VARCHAR",
    "known": "VARCHAR",
}
# Sequence by which it came to life: the order of the fold. Written once in a life, hence apart from a row.
BORN = "born"
_OWN = {*_BEFORE, *_AFTER, BORN}


_encode = msgspec.json.Encoder(enc_hook=to_plain).encode


def quoted(name: str) -> str:
    """A name as SQL takes it: `group` and `end` are words of its own."""
    return '"' + name.replace('"', '""') + '"'


def sql_type(kind: inspect.Type) -> str:
    """The SQL type of a field; JSON for what SQL has no type for."""
    if isinstance(kind, inspect.LiteralType):
        return "BIGINT" if all(isinstance(value, int) for value in kind.values) else "VARCHAR"
    if isinstance(kind, inspect.UnionType):
        types = {sql_type(one) for one in kind.types if not isinstance(one, inspect.NoneType)}
        return types.pop() if len(types) == 1 else "JSON"
    return _PLAIN.get(type(kind), "JSON")


def _cast(kind: str) -> str:
    """What the text of a column's value is first read as: a time as one with its zone."""
    return "TIMESTAMPTZ" if kind == "TIMESTAMP" else kind


def _text(value: Any) -> str | None:
    return None if value is None else _encode(value).decode()


class Columns:
    """The columns of a Struct: their SQL types, and how its values go into them."""

    def __init__(self, struct: type[Struct], taken: set[str] | frozenset[str] = frozenset()) -> None:
        info = inspect.type_info(struct)
        assert isinstance(info, inspect.StructType), struct
        self.types = {f.name + "_" * (f.name in taken): sql_type(f.type) for f in info.fields}
        self.of_field = dict(zip((f.name for f in info.fields), self.types, strict=True))
        self._makers: list[tuple[str, Callable[[Any], Any] | None]] = [
            (field, _text if self.types[column] == "JSON" else None) for field, column in self.of_field.items()
        ]
        self.meaning = meaning(struct)

    @property
    def shape(self) -> str:
        """The fields as SQL's `from_json` reads them, without braces."""
        return ", ".join(f'"{name}": "{_cast(self.types[column])}"' for name, column in self.of_field.items())

    def values(self, value: Struct) -> list[Any]:
        return [make(getattr(value, name)) if make else getattr(value, name) for name, make in self._makers]


def _ddl(name: str, columns: Mapping[str, str]) -> str:
    lines = ",\n".join(f"    {quoted(column)} {kind}" for column, kind in columns.items())
    return f"CREATE TABLE {quoted(name)} (\n{lines}\n)"


class Table(Generic[S]):
    """What DuckDB keeps of one kind of resource."""

    def __init__(self, resource: Decider[S]) -> None:
        state: type[S] = get_type_hints(resource.evolve)["return"]
        self.prefix = prefix_of(resource.__name__)
        self.name = "_".join(self.prefix.split(".")[1:])
        self._columns = Columns(state, _OWN)
        types = {**_BEFORE, **self._columns.types, **_AFTER}
        self.columns = tuple(types)  # of a row
        self.of_field: Mapping[str, str] = {**{name: name for name in _OWN}, **self._columns.of_field}
        self.types: Mapping[str, str] = {**types, BORN: "BIGINT"}
        self.ddl = _ddl(self.name, self.types)
        self.meaning = f"{self._columns.meaning} {forms.state_form(resource)}"
        self.decode: Callable[[str | bytes], Known[S]] = msgspec.json.Decoder(
            cast(Any, Known)[state], dec_hook=from_plain
        ).decode

    @property
    def poured(self) -> str:
        """SELECT a whole row each, `born` too, FROM `poured (text, born)`: `known` as JSON text."""
        fields = self._columns.shape
        rest = ", ".join(f'"{name}": "{_cast(kind)}"' for name, kind in _AFTER.items() if name != "known")
        columns = [f"one.state.{quoted(name)}" for name in self._columns.of_field]
        columns += [f"one.{name}" for name in _AFTER if name != "known"]
        return (
            f"SELECT one.key, {', '.join(columns)}, text, born FROM (SELECT text, born, from_json(text::JSON, "
            f"""'{{"key": "VARCHAR", "state": {{{fields}}}, {rest}}}') AS one FROM poured)"""
        )

    def row(self, known: Known[S], text: str | None = None) -> Row:
        """A resource as a row, in the order of `columns`; `text` is what its last column is to hold, if that is had."""
        return (
            known.key,
            *self._columns.values(known.state),
            known.created_at,
            known.updated_at,
            known.sequence,
            known.revision,
            known.hash,
            text or _encode(known).decode(),
        )

    def known(self, row: Row) -> Known[S]:
        """The resource that a row holds: the inverse of `row`."""
        return self.decode(row[len(self.columns) - 1])


class Log(Generic[R]):
    """Rows that are only ever appended, one table for each Struct."""

    def __init__(self, name: str, struct: type[R]) -> None:
        self.name = name
        self.struct = struct
        self._columns = Columns(struct)
        self.types: Mapping[str, str] = self._columns.types
        self.ddl = _ddl(name, self.types)
        self.meaning = self._columns.meaning

    @property
    def poured(self) -> str:
        """SELECT a whole row each FROM `poured (text)`: a value as JSON text."""
        fields = self._columns.shape
        columns = ", ".join(f"one.{quoted(name)}" for name in self._columns.of_field)
        return f"SELECT {columns} FROM (SELECT from_json(text::JSON, '{{{fields}}}') AS one FROM poured)"

    def row(self, value: R) -> Row:
        return tuple(self._columns.values(value))


@lru_cache(maxsize=512)
def table(resource: Decider[S]) -> Table[S]:
    """The table of a resource's module in `events`, `<service>_<resource>`."""
    return Table(resource)
