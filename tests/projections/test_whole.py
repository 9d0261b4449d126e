"""A whole log poured into tables at once: the same rows as commit by commit, whatever the log holds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.rebuild import Maker
from events.compute import flavor
from events.compute.flavor import CreateFlavor, DeleteFlavor
from events.envelope import CLOUD
from events.epochs import close
from events.fold import Fold
from events.journal import Entry, MemoryJournal
from events.services import deciders
from projections.archive import Archive
from projections.cold import Directory
from projections.projector import Projector
from projections.rebuild import build
from projections.whole import LONG, Unusual
from tests.projections.test_rebuild import Place, content
from tests.projections.test_rebuild import place as place


async def filled(place: Place, name: str, **bounds: int) -> Projector:
    tables = Projector(Fold(deciders()), place.path / name)
    bookmark, living = await tables.fill(place.journal, await place.journal.last(), **bounds)
    assert (bookmark.sequence, bookmark.newest_at) == (place.tables._heard.sequence, place.fold.newest_at)
    assert living == place.fold.living()
    return tables


async def test_the_rows_are_those_of_a_process_that_has_heard_every_commit(place: Place) -> None:
    await place.live("first")
    await close(place.journal, place.fold)
    await place.live("second")
    await place.live("third")
    await filled(place, "at_once")
    await filled(place, "a_row_at_a_time", rows=1)
    await filled(place, "one_dead_remembered", rows=2, dead=1)
    await place.tables.stop()
    true = content(place.path / "tables")
    assert len(true["compute_server_history"]) >= 9
    for name in ("at_once", "a_row_at_a_time", "one_dead_remembered"):
        assert content(place.path / name) == true, name
    place.tables = Projector(place.fold, None)


async def test_a_process_goes_on_from_what_was_poured(place: Place) -> None:
    await place.live("first")
    await filled(place, "poured")
    fold = Fold(deciders())
    tables = Projector(fold, place.path / "poured")
    assert await tables.load(datetime.now(UTC), await place.journal.last()) == place.fold.position
    assert fold.all(flavor) == place.fold.all(flavor)
    await fold.follow(place.journal)
    await place.live("second")
    await fold.reach(place.fold.position)
    await fold.stop()
    await tables.stop()
    await place.tables.stop()
    assert content(place.path / "poured") == content(place.path / "tables")
    place.tables = Projector(place.fold, None)


async def test_a_long_log_is_poured_by_whoever_finds_no_tables(tmp_path: Path) -> None:
    journal, last = MemoryJournal(), 0
    for last, (subject, data) in enumerate(Maker(1000).all(), 1):
        journal.entries.append(Entry(last, subject, data))
    assert last >= LONG
    archive = Archive(Directory(tmp_path / "archive"), tmp_path / "copies")
    fold = Fold(deciders())
    tables = Projector(fold, tmp_path / "first")
    await tables.load(datetime.now(UTC), 0)
    await fold.follow(journal)
    await fold.stop()
    await tables.stop()
    again = Fold(deciders())
    tables = Projector(again, tmp_path / "again")
    assert await tables.load(datetime.now(UTC), last, archive, journal) == last
    await tables.stop()
    assert again.living() == fold.living() == 4000
    assert all(again.shelves[prefix].live == shelf.live for prefix, shelf in fold.shelves.items())
    assert (await build(journal, archive, tmp_path / "made")).resources == 4000
    true = content(tmp_path / "first")
    assert content(tmp_path / "again") == content(tmp_path / "made") == true
    await archive.close()


async def test_a_log_with_a_commit_that_cannot_be_folded_is_left_to_the_careful_way(
    place: Place, tmp_path: Path
) -> None:
    await place.execute(flavor, CreateFlavor(id="f", name="f", ram=1, vcpus=1, disk=1), CLOUD)
    await place.execute(flavor, DeleteFlavor(id="f"), CLOUD)
    await place.journal.append("ev.compute.flavor.f", b"{}", expected=2)
    with pytest.raises(Unusual, match=r"commit 3 of ev\.compute\.flavor\.f"):
        await Projector(Fold(deciders()), tmp_path / "poured").fill(place.journal, 3)
    assert content(tmp_path / "poured")["compute_flavor"] == []
