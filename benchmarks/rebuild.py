"""Rebuild and start: a log of many commits, made by the real deciders; tables from it, with an archive and without.

    python -m benchmarks.rebuild [--commits N] [--live N]

Targets: 1 000 000 commits of 200 000 resources in 20 s from the log alone, in 10 s with an archive; a process that
begins with the tables of 100 000 live resources in 3 s. A bare loop of the same decoding tells how fast the machine is.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Literal

import msgspec

from events.compute import server
from events.compute.server import PlaceServer, ReportServer, RequestServer, Size, StartServer, StopServer
from events.envelope import Command, Commit, digest
from events.epochs import close
from events.fold import Fold, Known
from events.ids import new_hex
from events.nats.jetstream import JetStreamJournal
from events.nats.server import NatsServer
from events.nats.wire import Wire
from events.network import address, mac, port
from events.network.port import Address, CreatePort, ReportPort
from events.services import deciders
from events.subjects import key_of, prefix_of
from projections.archive import Archive
from projections.archiving import keep
from projections.cold import Directory
from projections.projector import Projector
from projections.rebuild import build

SIZE = Size(id="1", name="m1.small", vcpus=1, ram=2048, disk=20)
NETWORK, SUBNET, PROJECTS, HOSTS = new_hex(), new_hex(), [new_hex() for _ in range(50)], 100
BUNCH = 2_000  # messages that are sent before the server is waited for
TURNS: tuple[tuple[type[StopServer | StartServer], Literal["running", "stopped"]], ...] = (
    (StopServer, "stopped"),
    (StartServer, "running"),
)
_encode = msgspec.json.Encoder().encode


class Maker:
    """Commits of resources whose lives begin one after the other and go on side by side."""

    def __init__(self, lives: int) -> None:
        self.random = Random(1)
        self.at = datetime(2026, 1, 1, tzinfo=UTC)
        self.known: dict[str, tuple[Any, str]] = {}  # state and newest hash
        self.lives = lives
        self.count = 0

    def commit(self, resource: Any, command: Command, request: str) -> tuple[str, bytes]:
        """What the journal would hold after a command."""
        subject = f"{prefix_of(resource.__name__)}.{key_of(command.id)}"
        state: Any
        state, previous = self.known.get(subject, (None, None))
        events = tuple(resource.decide(state, command))
        assert events, f"{command} does nothing to {state}"
        self.at += timedelta(microseconds=200)
        for event in events:
            state = resource.evolve(state, event, self.at)
        self.count += 1
        data = _encode(
            Commit(
                id=new_hex(),
                at=self.at,
                actor="cumulog",
                project=state.owner,
                request=request,
                owner=state.owner,
                previous=previous,
                events=events,
            )
        )
        self.known[subject] = (state, digest(data))
        return subject, data

    def life(self, n: int) -> Iterator[tuple[str, bytes]]:
        """A server with a port, an address and a MAC: 20 commits of 4 resources."""
        id, door, claim, request = new_hex(), new_hex(), new_hex()[:12], f"req-{new_hex()}"
        project, host = PROJECTS[n % len(PROJECTS)], f"host-{n % HOSTS:03}"
        ip = f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"
        hardware = f"fa:16:{n >> 24 & 255:02x}:{n >> 16 & 255:02x}:{n >> 8 & 255:02x}:{n & 255:02x}"
        wish = RequestServer(
            id=id, project=project, user="u" * 32, name=f"server-{n}", hostname=f"s{n}", size=SIZE, request=request
        )
        yield self.commit(server, wish, request)
        holder = f"{door}.{claim}"
        yield self.commit(mac, mac.Take(id=(NETWORK, hardware), holder=holder, group=NETWORK), request)
        yield self.commit(address, address.Take(id=address.key(SUBNET, ip), holder=holder, group=SUBNET), request)
        made = CreatePort(
            id=door,
            project=project,
            claim=claim,
            network=NETWORK,
            mac=hardware,
            addresses=(Address(SUBNET, ip, claim),),
            device_id=id,
            device_owner="compute:nova",
            host=host,
        )
        yield self.commit(port, made, request)
        yield self.commit(server, PlaceServer(id=id, host=host, ports=(door,)), request)
        generation = 1
        yield self.commit(server, ReportServer(id=id, host=host, generation=generation, seen="running"), request)
        for turn in range(3):
            yield self.commit(
                port, ReportPort(id=door, host=host, status="ACTIVE" if turn % 2 == 0 else "DOWN"), request
            )
            for command, seen in TURNS:
                yield self.commit(server, command(id=id, request=request), request)
                generation = self.known[f"ev.compute.server.{id}"][0].generation
                told = ReportServer(id=id, host=host, generation=generation, seen=seen)
                yield self.commit(server, told, request)

    def all(self) -> Iterator[tuple[str, bytes]]:
        """The commits of all lives, a hundred of which go on at a time."""
        running: list[Iterator[tuple[str, bytes]]] = []
        begun = 0
        while begun < self.lives or running:
            while begun < self.lives and len(running) < 100:
                running.append(self.life(begun))
                begun += 1
            one = self.random.randrange(len(running))
            found = next(running[one], None)
            if found is None:
                running[one] = running[-1]
                running.pop()
            else:
                yield found


async def fill(wire: Wire, journal: JetStreamJournal, lives: int) -> int:
    """How many commits were put into the journal, without waiting for each."""
    maker = Maker(lives)
    before = await journal.last()
    for n, (subject, data) in enumerate(maker.all()):
        await wire.client.publish(subject, data)
        if n % BUNCH == 0:
            await journal.last()
    while await journal.last() < before + maker.count:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return maker.count


def machine() -> float:
    """Seconds that this machine needs to decode and hash 100 000 commits: what the others are to be seen against."""
    entries = [data for _, (_, data) in zip(range(20_000), Maker(2_000).all(), strict=False)]
    decode = msgspec.json.Decoder(Commit[Any]).decode
    began = time.perf_counter()
    for _ in range(5):
        for data in entries:
            decode(data)
            digest(data)
    return (time.perf_counter() - began) * 100_000 / (5 * len(entries))


def note(what: str, seconds: float, bound: float, unit: float) -> None:
    print(f"{what:60} {seconds:7.2f} s <= {bound:g}; {seconds / unit:6.1f} machine units", flush=True)


async def measure(commits: int, live: int) -> None:
    unit = machine()
    print(f"machine unit: {unit:.2f} s for 100 000 commits decoded and hashed", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        nats = NatsServer(path / "nats", sync="2m")
        await nats.start()
        wire = await Wire.connect(nats.urls, nats.access.cloud)
        journal = await JetStreamJournal.open(wire)
        archive = Archive(Directory(path / "archive"), path / "copies")
        scale = commits / 1_000_000
        began = time.perf_counter()
        count = await fill(wire, journal, commits // 19)
        print(f"{count} commits made in {time.perf_counter() - began:.1f} s", flush=True)
        made = await build(journal, archive, path / "tables")
        note(f"rebuild of {made.resources} resources from the log", made.seconds, 20 * scale, unit)
        await start(path, journal, archive, min(live / max(made.resources, 1), 1.0), unit)
        fold = Fold(deciders())
        tables = Projector(fold, path / "tables")
        await tables.load(datetime.now(UTC), await journal.last())
        await fold.follow(journal)
        began = time.perf_counter()
        closed = await close(journal, fold)
        print(
            f"{'pause for each 100 000 states carried':60} {closed.seconds * 1e5 / closed.carried:7.2f} s", flush=True
        )
        await tables.stop()
        await fold.stop()
        began = time.perf_counter()
        kept = await keep(archive, journal, (await journal.epochs())[0], deciders())
        took = time.perf_counter() - began
        print(f"{'archived':60} {took:7.2f} s, {kept.bytes / count:.0f} B a commit", flush=True)
        await journal.drop(1)
        made = await build(journal, archive, path / "tables.new")
        note(f"rebuild of {made.resources} resources with an archive", made.seconds, 10 * scale, unit)
        await archive.close()
        await wire.close()
        await nats.stop()


async def start(path: Path, journal: JetStreamJournal, archive: Archive, share: float, unit: float) -> None:
    """A process that begins with tables: until its fold is there and follows."""
    began = time.perf_counter()
    fold = Fold(deciders())
    tables = Projector(fold, path / "tables")
    await tables.load(datetime.now(UTC), await journal.last(), archive)
    await fold.follow(journal)
    took = time.perf_counter() - began
    note(f"start with the tables of {fold.living()} resources, for 100 000", took * 1e5 / fold.living(), 3, unit)
    await fold.stop()
    await tables.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=1_000_000)
    parser.add_argument("--live", type=int, default=100_000)
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(measure(options.commits, options.live))

__all__ = ["Known", "Maker"]
