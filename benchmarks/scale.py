"""How a cloud does as it grows: `python -m benchmarks.scale --hosts 1000 --sizes 1000,10000,100000 --dead 1000000`.

One NATS server with every commit fsynced, one gateway, one process of handlers, and simulated hosts. What lived and
died before is written as benchmarks/history.py says; with `--archive`, epochs of it are closed and archived. At each
size all parts are started anew, and then servers are made one at a time, and by sixteen people at once. What is
measured goes into a JSON file, of which benchmarks/curves.py draws pictures. `--ground DIR` keeps the dead for further
runs, each of which measures a copy; making it may be broken off and gone on with. `--prepare` does no more than that.
`--cluster` measures three NATS nodes instead, on a small cloud.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import tempfile
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import msgspec
import uvloop
from msgspec import Struct
from msgspec.structs import replace

from benchmarks import history
from benchmarks.clouds import Client, Measured
from benchmarks.history import History
from benchmarks.lives import bytes_of
from benchmarks.log import OpenLog, order, store
from benchmarks.people import Person, until
from benchmarks.split import Split
from events.fold import BURIAL
from events.nats.assignments import REFRESH
from events.nats.jetstream import JetStreamJournal
from events.nats.wire import Wire
from gateway.composition.ground import TABLES

POLL = 0.05  # seconds between two looks of each of those who make many; the real client takes one a second
AT_ONCE = 16
QUIET = 0.5  # of a processor: a cloud that nobody uses, however large
PORTION = 64 * 400  # dead servers that are written before that is noted
EPOCH = 500_000  # dead servers of one epoch: a million commits
AGO = timedelta(hours=3)  # when they lived
NOTES = "ground.json"


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


class Notes(Struct, kw_only=True):
    """What a ground has, in its directory."""

    hosts: int
    flavor: str
    image: str
    network: str
    group: str
    dead: int = 0
    done: int = 0  # of the dead: those that are archived, or in tables
    living: int = 0


class Ground:
    """One cloud that grows."""

    def __init__(self, state: Path, hosts: int) -> None:
        self.state = state
        self.split = Split(state, hosts)
        self.notes: Notes | None = None

    async def begin(self) -> None:
        """Start it once, so that its hosts are known and people have what servers need; nothing if that was done."""
        file = self.state / NOTES
        if file.exists():
            self.notes = msgspec.json.decode(file.read_bytes(), type=Notes)
            if self.notes.hosts != len(self.split.names):
                raise SystemExit(f"{self.state} has {self.notes.hosts} hosts")
            return
        shutil.rmtree(self.state, ignore_errors=True)
        self.state.mkdir(parents=True)
        await self.split.start_journal("2m")
        await self.split.start()
        async with aiohttp.ClientSession() as session:
            person = Person(Client(session, self.split))
            await person.begin()
            await person.open_up()

            async def lacking() -> bool:
                return await person.hosts() < len(self.split.names)

            await until(lacking, 0.5)
        await self.split.stop()
        self._note(
            Notes(
                hosts=len(self.split.names),
                flavor=person.flavor,
                image=person.image,
                network=person.network,
                group=person.group,
            )
        )

    def _note(self, notes: Notes) -> None:
        self.notes = notes
        draft = self.state / f"{NOTES}.new"
        draft.write_bytes(msgspec.json.encode(notes))
        draft.replace(self.state / NOTES)

    async def bury(self, dead: int, *, is_archived: bool) -> None:
        """Have so many servers that are gone: in the archive, or in tables as they would be had the cloud run."""
        notes = self.notes
        assert notes is not None
        while notes.dead < dead or notes.done < notes.dead:
            async with OpenLog(self.split) as log:
                most = max(notes.dead, min(dead, notes.done + EPOCH) if is_archived else dead)
                past = History(log.fold, datetime.now(UTC) - AGO)
                for begin in range(notes.dead, most, PORTION):
                    for entries in past.dead(min(PORTION, most - begin), begin=begin):
                        await store(log.wire, log.journal, entries)
                    await log.stored()
                    notes = replace(notes, dead=min(begin + PORTION, most))
                    self._note(notes)
                    print(f"{notes.dead} dead", flush=True)
                for old in self.state.glob(f"*/{TABLES}*"):
                    old.unlink()  # who is started now begins with the archive
                await (log.archive(self.state) if is_archived else log.tables(self.state))
            notes = replace(notes, done=notes.dead)
            self._note(notes)

    async def grow(self, living: int) -> None:
        """Have so many servers."""
        notes = self.notes
        assert notes is not None
        async with OpenLog(self.split) as log:
            past = History(log.fold, datetime.now(UTC) - BURIAL)
            for entries in past.living(living, begin=notes.living):
                await store(log.wire, log.journal, entries)
            await order(log.wire, history.orders(log.fold, past.made))
            await log.stored()
            for host in self.split.names:
                history.remember(self.split.remembers(host), log.fold, host)
        self._note(replace(notes, living=living))

    async def measure(self, singles: int, many: int) -> Point:
        """Start all parts, wait until they rest, and have servers made."""
        split, notes = self.split, self.notes
        assert notes is not None
        server = await split.start_journal()
        await split.start()
        ready = split.gateway.seconds_to_ready
        await self._rest()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            person = Person(Client(session, split))
            person.flavor, person.image, person.network = notes.flavor, notes.image, notes.network
            person.group = notes.group
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
            servers=notes.living,
            dead=notes.dead,
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
        os.sync()  # what was written for the measurement is not to wait for the disk beside what is measured
        looks = int(1.5 * REFRESH / 2)  # within these every agent looks
        used = deque([sum(self.split.seconds().values())], maxlen=looks)
        end = time.monotonic() + patience
        while time.monotonic() < end and (len(used) < looks or used[-1] - used[0] > QUIET * 2 * looks):
            await asyncio.sleep(2)
            used.append(sum(self.split.seconds().values()))


async def prepared(options: argparse.Namespace, state: Path) -> Ground:
    """A cloud with its dead, as far as it is not there yet."""
    ground = Ground(state, options.hosts)
    try:
        await ground.begin()
        began = time.perf_counter()
        await ground.bury(options.dead, is_archived=options.archive)
        print(f"{options.dead} dead: {time.perf_counter() - began:.0f} s", flush=True)
    except BaseException:  # also Ctrl-C: no process is left
        await ground.split.stop()
        raise
    return ground


async def grow(options: argparse.Namespace) -> list[Point]:
    """A point for each size."""
    state, points = Path(tempfile.mkdtemp(prefix="cumulog-scale-", dir=options.scratch)), list[Point]()
    ground = Ground(state, options.hosts)
    try:
        if options.ground is None:
            ground = await prepared(options, state)
        else:
            await prepared(options, options.ground)
            shutil.copytree(options.ground, state, dirs_exist_ok=True)
            await ground.begin()
        for size in map(int, options.sizes.split(",")):
            began = time.perf_counter()
            await ground.grow(size)
            print(f"{size} servers: written in {time.perf_counter() - began:.0f} s", flush=True)
            point = await ground.measure(options.singles, options.many)
            points.append(point)
            print(msgspec.json.encode(point).decode(), flush=True)
            options.results.write_bytes(msgspec.json.format(msgspec.json.encode(points)) + b"\n")
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
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--dead", type=int, default=1_000_000)
    parser.add_argument("--singles", type=int, default=500, help="servers made one at a time")
    parser.add_argument("--many", type=int, default=1500, help="servers made sixteen at once")
    parser.add_argument("--ground", type=Path, help="a directory that keeps a cloud with its dead")
    parser.add_argument("--archive", action="store_true", help="have the dead archived")
    parser.add_argument("--prepare", action="store_true", help="make that, and measure nothing")
    parser.add_argument("--scratch", type=Path, help="where the cloud that is measured is kept meanwhile")
    parser.add_argument("--cluster", action="store_true")
    parser.add_argument("--results", type=Path, default=Path("docs/scale.json"))
    options = parser.parse_args()
    if options.cluster:
        print(f"| the same over three NATS nodes | 75 | {uvloop.run(cluster(options)):.0f} |")
    elif options.prepare:
        asyncio.run(prepared(options, options.ground))
    else:
        print(table(uvloop.run(grow(options))))


if __name__ == "__main__":
    main()
