"""The log of a stopped cloud, written without its processes: what a large history leaves, in minutes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType

from benchmarks.people import until
from benchmarks.split import Split
from events.fold import Fold
from events.journal import Entry, Epoch
from events.nats.assignments import BUCKET, SAID, place
from events.nats.bucket import Bucket
from events.nats.jetstream import JetStreamJournal
from events.nats.wire import Wire
from events.services import deciders
from gateway.composition.ground import TABLES
from handlers.archivist import Archivist
from handlers.orders import Order
from projections.archive import Archive
from projections.archiving import keep
from projections.cold import Directory
from projections.rebuild import rebuild

AHEAD = 20_000  # messages that NATS may not have stored yet


class OpenLog:
    """The log of a stopped cloud, to be written without its processes."""

    def __init__(self, split: Split) -> None:
        self._split = split
        self.wire: Wire
        self.journal: JetStreamJournal
        self.fold = Fold(deciders())

    async def __aenter__(self) -> OpenLog:
        server = await self._split.start_journal("2m")
        self.wire = await Wire.connect([server.url], server.cloud)
        self.journal = await JetStreamJournal.open(self.wire)
        await self.fold.follow(self.journal)
        await self.fold.stop()  # it hears what is written from who writes
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.fold.stop()
        await self.wire.close()
        await self._split.stop_journal()

    async def stored(self) -> None:
        """Return once everything that was written is."""
        await self.wire.client.flush(60)
        await stored(self.journal, self.fold.position)

    async def tables(self, state: Path) -> None:
        """Make the tables of the parts."""
        archive = Archive(Directory(state / "archive"), state / "copies")
        first, *others = (state / part / TABLES for part in ("gateway", "handlers"))
        made = await rebuild(self.journal, archive, first)
        for other in others:
            shutil.copyfile(first, other)
        print(f"tables of {made.position} commits: {made.seconds:.0f} s", flush=True)
        await archive.close()

    async def archive(self, state: Path) -> None:
        """Close the epoch, and move it to the archive, as an archivist does."""
        archive = Archive(Directory(state / "archive"), state / "copies")
        await self.fold.follow(self.journal)

        async def put(epoch: Epoch) -> int:
            return (await keep(archive, self.journal, epoch, deciders())).bytes

        began = time.perf_counter()
        done = await Archivist(self.journal, self.fold, put).archive()
        print(f"archived: {done.bytes >> 20} MiB in {time.perf_counter() - began:.0f} s", flush=True)
        await archive.close()


async def store(wire: Wire, journal: JetStreamJournal, entries: list[Entry]) -> None:
    """Write entries without waiting for each; of those on their way there are not too many."""
    for entry in entries:
        await wire.client.publish(entry.subject, entry.data)
    if entries and entries[-1].sequence % AHEAD < len(entries):
        await wire.client.flush(60)
        await stored(journal, entries[-1].sequence - AHEAD)


async def order(wire: Wire, orders: Iterator[Order]) -> None:
    """Have hosts' agents find these: some at a time, for what NATS cannot keep up with it drops."""
    bucket = await Bucket.open(wire, BUCKET, republish=SAID)
    revision = await bucket.last()
    while part := list(islice(orders, AHEAD // 10)):
        for one in part:
            key, headers = place(one.host, one.kind, one.id, one.sequence)
            await wire.client.publish(bucket.prefix + key, one.data, headers=headers)
        await wire.client.flush(60)
        revision += len(part)
        await stored(bucket, revision)


async def stored(stream: JetStreamJournal | Bucket, sequence: int) -> None:
    """Return once this sequence is there."""

    async def lacking() -> bool:
        return await stream.last() < sequence

    await until(lacking, 0.05)
