"""A NATS server of its own for each test that wants one: it starts in some twenty milliseconds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from events.journal import Journal
from events.nats.assignments import Assignments
from events.nats.cluster import NatsCluster
from events.nats.server import NatsServer
from events.nats.wire import Wire
from tests import journals
from tests.events.proxy import Proxy

HOSTS = ("h1", "h2", "node.example.org")
on_one_and_on_three = pytest.mark.parametrize("server", ["one", "three"], indirect=True)


@pytest.fixture
async def no_task_is_left() -> AsyncIterator[None]:
    """What a test began, it has ended."""
    yield
    await asyncio.sleep(0.01)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left


@pytest.fixture
async def server(request: Any, no_task_is_left: None, tmp_path: Path) -> AsyncIterator[NatsServer | NatsCluster]:
    """A running server, or a cluster of three if so asked; without fsync, which the tests of semantics do not need."""
    three = getattr(request, "param", "one") == "three"
    nats = tmp_path / "nats"
    server = NatsCluster(nats, 3, sync="2m", hosts=HOSTS) if three else NatsServer(nats, sync="2m", hosts=HOSTS)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def connect(server: NatsServer) -> AsyncIterator[Callable[..., Awaitable[Wire]]]:
    """Makes connections: as the cloud, as an agent, or to another address."""
    wires = []

    async def make(host: str | None = None, url: str | None = None) -> Wire:
        wire = await Wire.connect([url] if url else server.urls, server.access.agent(host) if host else server.cloud)
        wires.append(wire)
        return wire

    yield make
    for wire in wires:
        await wire.close()


@pytest.fixture
async def proxy(server: NatsServer) -> AsyncIterator[Proxy]:
    """Stands before the server."""
    proxy = Proxy(int(server.url.rpartition(":")[2]))
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
async def wire(connect: Callable[..., Awaitable[Wire]]) -> Wire:
    """A connection as the cloud."""
    return await connect()


@pytest.fixture(params=journals.BOTH)
async def journal(request: Any, no_task_is_left: None, tmp_path: Path) -> AsyncIterator[Journal]:
    """An empty journal: its meaning in memory, and the real one."""
    async with journals.empty(request.param, tmp_path) as journal:
        yield journal


@pytest.fixture
async def assignments(wire: Wire) -> AsyncIterator[Assignments]:
    assignments = await Assignments.open(wire)
    service = await assignments.serve()
    yield assignments
    await service.stop()
