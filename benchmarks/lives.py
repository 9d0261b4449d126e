"""What one server's life leaves in the log: commits and bytes, by resource and event, from its create to its delete."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import aiohttp
import msgspec
from msgspec import Struct

from benchmarks.clouds import Client, Measured
from benchmarks.people import Person
from events.envelope import Commit
from events.journal import Entry
from events.nats.wire import Wire
from events.settings import Settings
from gateway.reading import opened

Raw = Commit[dict[str, object]]


class Log(Struct):
    """What a cloud's log holds."""

    commits: int
    stored: int  # bytes as JetStream counts them: subjects, headers and its own part of each message too
    by_event: dict[str, tuple[int, int]]  # commits and bytes


class Life(Struct):
    """The means over some servers."""

    commits: float
    stored: float  # bytes
    by_event: dict[str, tuple[float, float]]


async def log_of(path: Path) -> Log:
    """The log of a stopped cloud."""
    decode = msgspec.json.Decoder(Raw).decode
    commits: Counter[str] = Counter()
    size: Counter[str] = Counter()

    async with opened(path, Settings()) as cloud:
        last = await cloud.journal.last()
        done = asyncio.Event()

        def count(entry: Entry) -> None:
            sequence, subject, data = entry
            _, service, resource, _ = subject.split(".", 3)
            kind = f"{service}.{resource} {' '.join(str(event['type']) for event in decode(data).events)}"
            commits[kind] += 1
            size[kind] += len(data)
            if sequence == last:
                done.set()

        tail = await cloud.journal.tail(0, count)
        await done.wait()
        await tail.stop()
        stored = await bytes_of(cloud.wire)
    return Log(last, stored, {kind: (number, size[kind]) for kind, number in commits.items()})


async def bytes_of(wire: Wire) -> int:
    """The bytes of the journal's streams, as JetStream counts them."""
    streams = (await wire.api("STREAM.LIST"))["streams"]
    return sum(one["state"]["bytes"] for one in streams if one["config"]["name"].startswith("JOURNAL"))


async def measure(servers: int = 40, at_once: int = 8) -> Life:
    """A small cloud on which so many servers are made, and then deleted."""
    async with Measured(None, "--driver", "simulated", "--hosts", "20") as cloud:
        async with aiohttp.ClientSession() as session:
            person = Person(Client(session, cloud))
            await person.begin()
            await person.delete(await person.many(1, 1), 1)
        await cloud.stop()
        before = await log_of(cloud.state)
        await cloud.start()
        async with aiohttp.ClientSession() as session:
            person.client = Client(session, cloud)
            await person.client.login()
            await person.delete(await person.many(servers, at_once), at_once)
        await cloud.stop()
        return _between(before, await log_of(cloud.state), servers)


def _between(before: Log, after: Log, servers: int) -> Life:
    by_event = {}
    for kind, (commits, size) in after.by_event.items():
        had = before.by_event.get(kind, (0, 0))
        if commits > had[0]:
            by_event[kind] = ((commits - had[0]) / servers, (size - had[1]) / servers)
    return Life((after.commits - before.commits) / servers, (after.stored - before.stored) / servers, by_event)


def text(life: Life) -> str:
    """A line for each kind of commit, the most bytes first."""
    lines = [f"{life.commits:.1f} commits, {life.stored:.0f} bytes as stored, for each server:"]
    for kind, (commits, size) in sorted(life.by_event.items(), key=lambda one: -one[1][1]):
        lines.append(f"{commits:7.2f} {size:8.0f} B  {kind}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(text(asyncio.run(measure())))
