"""The feed of many processes: whoever fills it is killed, another goes on, and a consumer misses nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import httpx
import msgspec

from events import process
from events.nats.wire import Credentials, Denied, Message, Wire
from tests.contract.clouds import RunningCloud, found, running
from tests.processes.clouds import THREE


def make(http: httpx.Client, number: int) -> None:
    for _ in range(number):
        flavor = {"name": os.urandom(6).hex(), "ram": 1, "vcpus": 1, "disk": 1}
        found(http.post("/compute/v2.1/flavors", json={"flavor": flavor}))


def kill(cloud: RunningCloud, name: str) -> None:
    """A process of the cloud, as a power cut would; it is started again."""
    who = process.remembered(cloud.state / name / "pid")
    assert who is not None
    os.kill(who.pid, signal.SIGKILL)


class Consumer:
    """A program that hears the feed."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.heard: list[int] = []

    async def listen(self) -> Wire:
        given = json.loads(self.file.read_text())
        credentials = Credentials(user=given["user"], password=given["password"], inbox=given["inbox"])
        while True:  # the cloud lets in whom it finds, on one server after the other
            try:
                wire = await Wire.connect(given["servers"], credentials)
                break
            except Denied:
                await asyncio.sleep(0.1)

        async def hear(message: Message) -> None:
            self.heard.append(int(msgspec.json.decode(message.data)["id"]))
            await wire.client.publish(message.reply, b"+ACK")

        await wire.listen(given["subject"], hear)
        return wire

    async def until(self, last: int) -> None:
        async with asyncio.timeout(40):
            while not self.heard or max(self.heard) < last:
                await asyncio.sleep(0.05)


async def test_a_consumer_of_many_processes_misses_nothing(tmp_path: Path) -> None:
    with running(tmp_path / "cloud", hosts=2, arguments=THREE) as cloud, cloud.user() as http:
        made = cloud.run("credentials", "consumer", "audit", "--set", "feed.patience=2")
        assert made.returncode == 0, made.stderr
        consumer = Consumer(Path(made.stdout.strip()))
        wire = await consumer.listen()
        for name in ("handlers-1", "handlers-2"):
            make(http, 10)
            kill(cloud, name)
            make(http, 10)
        lines = cloud.run("events", "--format", "json").stdout.splitlines()
        sequences = [json.loads(line)["sequence"] for line in lines]
        await consumer.until(sequences[-1])
        first = min(consumer.heard)
        assert sorted(set(consumer.heard)) == list(range(first, max(consumer.heard) + 1))
        assert len(consumer.heard) >= 40
        await wire.close()
