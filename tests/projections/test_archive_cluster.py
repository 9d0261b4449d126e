"""Epochs that are long are closed, archived and dropped on three NATS servers, whose leaders die in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from events.compute import flavor
from events.compute.flavor import GrantFlavorAccess
from events.envelope import CLOUD
from events.fold import Fold
from events.journal import Epoch
from events.nats.jetstream import JetStreamJournal
from events.nats.streams import stream
from events.nats.wire import Wire
from events.refusals import Busy
from projections.archive import Chronicle
from projections.cold import Directory
from projections.verify import verify, verify_archive
from tests.projections.test_archive import RESOURCES, Place, all_of, living
from tests.three import Cluster, three

COMMITS = 150  # after which an epoch is closed
AWAY = 1.0  # seconds that a server is dead: long enough for the next leader to be elected


class Deadly(Place):
    """One process; a leader dies before the first epoch is archived, another before the second is dropped."""

    def mind(self, cluster: Cluster, wire: Wire) -> None:
        self.cluster, self.wire = cluster, wire
        self.died: set[int] = set()
        self.returning: list[asyncio.Task[None]] = []

    async def _keep(self, epoch: Epoch) -> int:
        if epoch.number == 1:
            await self._kill(1)
        size = await super()._keep(epoch)
        if epoch.number == 2:
            await self._kill(2)
        return size

    async def _kill(self, epoch: int) -> None:
        if epoch not in self.died:
            self.died.add(epoch)
            name = await self.cluster.kill_leader(self.wire, stream(epoch))
            self.returning.append(asyncio.create_task(self._revive(name)))

    async def _revive(self, name: str) -> None:
        await asyncio.sleep(AWAY)
        await self.cluster.start_one(name)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with three(tmp_path) as cluster:
        yield cluster


async def test_leaders_may_die_before_an_epoch_is_archived_and_before_it_is_dropped(
    cluster: Cluster, tmp_path: Path
) -> None:
    wires = [await Wire.connect(cluster.urls) for _ in range(3)]
    places: list[Place] = []
    for n, wire in enumerate(wires):
        kind = Place if n else Deadly
        journal = await JetStreamJournal.open(wire, replicas=3, deadline=20.0)
        commits = 0 if n else COMMITS  # one process decides; the others hear of it as they write
        place = kind(journal, Directory(tmp_path / "archive"), tmp_path / str(n), commits=commits)
        await place.fold.follow(journal)
        places.append(place)
    deadly = places[0]
    assert isinstance(deadly, Deadly)
    deadly.mind(cluster, wires[1])
    await deadly.make("0", "1", "2")
    acknowledged: set[str] = set()
    unsure: set[str] = set()
    stop = False

    async def write(place: Place, name: int) -> None:
        n = 0
        while not stop:
            n += 1
            project = f"{name}-{n}"
            try:
                await place.execute(flavor, GrantFlavorAccess(id=str(n % 3), project=project), CLOUD)
                acknowledged.add(project)
            except Busy:
                unsure.add(project)
            await asyncio.sleep(0.01)

    writers = [asyncio.create_task(write(place, n)) for n, place in enumerate(places)]
    archivist = asyncio.create_task(deadly.archivist.run())
    async with asyncio.timeout(60):
        while deadly.died < {1, 2} or deadly.fold.epoch.number < 3 or len(deadly.archive.manifests) < 2:
            await asyncio.sleep(0.05)
        await asyncio.gather(*deadly.returning)
    stop = True
    archivist.cancel()
    await asyncio.gather(archivist, return_exceptions=True)
    await asyncio.gather(*writers)
    for place in places:
        await place.fold.fence(place.journal)
        held = [project for state in place.fold.all(flavor) for project in state.projects]
        assert len(held) == len(set(held))
        assert acknowledged <= set(held) <= acknowledged | unsure
    archive = places[1].archive
    entries = await all_of(Chronicle(places[1].journal, archive).entries())
    assert [entry.sequence for entry in entries] == list(range(1, await places[1].journal.last() + 1))
    findings = [finding async for finding in verify_archive(archive, places[2].journal, None)]
    findings += [finding async for finding in verify(places[2].journal, RESOURCES, archive=archive)]
    assert findings == []
    fresh = Fold(RESOURCES)
    fresh.past = archive
    await fresh.follow(places[2].journal)
    assert living(fresh) == living(places[1].fold)
    assert (await wires[1].api(f"STREAM.INFO.{stream(fresh.epoch.number)}"))["config"]["num_replicas"] == 3
    for fold in (fresh, *(place.fold for place in places)):
        await fold.stop()
    for place in places:
        await place.archive.close()
    for wire in wires:
        await wire.close()
