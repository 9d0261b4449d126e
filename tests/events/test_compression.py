"""Full blocks of the journal are kept compressed, and nothing of them is lost when the server dies over it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

from events import process
from events.journal import Entry
from events.nats.jetstream import JetStreamJournal
from events.nats.server import NatsServer
from events.nats.wire import Wire

BLOCK = 8 << 20  # bytes of a full one


async def test_full_blocks_take_less_and_survive_the_death_of_their_server(tmp_path: Path) -> None:
    server = NatsServer(tmp_path)
    await server.start()
    wire = await Wire.connect([server.url], server.cloud)
    journal = await JetStreamJournal.open(wire)
    data = json.dumps([{"holder": f"server-{i}", "until": "2026-11-22T23:59:00Z"} for i in range(8000)]).encode()
    sent = 3 * BLOCK // len(data)
    for number in range(sent):
        await journal.append(f"ev.test.thing.{number}", data, expected=0)
    found = process.remembered(tmp_path / "nats.pid")
    assert found is not None
    os.kill(found.pid, signal.SIGKILL)  # it is started again by whoever watches it
    last = await journal.last()
    entries: list[Entry] = []
    done = asyncio.Event()

    def take(entry: Entry) -> None:
        entries.append(entry)
        if entry.sequence == last:
            done.set()

    tail = await journal.tail(0, take)
    await done.wait()
    await tail.stop()
    assert [entry.sequence for entry in entries] == list(range(1, sent + 1))
    assert all(entry.data == data for entry in entries)
    sizes = sorted(path.stat().st_size for path in tmp_path.rglob("JOURNAL_0001/**/*.blk"))
    assert sizes[0] < BLOCK / 3
    await wire.close()
    await server.stop()
