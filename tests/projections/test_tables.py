"""A table's row is the state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from immutables import Map

from events import claims, room
from events.compute import flavor
from events.fold import Fold, Known
from projections.store import Batch, Bookmark, Store
from projections.tables import BORN, quoted, table
from tests.projections import things
from tests.projections.things import Port, Share, Thing

THINGS = table(things.thing)

text = st.text(st.characters(codec="utf-8"), max_size=12)
numbers = st.integers(-(2**63), 2**63 - 1)
times = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
ports = st.builds(Port, text, st.lists(text, max_size=3).map(tuple))
shares = st.builds(Share, st.dictionaries(text, numbers, max_size=2), st.none() | times)
states = st.builds(
    Thing,
    key=text,
    project=st.none() | text,
    size=numbers,
    ratio=st.floats(allow_nan=False, allow_infinity=False),
    public=st.booleans(),
    status=st.sampled_from(("NEW", "OLD")),
    level=st.sampled_from((None, 1, 2)),
    end=st.none() | times,
    group=st.lists(text, max_size=3).map(tuple),
    port=st.none() | ports,
    ports=st.lists(ports, max_size=2).map(tuple),
    specs=st.dictionaries(text, text, max_size=3),
    shares=st.dictionaries(text, shares, max_size=3).map(Map),
    deleted=st.booleans(),
)
knowns: st.SearchStrategy[Known[Thing]] = st.builds(
    Known, states, text, times, times, st.integers(1, 2**62), st.integers(1, 2**31), text
)


def opened(*resources: Any) -> Store:
    store = Store(None, [table(one) for one in resources])
    store.open()
    return store


def test_a_column_for_each_field_and_json_for_what_is_nested() -> None:
    types = dict(THINGS.types)
    assert types["key"] == "VARCHAR PRIMARY KEY"
    assert types["key_"] == types["project"] == types["status"] == "VARCHAR"
    assert types["size"] == types["level"] == types["sequence"] == types["born"] == "BIGINT"
    assert (types["ratio"], types["public"], types["deleted"]) == ("DOUBLE", "BOOLEAN", "BOOLEAN")
    assert types["end"] == types["created_at"] == "TIMESTAMP"
    assert {types[name] for name in ("group", "port", "ports", "specs", "shares")} == {"JSON"}
    assert THINGS.name == "sample_thing"
    assert THINGS.of_field["key"] == "key_"


def test_every_resource_of_the_house_has_a_table() -> None:
    store = opened(flavor, things.resource("sample.claim", evolve=claims.evolve))
    store.open()
    assert {name for (name,) in store.ask("SELECT table_name FROM duckdb_tables()")} == {
        "bookmark",
        "compute_flavor",
        "sample_claim",
    }


@given(knowns)
def test_a_row_is_read_back_as_what_it_was(known: Known[Thing]) -> None:
    assert THINGS.known(THINGS.row(known)) == known


def test_a_room_is_read_back_with_its_persistent_map() -> None:
    rooms = table(things.resource("sample.room", evolve=room.evolve))
    state = room.Room(id="p", used={"cores": 1}, shares=Map(s=room.Share({"cores": 1}, things.NOW)))
    known = Known(state, "p", things.NOW, things.NOW, 1, 1, "h")
    again = rooms.known(rooms.row(known))
    assert again == known
    assert isinstance(again.state.shares, Map)


_STORE = opened(things.thing)


@settings(max_examples=40, deadline=None)
@given(knowns)
def test_the_columns_tell_what_the_state_is(known: Known[Thing]) -> None:
    _STORE.write([Batch(THINGS.name, THINGS.columns, [THINGS.row(known)])], Bookmark(1, None))
    columns = ", ".join(map(quoted, THINGS.columns))
    (row,) = _STORE.ask(f"SELECT {columns} FROM sample_thing WHERE key = ?", [known.key])
    assert THINGS.known(row) == known
    found = dict(zip(THINGS.columns, row, strict=True))
    for name in ("project", "size", "ratio", "public", "status", "level", "deleted"):
        assert found[name] == getattr(known.state, name)
    assert found["key"] == known.key
    assert found["key_"] == known.state.key
    assert found["created_at"].replace(tzinfo=UTC) == known.created_at
    assert (found["end"] and found["end"].replace(tzinfo=UTC)) == known.state.end


def test_a_time_of_another_zone_is_kept_in_utc() -> None:
    east = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=5)))
    row = THINGS.row(things.known(Thing(key="k", end=east), "east"))
    _STORE.write([Batch(THINGS.name, (*THINGS.columns, BORN), [(*row, 1)])], Bookmark(1, None))
    assert _STORE.ask("SELECT \"end\" FROM sample_thing WHERE key = 'east'") == [(datetime(2026, 1, 1, 7),)]


def test_the_meaning_of_a_table_tells_nested_fields_apart() -> None:
    assert "mac" in THINGS.meaning
    assert "until" in THINGS.meaning  # within a persistent map
    assert Fold([things.thing]).shelves.keys() == {THINGS.prefix}
