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

from events.jetstream import STREAM, JetStreamJournal
from events.journal import Entry, Stale
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
                    data = b"%d" % known
                    written.append(await journal.append(subject, data, expected=known, id=f"{writer} {n} {known}"))
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
        assert [int(entry.data) for entry in own] == [0, *(entry.sequence for entry in own[:-1])]
        assert await journals[1].of(subject) == own
    await tail.stop()
    for wire in wires:
        await wire.close()
