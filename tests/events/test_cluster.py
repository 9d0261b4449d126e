"""A journal on three NATS servers: guards that meet in flight, and servers that die."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from events.compute import flavor
from events.decider import Executor
from events.envelope import CLOUD
from events.epochs import close, finish
from events.fold import Fold
from events.journal import CLOSED, Entry, Stale, Unavailable
from events.nats.jetstream import STREAM, JetStreamJournal
from events.nats.server import Member, environment
from events.nats.streams import stream
from events.nats.wire import Wire
from events.refusals import Busy
from tests.three import Cluster, three
from tests.waiting import PATIENCE

REFUSES = 2.0  # seconds in which a server that was away could still have a stream removed that it does not know


@pytest.fixture
async def cluster(no_task_is_left: None, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with three(tmp_path) as cluster:
        yield cluster


async def test_three_servers_lose_no_update_even_when_the_leader_dies(cluster: Cluster) -> None:
    wires = [await Wire.connect(cluster.urls) for _ in range(3)]
    journals = [await JetStreamJournal.open(wire, replicas=3, deadline=20.0) for wire in wires]
    heard: list[Entry] = []
    tail = await journals[0].tail(0, heard.append)
    stop = False
    written: list[int] = []
    dice = random.Random(3)

    async def write(writer: int) -> None:
        journal, known, n = journals[writer % 3], 0, 0
        while not stop:
            n += 1
            subject = f"ev.compute.host.{dice.randrange(2)}"
            own = [entry for entry in heard[-50:] if entry.subject == subject]
            known = own[-1].sequence if own else 0
            while True:
                try:
                    data = f"{known} {writer} {n}".encode()
                    written.append(await journal.append(subject, data, expected=known))
                    break
                except Stale as stale:
                    known = stale.sequence
            await asyncio.sleep(dice.random() / 200)

    writers = [asyncio.create_task(write(n)) for n in range(6)]
    while len(written) < 100:
        await asyncio.sleep(0.05)
    await cluster.kill_leader(wires[1], STREAM)
    killed, count = time.monotonic(), len(written)
    while len(written) < count + 200:
        await asyncio.sleep(0.05)
        assert time.monotonic() - killed < 20
    stop = True
    await asyncio.gather(*writers)
    last = await journals[2].last()
    async with asyncio.timeout(PATIENCE):
        while not heard or heard[-1].sequence < last:
            await asyncio.sleep(0.01)
    assert [entry.sequence for entry in heard] == list(range(1, last + 1))
    assert sorted(written) == list(range(1, last + 1))  # every acknowledged write once, and no other
    for subject in ("ev.compute.host.0", "ev.compute.host.1"):
        own = [entry for entry in heard if entry.subject == subject]
        assert [int(entry.data.split()[0]) for entry in own] == [0, *(entry.sequence for entry in own[:-1])]
        assert await journals[1].of(subject) == own
    await tail.stop()
    for wire in wires:
        await wire.close()


async def test_three_servers_close_an_epoch_while_a_leader_dies(cluster: Cluster) -> None:
    """Three processes write through three servers and all close epochs; each acknowledged write stands once."""
    wires = [await Wire.connect(cluster.urls) for _ in range(3)]
    doors = []
    for wire in wires:
        journal = await JetStreamJournal.open(wire, replicas=3, deadline=20.0)
        fold = Fold([flavor])
        await fold.follow(journal)
        doors.append(Executor(journal, fold))
    for n in range(3):
        await doors[0](flavor, flavor.CreateFlavor(id=str(n), name=str(n), ram=1, vcpus=1, disk=1), CLOUD)
    acknowledged: set[str] = set()
    unsure: set[str] = set()
    stop = False

    async def write(door: Executor, name: int) -> None:
        n = 0
        while not stop:
            n += 1
            project = f"{name}-{n}"
            try:
                await door(flavor, flavor.GrantFlavorAccess(id=str(n % 3), project=project), CLOUD)
                acknowledged.add(project)
            except Busy:
                unsure.add(project)
            await asyncio.sleep(0.002)

    async def shut(door: Executor) -> None:
        number = door.fold.epoch.number
        while door.fold.epoch.number == number:
            try:
                await close(door.journal, door.fold, part=1000)
            except (Unavailable, TimeoutError):
                await asyncio.sleep(0.1)

    async def grown(by: int) -> None:
        """So many further writes are acknowledged."""
        count = len(acknowledged)
        async with asyncio.timeout(PATIENCE):
            while len(acknowledged) < count + by:
                await asyncio.sleep(0.02)

    writers = [asyncio.create_task(write(door, n)) for n, door in enumerate(doors)]
    await grown(50)
    await asyncio.gather(*map(shut, doors))
    await grown(30)
    ending = stream(doors[1].fold.epoch.number)
    leader = await cluster.leader(wires[1], ending)
    closing = asyncio.gather(*map(shut, doors))
    await asyncio.sleep(0.02)
    await cluster.kill(leader)
    await cluster.leader(wires[1], ending, after=leader)
    await cluster.start_one(leader)  # no epoch is ended while a server is away
    await closing
    await grown(50)
    stop = True
    await asyncio.gather(*writers)
    assert doors[0].fold.epoch.number >= 3
    for door in doors:
        await door.fold.fence(door.journal)
        held = [project for state in door.fold.all(flavor) for project in state.projects]
        assert len(held) == len(set(held))
        assert acknowledged <= set(held) <= acknowledged | unsure
        assert door.fold.passage.differs == 0
    fresh = Fold([flavor])
    await fresh.follow(doors[0].journal)
    assert fresh.all(flavor) == doors[0].fold.all(flavor)
    for fold in (fresh, *(door.fold for door in doors)):
        await fold.stop()
    for wire in wires:
        await wire.close()


@pytest.fixture
async def one(cluster: Cluster) -> AsyncIterator[Executor]:
    """A process that knows of one flavor, and keeps to servers that `cluster.idle` does not name."""
    wire = await Wire.connect(cluster.urls)
    journal = await JetStreamJournal.open(wire, replicas=3, deadline=20.0)
    idle = await cluster.idle(wire, STREAM)
    await wire.close()
    wire = await Wire.connect([url for name, url in zip(cluster.children, cluster.urls, strict=True) if name != idle])
    journal = await JetStreamJournal.open(wire, replicas=3, deadline=20.0)
    fold = Fold([flavor])
    await fold.follow(journal)
    execute = Executor(journal, fold)
    await execute(flavor, flavor.CreateFlavor(id="1", name="1", ram=1, vcpus=1, disk=1), CLOUD)
    yield execute
    await fold.stop()
    await wire.close()


async def test_no_epoch_is_ended_while_a_server_is_away(cluster: Cluster, one: Executor) -> None:
    journal, fold = one.journal, one.fold
    assert isinstance(journal, JetStreamJournal)
    away = await cluster.idle(journal.wire, STREAM)
    await cluster.kill(away)
    why = ""
    async with asyncio.timeout(2 * PATIENCE):
        while away not in why:  # it may be that nothing is answered while another server is elected
            with pytest.raises(Unavailable) as refused:
                await close(journal, fold)
            why = str(refused.value)
    assert (await journal.epochs())[-1].is_open
    await one(flavor, flavor.GrantFlavorAccess(id="1", project="p"), CLOUD)
    await cluster.start_one(away)
    async with asyncio.timeout(PATIENCE):
        while fold.epoch.number == 1:
            with suppress(Unavailable):  # until NATS knows that all are there
                await close(journal, fold)
            await asyncio.sleep(0.05)
    assert [state.projects for state in fold.all(flavor)] == [("p",)]


async def test_an_epoch_outlives_a_server_that_missed_its_beginning(cluster: Cluster, one: Executor) -> None:
    """It was there when the end began, and died before it heard of it; when it starts it refuses the new stream."""
    journal, fold = one.journal, one.fold
    assert isinstance(journal, JetStreamJournal)
    away = await cluster.idle(journal.wire, STREAM)
    await cluster.kill(away)
    config = (await journal.streams.ask(f"STREAM.INFO.{STREAM}"))["config"]
    update = {**config, "subjects": [f"{CLOSED}.1"]}
    await journal.streams.ask(f"STREAM.UPDATE.{STREAM}", update)  # as `end` goes on after it has looked for all

    async def finished() -> None:
        while True:  # as the archivist does: who was asked may not have heard of the end yet, or have no answer
            with suppress(Unavailable):
                if await finish(journal, fold) is not None:
                    return
            await asyncio.sleep(0.05)

    closing = asyncio.create_task(finished())
    async with asyncio.timeout(60):
        while journal.streams.newest == 1:
            await asyncio.sleep(0.01)
            with suppress(Unavailable):  # while a leader is elected
                await journal.epochs()
    await cluster.start_one(away)
    await closing
    granted = tuple(str(n) for n in range(20))
    for project in granted:
        await one(flavor, flavor.GrantFlavorAccess(id="1", project=project), CLOUD)
    await asyncio.sleep(REFUSES)
    fresh = Fold([flavor])
    await fresh.follow(journal)
    assert [state.projects for state in fresh.all(flavor)] == [granted]
    await fresh.stop()


def test_servers_of_one_cluster_share_the_processors_of_their_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOMAXPROCS", raising=False)
    member = Member(name="node-1", port=1, others=(2, 3))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    assert environment(member)["GOMAXPROCS"] == "2"
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    assert environment(member)["GOMAXPROCS"] == "1"
    assert "GOMAXPROCS" not in environment(None)
    monkeypatch.setenv("GOMAXPROCS", "7")
    assert environment(member)["GOMAXPROCS"] == "7"
