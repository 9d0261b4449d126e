"""Journals for tests that are to hold for the meaning in memory and for the real one alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from events.journal import Journal, MemoryJournal
from events.nats.jetstream import JetStreamJournal
from events.nats.server import NatsServer
from events.nats.wire import Wire

BOTH = ["memory", "jetstream"]


@asynccontextmanager
async def empty(kind: str, path: Path) -> AsyncIterator[Journal]:
    """An empty journal of one of BOTH."""
    if kind == "memory":
        yield MemoryJournal()
        return
    server = NatsServer(path / "nats", sync="2m")
    await server.start()
    wire = await Wire.connect([server.url], server.cloud)
    yield await JetStreamJournal.open(wire)
    await wire.close()
    await server.stop()
