"""The log checked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from events.journal import Entry
from projections.store import Store
from projections.verify import Finding, verify
from tests.projections import things
from tests.projections.things import ThingDeleted, ThingMade, ThingSized, Writer, tables

RESOURCES = (things.thing, things.other)


async def story() -> Writer:
    write = Writer()
    await write.make("abc", "p")
    await write("a", ThingSized(size=5))
    await write("b", ThingDeleted())
    await write("b", ThingMade(key="b"))
    await write("a", ThingSized(size=6))
    return write


async def found(write: Writer, store: Store | None = None) -> list[Finding]:
    return [finding async for finding in verify(write.journal, RESOURCES, store, patience=0.2)]


async def test_a_sound_log_and_its_tables_give_nothing_to_find() -> None:
    write = await story()
    assert await found(write) == []
    async with tables(write) as projector:
        await projector.flush()
        await write("c", ThingSized(size=9))  # after the bookmark
        assert await found(write, projector.store) == []


def _change(data: bytes, **fields: Any) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(data), **fields})


HARMS: dict[str, tuple[Callable[[list[Entry]], None], str]] = {
    "rewritten": (lambda log: _put(log, 3, data=log[3].data.replace(b"5", b"4")), "chain"),
    "another's": (lambda log: _put(log, 3, data=_change(log[3].data, previous="x" * 43)), "chain"),
    "unreadable": (lambda log: _put(log, 6, data=b'{"id": 1}'), "cannot be folded"),
    "of no event known": (lambda log: _put(log, 6, data=_change(log[6].data, events=[{"type": "No"}])), "folded"),
    "out of order": (lambda log: _put(log, 2, subject="ev.sample.thing.z", data=log[3].data), "cannot be folded"),
    "of no resource": (lambda log: _put(log, 2, subject="ev.sample.nosuch.z"), "no such resource"),
    "earlier than before": (lambda log: _put(log, 6, data=_change(log[6].data, at="2020-01-01T00:00:00Z")), "later"),
    "left out": (lambda log: _put(log, 2, sequence=4), "entries after 2 are missing"),
}


def _put(log: list[Entry], number: int, **fields: Any) -> None:
    log[number] = log[number]._replace(**fields)


@pytest.mark.parametrize("harm", HARMS)
async def test_harm_to_the_log_is_found(harm: str) -> None:
    write = await story()
    do, what = HARMS[harm]
    do(write.journal.entries)
    assert what in str(await found(write))


TAMPERED = {
    "UPDATE sample_thing SET size = 99 WHERE key = 'a'": "column size",
    "UPDATE sample_thing SET known = replace(known, '\"size\":6', '\"size\":7') WHERE key = 'a'": "another state",
    "DELETE FROM sample_thing WHERE key = 'c'": "do not have it",
    "UPDATE sample_thing SET known = replace(known, '\"revision\":3', '\"revision\":4')": "another revision",
    "UPDATE sample_thing SET known = '{'": "cannot be read",
    "UPDATE bookmark SET sequence = 99": "ahead of the journal",
    "UPDATE bookmark SET sequence = 0": "the journal does not",
    "UPDATE bookmark SET sequence = 4": "another sequence",
}


@pytest.mark.parametrize("change", TAMPERED)
async def test_harm_to_the_tables_is_found(change: str) -> None:
    write = await story()
    async with tables(write) as projector:
        await projector.flush()
        projector.store.ask(change)
        assert TAMPERED[change] in str(await found(write, projector.store))


async def test_tables_made_anew_are_what_they_were(tmp_path: Path) -> None:
    write = await story()
    path = tmp_path / "tables"
    everything = "SELECT * FROM sample_thing ORDER BY key"

    async def rows() -> object:
        async with tables(write, path) as projector:
            return await projector.ask(everything), await projector.ask("FROM sample_step ORDER BY sequence, what")

    before = await rows()
    path.unlink()
    assert await rows() == before


async def test_a_cut_journal_is_waited_for_so_long_only() -> None:
    write = await story()
    write.journal.entries[-1] = Entry(99, "ev.sample.thing.a", b"")
    assert "could not be read" in str(await found(write))


async def test_what_came_to_life_again_after_its_burial_is_as_it_should_be() -> None:
    write = Writer()
    async with tables(write) as projector:
        await write.make("a")
        await projector.fold.reach(await write("a", ThingDeleted()))
        projector.fold.bury(write.now + timedelta(hours=2))
        await projector.fold.reach(await write("a", ThingMade(key="a")))
        await projector.flush()
        assert await found(write, projector.store) == []
