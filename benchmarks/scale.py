"""How a cloud does as it grows: `python -m benchmarks.scale --hosts 1000 --sizes 1000,10000,100000 --dead 1000000`.

One NATS server with every commit fsynced, one gateway, one process of handlers, and simulated hosts. What lived and
died before is written as benchmarks/history.py says. At each size all parts are started anew, and then servers are made
one at a time, and by sixteen people at once. What is measured goes into a JSON file, of which benchmarks/curves.py
draws pictures. `--cluster` measures three NATS nodes instead, on a small cloud.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import msgspec
from msgspec import Struct

from benchmarks import history
from benchmarks.clouds import Client, Measured
from benchmarks.history import History
from benchmarks.lives import bytes_of
from benchmarks.people import Person, until
from benchmarks.split import Split
from events.assignments import NAME
from events.fold import Fold
from events.jetstream import JetStreamJournal
from events.journal import Entry
from events.services import deciders
from events.subjects import token
from events.wire import Wire

POLL = 0.02  # seconds between two looks of each of those who make many
AT_ONCE = 16
AHEAD = 20_000  # messages that NATS may not have stored yet


class Point(Struct, kw_only=True):
    """What was measured at one size."""

    servers: int
    dead: int
    hosts: int
    seconds_to_ready: float  # of the gateway, with its tables; at the first start it makes them
    memory: dict[str, float]  # MiB by part
    p50: float  # ms from POST to ACTIVE as a polling client sees it, one at a time
    p99: float
    rate: float  # servers a second, sixteen at once
    commits: float  # of one server until ACTIVE, and its share of what they have in common
    stored: float  # bytes of it as JetStream counts them
    kept: float  # what the whole log takes on disk of what JetStream counts: full blocks are compressed
    processor: dict[str, float]  # ms by part and server


class Ground:
    """One cloud that grows."""

    def __init__(self, state: Path, hosts: int) -> None:
        self.split = Split(state, hosts)
        self.person: Person | None = None
        self.living = 0
        self.dead = 0
        self.at = datetime.now(UTC)

    async def begin(self) -> None:
        """Start it once, so that its hosts are known and people have what servers need."""
        await self.split.start_journal()
        await self.split.start()
        async with aiohttp.ClientSession() as session:
            self.person = person = Person(Client(session, self.split))
            await person.begin()
            await person.open_up()

            async def lacking() -> bool:
                return await person.hosts() < len(self.split.names)

            await until(lacking, 0.5)
        await self.split.stop()

    async def grow(self, living: int, dead: int) -> None:
        """Have so many servers, after so many that are gone."""
        server = await self.split.start_journal("2m")
        wire = await Wire.connect([server.url], server.cloud)
        journal = await JetStreamJournal.open(wire)
        fold = Fold(deciders())
        await fold.follow(journal)
        past = History(fold, max(self.at, fold.newest_at or self.at))
        for entries in past.dead(dead - self.dead, begin=self.dead):
            await store(wire, journal, entries)
        for entries in past.living(living, begin=self.living):
            await store(wire, journal, entries)
        for order in history.orders(fold):
            key = ".".join(map(token, (order.host, order.kind, order.id)))
            name = msgspec.json.encode((order.host, order.kind, order.id, order.sequence)).decode()
            await wire.client.publish(f"$KV.assignments.{key}", order.data, headers={NAME: name})
        await wire.client.flush(60)
        await stored(journal, fold.position)
        for host in self.split.names:
            history.remember(self.split.remembers(host), fold, host)
        self.living, self.dead, self.at = living, dead, past.pen.at
        await fold.stop()
        await wire.close()
        await self.split.stop_journal()

    async def measure(self, singles: int, many: int) -> Point:
        """Start all parts, wait until they rest, and have servers made."""
        split, person = self.split, self.person
        assert person is not None
        server = await split.start_journal()
        await split.start()
        ready = split.gateway.seconds_to_ready
        await self._rest()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            person.client = Client(session, split)
            await person.client.login()
            await person.many(AT_ONCE, AT_ONCE, POLL)
            took = sorted([(await person.one("single"))[1] for _ in range(singles)])
            wire = await Wire.connect([server.url], server.cloud)
            journal = await JetStreamJournal.open(wire)
            first, stored, seconds = await journal.last(), await bytes_of(wire), split.seconds()
            began = time.perf_counter()
            made = await person.many(many, AT_ONCE, POLL)
            rate = many / (time.perf_counter() - began)
            used = {name: (after - seconds[name]) * 1000 / many for name, after in split.seconds().items()}
            commits, stored = await journal.last() - first, await bytes_of(wire) - stored
            memory, kept = split.memory(), split.disk() / await bytes_of(wire)
            await person.delete(made, AT_ONCE)
            await wire.close()
        await split.stop()
        return Point(
            servers=self.living,
            dead=self.dead,
            hosts=len(split.names),
            seconds_to_ready=ready,
            memory=memory,
            p50=statistics.median(took),
            p99=took[int(len(took) * 0.99)],
            rate=rate,
            commits=commits / many,
            stored=stored / many,
            kept=kept,
            processor=used,
        )

    async def _rest(self, patience: float = 300.0) -> None:
        """Return when what a start brings with it is over: hosts have said what they hold, tables are written."""
        quiet, before, end = 0, self.split.seconds(), time.monotonic() + patience
        while quiet < 3 and time.monotonic() < end:
            await asyncio.sleep(2)
            now = self.split.seconds()
            quiet = quiet + 1 if sum(now.values()) - sum(before.values()) < 1.0 else 0
            before = now


async def store(wire: Wire, journal: JetStreamJournal, entries: list[Entry]) -> None:
    """Write entries without waiting for each; of those on their way there are not too many."""
    for entry in entries:
        await wire.client.publish(entry.subject, entry.data)
    if entries and entries[-1].sequence % AHEAD < len(entries):
        await wire.client.flush(60)
        await stored(journal, entries[-1].sequence - AHEAD)


async def stored(journal: JetStreamJournal, sequence: int) -> None:
    """Return once this sequence is in the journal."""

    async def lacking() -> bool:
        return await journal.last() < sequence

    await until(lacking, 0.05)


async def grow(options: argparse.Namespace) -> list[Point]:
    """A point for each size."""
    state = Path(tempfile.mkdtemp(prefix="cumulog-scale-"))
    ground, points = Ground(state, options.hosts), list[Point]()
    try:
        await ground.begin()
        for size in map(int, options.sizes.split(",")):
            began = time.perf_counter()
            await ground.grow(size, options.dead)
            print(
                f"{size} servers after {options.dead} dead: written in {time.perf_counter() - began:.0f} s", flush=True
            )
            point = await ground.measure(options.singles, options.many)
            points.append(point)
            print(msgspec.json.encode(point).decode(), flush=True)
            options.results.write_bytes(msgspec.json.format(msgspec.json.encode(points)))
    finally:
        await ground.split.stop()
        shutil.rmtree(state)
    return points


async def cluster(options: argparse.Namespace) -> float:
    """Servers a second over three NATS nodes, sixteen at once."""
    async with (
        Measured(None, "--nodes", "3", "--driver", "simulated", "--hosts", "20") as cloud,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        person = Person(Client(session, cloud))
        await person.begin()
        await person.open_up()
        await person.many(AT_ONCE, AT_ONCE, POLL)
        began = time.perf_counter()
        await person.many(options.many, AT_ONCE, POLL)
        return float(options.many / (time.perf_counter() - began))


def table(points: list[Point]) -> str:
    """README's rows, of the first and the largest size."""
    first, last = points[0], points[-1]
    what = f"{last.servers} servers on {last.hosts} hosts after {last.dead} dead"
    rows = (
        (f"memory of the gateway with {what}", "1 229 MiB", f"{last.memory['gateway']:.0f} MiB"),
        (
            "create -> ACTIVE at that size, one at a time, p50 / p99",
            "60 / 250 ms",
            f"{last.p50:.0f} / {last.p99:.0f} ms",
        ),
        ("servers a second, sixteen at once, one node", "150", f"{last.rate:.0f}"),
        (f"growth of create latency from {first.servers} servers", "1.5", f"{last.p50 / first.p50:.2f}"),
    )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--sizes", default="1000,3000,10000,30000,100000")
    parser.add_argument("--dead", type=int, default=1_000_000)
    parser.add_argument("--singles", type=int, default=200, help="servers made one at a time")
    parser.add_argument("--many", type=int, default=1500, help="servers made sixteen at once")
    parser.add_argument("--cluster", action="store_true")
    parser.add_argument("--results", type=Path, default=Path("docs/scale.json"))
    options = parser.parse_args()
    if options.cluster:
        print(f"| the same over three NATS nodes | 75 | {asyncio.run(cluster(options)):.0f} |")
    else:
        print(table(asyncio.run(grow(options))))


if __name__ == "__main__":
    main()
