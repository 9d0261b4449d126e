"""Who was away while what they had not read was archived and dropped reads it from the archive, and goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from events.compute import flavor
from events.compute.flavor import GrantFlavorAccess
from events.envelope import CLOUD
from events.journal import CLOSED, Entry
from events.nats.jetstream import JetStreamJournal
from events.nats.server import NatsServer
from events.nats.wire import Wire
from projections.cold import Directory
from tests.events.proxy import Proxy
from tests.projections.test_archive import Place, living
from tests.waiting import until


class Two:
    """A process that is there, and one that can be cut off."""

    def __init__(self, one: Place, other: Place, proxy: Proxy) -> None:
        self.one = one
        self.other = other
        self.proxy = proxy

    async def cut(self) -> None:
        self.proxy.is_shut = True
        await self.proxy.cut()

    def mend(self) -> None:
        self.proxy.is_shut = False

    async def live(self, epochs: int) -> None:
        """Epochs that are over, archived and dropped, and a change in the present one."""
        for number in range(epochs):
            await self.one.make(f"{number}-a", f"{number}-b")
            await self.one.archivist.archive()
        await self.one.execute(flavor, GrantFlavorAccess(id="0-a", project="p"), CLOUD)


@asynccontextmanager
async def two(path: Path) -> AsyncIterator[Two]:
    server = NatsServer(path / "nats", sync="2m")
    await server.start()
    proxy = Proxy(int(server.url.rpartition(":")[2]))
    await proxy.start()
    places: list[Place] = []
    for name, url in (("one", server.url), ("other", proxy.url)):
        journal = await JetStreamJournal.open(await Wire.connect([url], server.cloud))
        places.append(Place(journal, Directory(path / "archive"), path / name))
    yield Two(places[0], places[1], proxy)
    for place in places:
        await place.fold.stop()
        await place.archive.close()
        assert isinstance(place.journal, JetStreamJournal)
        await place.journal.wire.close()
    await proxy.stop()
    await server.stop()


@pytest.mark.parametrize("epochs", [1, 2])
async def test_a_process_goes_on_that_was_away_in_the_midst_of_an_epoch(tmp_path: Path, epochs: int) -> None:
    async with two(tmp_path) as them:
        for place in (them.one, them.other):
            await place.fold.follow(place.journal)
        await them.one.make("first")
        await them.other.fold.fence(them.other.journal)
        await them.cut()
        await them.live(epochs)
        them.mend()
        await them.other.fold.fence(them.other.journal)
        await them.one.fold.fence(them.one.journal)
        assert living(them.other.fold) == living(them.one.fold)
        assert them.other.fold.epoch == them.one.fold.epoch
        assert them.other.fold.passage.differs == 0
        await them.other.make("mine")
        await them.one.fold.fence(them.one.journal)
        assert them.one.fold.get(flavor, "mine") is not None


async def test_who_was_cut_off_between_two_epochs_misses_nothing(tmp_path: Path) -> None:
    async with two(tmp_path) as them:
        heard: list[int] = []

        def hear(entry: Entry) -> None:
            heard.append(entry.sequence)
            if entry.subject == f"{CLOSED}.1":
                them.proxy.is_shut = them.proxy.deaf = True

        await them.one.fold.follow(them.one.journal)
        tail = await them.other.journal.tail(0, hear, them.other.archive.entries)
        await them.one.make("first")
        await them.one.archivist.archive()
        await until(lambda: them.proxy.deaf)
        await them.cut()
        await them.live(2)
        them.proxy.deaf = False
        them.mend()
        last = await them.one.journal.last()
        await until(lambda: len(heard) >= last)
        assert heard == list(range(1, last + 1))
        await tail.stop()
