"""The whole cloud in one process, beside the NATS server that it starts: the only file that sees all five packages."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from importlib import import_module
from typing import Any, Literal, cast

import uvicorn
from msgspec import Struct
from starlette.types import ASGIApp

from agents.compute.hypervisor import Hypervisor
from agents.compute.simulated import Memory, SimulatedHypervisor
from agents.link import WireLink
from agents.runner import Agent
from events.assignments import Assignments
from events.clock import SystemClock
from events.decider import Executor
from events.fold import Fold
from events.jetstream import JetStreamJournal
from events.nats_server import NatsServer
from events.refusals import Busy
from events.services import SERVICES, deciders, modules
from events.settings import Settings
from events.wire import Wire
from gateway import consoles
from gateway.cloud import Cloud
from gateway.directory import Directory
from gateway.feed import Feed
from gateway.serving import Face, application
from handlers.compute import guests
from handlers.orders import Orders
from handlers.reports import Desk
from handlers.runner import Planner, Runner, Sight
from projections.projector import Projector

log = logging.getLogger("cumulog")

Stop = Callable[[], Awaitable[Any]]


class CannotStart(Exception):
    """What was asked for cannot be had here, and the missing step."""


class Options(Struct, frozen=True, kw_only=True):
    """What `cumulog up` was asked for."""

    host: str = "127.0.0.1"
    port: int = 8774
    driver: Literal["auto", "libvirt", "simulated"] = "auto"
    hosts: int = 1  # simulated ones
    demo: bool = False
    stop_guests: bool = False


class Up:
    """A running cloud: parts are started in order, and stopped in the reverse."""

    def __init__(self, directory: Directory, settings: Settings, options: Options) -> None:
        self.directory = directory
        self.settings = settings
        self.options = options
        self._stops: list[tuple[str, Stop]] = []

    async def run(self, ready: Callable[[str], None]) -> None:
        """Start, say that it is ready, and go on until SIGINT or SIGTERM."""
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
        try:
            url = await self.start()
            ready(url)
            await ended.wait()
        finally:
            await self.stop()

    async def stop(self) -> None:
        while self._stops:
            name, stop = self._stops.pop()
            try:
                async with asyncio.timeout(20):
                    await stop()
            except Exception:  # what comes after it must be stopped all the same
                log.exception("%s did not stop cleanly", name)

    def _later(self, name: str, stop: Stop) -> None:
        self._stops.append((name, stop))

    async def start(self) -> str:
        """The cloud's URL, once its first request would succeed."""
        listening = _listen(self.options.host, self.options.port)
        self._later("listener", _closing(listening))
        base = f"http://{self.options.host}:{listening.getsockname()[1]}"
        wire = await self._start_journal()
        journal = await JetStreamJournal.open(wire)
        fold = Fold(deciders())
        execute = Executor(journal, fold, SystemClock())
        tables = await self._start_fold(execute)
        assignments = await Assignments.open(wire)
        self._later("assignments", (await assignments.serve()).stop)
        cloud = await self._cloud(execute, wire, tables, base)
        await self._start_handlers(execute, wire, assignments)
        await self._start_agents(wire)
        await self._start_gateway(cloud, listening)
        return base

    async def _start_journal(self) -> Wire:
        server = NatsServer(
            self.directory.path / "journal",
            sync=self.settings.journal.sync,
            max_memory=self.settings.journal.max_memory,
        )
        await server.start()
        self._later("NATS server", server.stop)
        wire = await Wire.connect([server.url], server.cloud, name="cumulog up")
        self._later("wire", wire.close)
        return wire

    async def _start_fold(self, execute: Executor) -> Projector:
        fold = execute.fold
        tables = Projector(fold, self.directory.path / "tables.duckdb")
        await tables.load(execute.clock.now(), await execute.journal.last())
        self._later("tables", tables.stop)
        await fold.follow(execute.journal)
        self._later("fold", fold.stop)
        self._background("tables' flushes", tables.run())
        self._background("burials", _bury(fold))
        return tables

    def _background(self, name: str, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)
        task.add_done_callback(_ended)

        async def stop() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._later(name, stop)

    async def _cloud(self, execute: Executor, wire: Wire, tables: Projector, base: str) -> Cloud:
        raise NotImplementedError

    async def _start_handlers(self, execute: Executor, wire: Wire, assignments: Assignments) -> None:
        sight = Sight(fold=execute.fold, settings=self.settings)
        runner = Runner(execute, sight, cast(list[Planner], [m for m in modules("handlers") if hasattr(m, "plan")]))
        orders = Orders(execute.fold, assignments, [guests])

        async def read(question: str, text: str) -> None:
            await consoles.answer(wire, question, text)

        async def metadata(host: str, server: str) -> bytes:
            return b""

        desk = Desk(execute, sight, assignments, metadata=metadata, read=read)
        service = await wire.serve("report.*", "reports", lambda subject, data: desk.take(subject.split(".")[1], data))
        self._later("reports", service.stop)
        beats = await wire.listen("heartbeat.*", lambda message: desk.beat(message.subject.split(".")[1]))
        self._later("heartbeats", lambda: wire.unlisten(beats))
        orders.start()
        self._later("orders", orders.stop)
        runner.start()
        self._later("handlers", runner.stop)

    async def _start_agents(self, wire: Wire) -> None:
        memory = Memory(self.directory.path / "simulated.db")
        for number in range(1, self.options.hosts + 1):
            name = f"host-{number}"
            await self._start_agent(wire, name, SimulatedHypervisor(name, memory))

    async def _start_agent(self, wire: Wire, name: str, driver: Hypervisor) -> None:
        agent = Agent(WireLink(wire, name), driver, heartbeat=self.settings.compute.heartbeat)
        await agent.start()
        self._later(f"agent of {name}", agent.stop)

    async def _start_gateway(self, cloud: Cloud, listening: socket.socket) -> None:
        feed = cloud.feed = Feed(cloud.fold)
        server = _Server(_configuration(application(cloud, faces(), ())))
        task = asyncio.create_task(server.serve(sockets=[listening]), name="gateway")
        while not server.started:
            if task.done():
                await task
            await asyncio.sleep(0.002)

        async def stop() -> None:
            feed.close()
            server.should_exit = True
            await task

        self._later("gateway", stop)


class _Server(uvicorn.Server):
    """uvicorn, with signals left to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _configuration(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
        server_header=False,
        date_header=True,
    )


def faces() -> list[Face]:
    """The services that have a face."""
    return [import_module(f"gateway.{service.name}").FACE for service in SERVICES]


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    listening.listen(2048)
    listening.setblocking(False)
    return listening


def _closing(listening: socket.socket) -> Stop:
    async def close() -> None:
        listening.close()

    return close


async def _bury(fold: Fold) -> None:
    clock = SystemClock()
    while True:
        await asyncio.sleep(60)
        fold.bury(clock.now())


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (fault := task.exception()) is not None:
        log.critical("%s ended", task.get_name(), exc_info=fault)


__all__ = ["Busy", "Options", "Up"]
