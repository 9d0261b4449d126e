"""A journal on three NATS servers: guards that meet in flight, and a leader that dies. Some ten seconds."""

from __future__ import annotations

import asyncio
import random
import shutil
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from events.compute import flavor
from events.decider import Executor
from events.envelope import CLOUD
from events.epochs import close
from events.fold import Fold
from events.jetstream import STREAM, JetStreamJournal
from events.journal import Entry, Stale, Unavailable
from events.refusals import Busy
from events.streams import stream
from events.wire import Wire


class Cluster:
    """Three servers on loopback."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(6)]
        ports = [one.getsockname()[1] for one in sockets]
        for one in sockets:
            one.close()
        self.ports, self.routes = ports[:3], ports[3:]
        self.children: dict[str, asyncio.subprocess.Process] = {}

    @property
    def urls(self) -> list[str]:
        return [f"nats://127.0.0.1:{port}" for port in self.ports]

    async def start(self) -> None:
        binary = shutil.which("nats-server", path=str(Path(sys.executable).parent))
        assert binary is not None
        for n, (port, route) in enumerate(zip(self.ports, self.routes, strict=True)):
            config = {
                "server_name": f"n{n}",
                "host": "127.0.0.1",
                "port": port,
                "log_file": str(self._directory / f"n{n}.log"),
                "jetstream": {"store_dir": str(self._directory / f"n{n}")},
                "cluster": {
                    "name": "three",
                    "host": "127.0.0.1",
                    "port": route,
                    "routes": [f"nats://127.0.0.1:{one}" for one in self.routes],
                },
            }
            file = self._directory / f"n{n}.conf"
            file.write_bytes(msgspec.json.encode(config))
            self.children[f"n{n}"] = await asyncio.create_subprocess_exec(binary, "-c", str(file))

    async def stop(self) -> None:
        for child in self.children.values():
            if child.returncode is None:
                child.kill()
            await child.wait()


@pytest.fixture
async def cluster(no_task_is_left: None, tmp_path: Path) -> AsyncIterator[Cluster]:
    cluster = Cluster(tmp_path)
    await cluster.start()
    yield cluster
    await cluster.stop()


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
    await asyncio.sleep(1.0)
    leader = (await wires[1].api(f"STREAM.INFO.{STREAM}"))["cluster"]["leader"]
    cluster.children[leader].kill()
    killed, count = time.monotonic(), len(written)
    while len(written) < count + 200:
        await asyncio.sleep(0.05)
        assert time.monotonic() - killed < 20
    stop = True
    await asyncio.gather(*writers)
    last = await journals[2].last()
    async with asyncio.timeout(20):
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

    writers = [asyncio.create_task(write(door, n)) for n, door in enumerate(doors)]
    await asyncio.sleep(0.5)
    await asyncio.gather(*map(shut, doors))
    await asyncio.sleep(0.3)
    leader = (await wires[1].api(f"STREAM.INFO.{stream(doors[1].fold.epoch.number)}"))["cluster"]["leader"]
    closing = asyncio.gather(*map(shut, doors))
    await asyncio.sleep(0.02)
    cluster.children[leader].kill()
    await closing
    count = len(acknowledged)
    async with asyncio.timeout(20):
        while len(acknowledged) < count + 50:
            await asyncio.sleep(0.02)
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
