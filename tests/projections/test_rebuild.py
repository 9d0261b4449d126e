"""Tables made anew hold the same whatever they are made from, and take the place of those in use without a gap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from msgspec.structs import replace

from events.clock import SystemClock
from events.compute import flavor, server
from events.compute.flavor import CreateFlavor, DeleteFlavor, GrantFlavorAccess
from events.compute.server import DeleteServer, RequestServer, Size
from events.decider import Executor
from events.envelope import CLOUD
from events.fold import Fold
from events.journal import Epoch, MemoryJournal
from events.services import deciders
from handlers.archivist import Archivist
from projections.archive import Archive
from projections.archiving import keep
from projections.cold import Directory
from projections.projector import Projector
from projections.rebuild import build, rebuild

SIZE = Size(id="1", name="m", vcpus=1, ram=1, disk=1)


class Place:
    """A cloud in memory with an archive and tables in use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = MemoryJournal()
        self.archive = Archive(Directory(path / "archive"), path / "copies")
        self.fold = Fold(deciders())
        self.fold.past = self.archive
        self.tables = Projector(self.fold, path / "tables")
        self.execute = Executor(self.journal, self.fold)
        self.archivist = Archivist(self.journal, self.fold, self._keep)

    async def _keep(self, epoch: Epoch) -> int:
        return (await keep(self.archive, self.journal, epoch, deciders())).bytes

    async def live(self, name: str) -> None:
        """Some commits of several kinds, a death and a rebirth among them."""
        for n in range(3):
            await self.execute(flavor, CreateFlavor(id=f"{name}{n}", name=name, ram=1, vcpus=1, disk=1), CLOUD)
            wish = RequestServer(id=f"{name}{n}", project="p", user="u", name=name, hostname=name, size=SIZE)
            await self.execute(server, wish, CLOUD)
        await self.execute(flavor, DeleteFlavor(id=f"{name}0"), CLOUD)
        await self.execute(server, DeleteServer(id=f"{name}1"), CLOUD)
        if self.fold.get(flavor, "first1") is not None:
            await self.execute(flavor, GrantFlavorAccess(id="first1", project=name), CLOUD)
        if name != "first":
            await self.execute(flavor, CreateFlavor(id="first0", name=name, ram=1, vcpus=1, disk=1), CLOUD)
            await self.execute(flavor, DeleteFlavor(id="first0"), CLOUD)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(tmp_path)
    await place.tables.load(SystemClock().now(), 0)
    await place.fold.follow(place.journal)
    yield place
    await place.fold.stop()
    await place.tables.stop()
    await place.archive.close()


def content(path: Path, born: bool = True) -> dict[str, list[Any]]:
    """All rows of all tables of a file that nobody uses."""
    with duckdb.connect(str(path), read_only=True) as db:
        db.execute("SET TimeZone = 'UTC'")
        names = [name for (name,) in db.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        found = {name: db.execute(f'SELECT * FROM "{name}" ORDER BY ALL').fetchall() for name in names}
    del found["bookmark"]
    return found


async def test_tables_are_the_same_whatever_they_are_made_from(place: Place) -> None:
    await place.live("first")
    await place.live("second")
    await place.archivist.archive()
    await place.live("third")
    await place.archivist.archive()
    await place.live("fourth")
    await place.tables.stop()
    true = content(place.path / "tables")
    assert len(true["compute_server_history"]) >= 12
    from_rows = await build(place.journal, place.archive, place.path / "from_rows")
    assert content(place.path / "from_rows") == true
    for number, manifest in place.archive.manifests.items():
        place.archive.manifests[number] = replace(manifest, tables="of another version")
    from_states = await build(place.journal, place.archive, place.path / "from_states")
    assert content(place.path / "from_states") == true
    assert from_rows.resources == from_states.resources == place.fold.living()
    fold = Fold(deciders())
    fold.past = place.archive
    from_commits = Projector(fold, place.path / "from_commits")
    await from_commits.load(SystemClock().now(), await place.journal.last())
    await fold.follow(place.journal)
    await fold.stop()
    await from_commits.stop()
    assert content(place.path / "from_commits") == true
    place.tables = Projector(place.fold, None)


async def test_tables_are_replaced_while_they_are_written_and_read(place: Place) -> None:
    await place.live("first")
    await place.archivist.archive()
    await place.live("second")
    running = True

    async def use() -> None:
        n = 0
        while running:
            n += 1
            await place.execute(flavor, CreateFlavor(id=f"use{n}", name="use", ram=1, vcpus=1, disk=1), CLOUD)
            found = await place.tables.ask("SELECT count(*) FROM compute_flavor WHERE name = 'use'")
            assert found == [(n,)]
            await asyncio.sleep(0)

    using = asyncio.create_task(use())
    for _ in range(3):
        await place.tables.renew(lambda draft, least: build(place.journal, place.archive, draft, least))
    running = False
    await using
    wish = RequestServer(id="after", project="p", user="u", name="after", hostname="after", size=SIZE)
    await place.execute(server, wish, CLOUD)
    await place.tables.stop()
    used = content(place.path / "tables")
    await rebuild(place.journal, place.archive, place.path / "tables")
    assert content(place.path / "tables") == used
    place.tables = Projector(place.fold, None)


async def test_a_process_without_tables_or_past_begins_with_what_was_carried(place: Place) -> None:
    await place.live("first")
    await place.archivist.archive()
    await place.live("second")
    fold = Fold(deciders())
    tables = Projector(fold, None)
    await tables.load(SystemClock().now(), await place.journal.last())
    await fold.follow(place.journal)
    count = "SELECT count(*) FROM compute_flavor WHERE NOT deleted"
    assert await tables.ask(count) == await place.tables.ask(count)
    assert fold.living() == place.fold.living()
    await fold.stop()
    await tables.stop()
