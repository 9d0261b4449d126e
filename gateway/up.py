"""The whole cloud in one process, beside the NATS server that it starts: the only file that sees all five packages."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, cast

import msgspec
import uvicorn
from msgspec import Struct
from starlette.types import ASGIApp

from agents.compute.hypervisor import DriverError, Hypervisor
from agents.link import WireLink
from agents.runner import Agent
from events.assignments import Assignments
from events.clock import SystemClock
from events.compute.guest import MetadataAsked
from events.compute.metadata import Metadata
from events.decider import Executor
from events.fold import Fold
from events.jetstream import JetStreamJournal
from events.nats_server import NatsServer
from events.services import SERVICES, deciders, modules
from events.settings import Settings
from events.subjects import untoken
from events.vault import NatsVault
from events.wire import Message, Wire
from gateway import consoles, demo, mending, operations
from gateway.cloud import Cloud
from gateway.clouds import Clouds
from gateway.consoles import Consoles
from gateway.directory import Directory
from gateway.feed import Feed
from gateway.hosts import CannotStart, Hosts
from gateway.identity.bootstrap import bootstrap
from gateway.identity.tokens import Tokens
from gateway.image import recovery
from gateway.image.store import ImageStore
from gateway.progress import Progress
from gateway.serving import Face, application
from handlers.compute import guests
from handlers.compute.metadata import Metadatas
from handlers.network import groups
from handlers.orders import Orders
from handlers.reports import Desk
from handlers.runner import Planner, Runner, Sight
from projections.projector import Projector

log = logging.getLogger("cumulog")

Stop = Callable[[], Awaitable[Any]]


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
        """The cloud's URL, once its first request would succeed. Raises CannotStart."""
        listening = _listen(self.options.host, self.options.port)
        self._later("listener", _closing(listening))
        host = f"[{self.options.host}]" if ":" in self.options.host else self.options.host
        url = f"http://{host}:{listening.getsockname()[1]}"
        fold = Fold(deciders())
        tables = Projector(fold, self.directory.path / mending.TABLES)
        opening = asyncio.create_task(tables.open())
        wire = await self._start_journal()
        journal = await JetStreamJournal.open(wire, deadline=self.settings.journal.deadline)
        execute = Executor(journal, fold, SystemClock())
        await opening
        await self._start_fold(execute, tables)
        await self._service(wire, mending.QUERY, lambda data: mending.answer_query(tables, data))
        assignments = await Assignments.open(wire)
        self._later("assignments", (await assignments.serve()).stop)
        vault = await NatsVault.open(wire, self.directory.path / "keys")
        cloud = await self._make_cloud(execute, wire, tables, vault)
        await self._bootstrap(cloud, url)
        await self._start_handlers(cloud, wire, assignments, vault)
        await self._start_agents(cloud, wire)
        await self._start_gateway(cloud, listening)
        if self.options.demo:
            await self._make_demo(url)
        return url

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

    async def _start_fold(self, execute: Executor, tables: Projector) -> None:
        fold = execute.fold
        last = await execute.journal.last()
        await tables.load(execute.clock.now(), last)
        self._later("tables", tables.stop)
        self._background("tables' flushes", tables.run())
        telling = asyncio.create_task(_tell(fold, last))
        await fold.follow(execute.journal)
        telling.cancel()
        self._later("fold", fold.stop)
        self._background("burials", _bury(fold))

    def _background(self, name: str, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)
        task.add_done_callback(_ended)

        async def stop() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._later(name, stop)

    async def _service(self, wire: Wire, subject: str, work: Callable[[bytes], Awaitable[bytes]]) -> None:
        service = await wire.serve(subject, subject, lambda _, data: work(data))
        self._later(subject, service.stop)

    async def _make_cloud(self, execute: Executor, wire: Wire, tables: Projector, vault: NatsVault) -> Cloud:
        path = self.directory.path
        tokens = Tokens(execute.fold, self.settings, execute.clock, path / "keys")
        cloud = Cloud(execute, self.settings, tokens.authenticate, vault)
        cloud.put(tokens)
        cloud.put(tables)
        cloud.put(Consoles(wire))
        cloud.put(ImageStore(path / "images"))
        cloud.checks["journal"] = lambda: None if wire.is_connected else "there is no connection to NATS"
        self._background("images' recovery", recovery.watch(cloud))
        return cloud

    async def _bootstrap(self, cloud: Cloud, url: str) -> None:
        clouds = Clouds(self.directory)
        password = clouds.password("cumulog") or self.settings.gateway.admin_password or secrets.token_urlsafe(18)
        await bootstrap(cloud.execute, self.settings, password)
        clouds.write(self.settings.gateway.public_url or url, self.settings.identity.region, {"cumulog": password})

    async def _start_handlers(self, cloud: Cloud, wire: Wire, assignments: Assignments, vault: NatsVault) -> None:
        execute = cloud.execute
        sight = Sight(fold=execute.fold, settings=self.settings, vault=vault)
        planners = cast(list[Planner], [module for module in modules("handlers") if hasattr(module, "plan")])
        runner = Runner(execute, sight, planners)
        orders = Orders(execute.fold, assignments, [guests, groups])

        async def read(question: str, text: str) -> None:
            await consoles.answer(wire, question, text)

        metadata = Metadatas(execute.fold, vault, self.settings.compute.zone)
        desk = Desk(execute, sight, assignments, metadata=metadata.document, read=read)
        service = await wire.serve("report.*", "reports", lambda subject, data: desk.take(_host(subject), data))
        self._later("reports", service.stop)

        async def beat(message: Message) -> None:
            await desk.beat(_host(message.subject))

        beats = await wire.listen("heartbeat.*", beat)
        self._later("heartbeats", lambda: wire.unlisten(beats))
        orders.start()
        self._later("orders", orders.stop)
        runner.start()
        self._later("handlers", runner.stop)

    async def _start_agents(self, cloud: Cloud, wire: Wire) -> None:
        hosts = Hosts(self.directory, self.settings, cloud.part(ImageStore))
        self._later("hosts", hosts.close)
        why = hosts.missing() if self.options.driver != "simulated" else ""
        if self.options.driver != "simulated" and not why:
            name, driver = hosts.real(lambda server: _ask_metadata(wire, name, server))
            try:
                await self._start_agent(wire, name, driver)
            except DriverError as fault:
                why = str(fault)
            else:
                if self.options.stop_guests:
                    self._later("guests", hosts.stop_guests)
                return
        if self.options.driver == "libvirt":
            raise CannotStart(f"--driver libvirt: {why}")
        if why:
            print(f"hosts are simulated: {why}", flush=True)
        for name, simulated in hosts.simulated(self.options.hosts):
            await self._start_agent(wire, name, simulated)

    async def _start_agent(self, wire: Wire, name: str, driver: Hypervisor) -> None:
        agent = Agent(WireLink(wire, name), driver, heartbeat=self.settings.compute.heartbeat)
        await agent.start()
        self._later(f"agent of {name}", agent.stop)

    async def _start_gateway(self, cloud: Cloud, listening: socket.socket) -> None:
        feed = cloud.feed = Feed(cloud.fold)
        metrics = operations.Metrics(cloud)
        app = application(cloud, faces(), operations.routes(cloud, metrics))
        server = _Server(_configuration(operations.measured(app, metrics)))
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

    async def _make_demo(self, url: str) -> None:
        clouds = Clouds(self.directory)
        image = demo.guest_image(os.environ)
        if not image.exists():
            print(f"demo: no guest image in {image}; `make guest` builds it", flush=True)
        password = clouds.password("cumulog") or ""
        made = await asyncio.to_thread(demo.make, url, password, self.directory.path, image)
        clouds.write(
            self.settings.gateway.public_url or url,
            self.settings.identity.region,
            {"cumulog": password, "demo": made["password"]},
        )


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
    return [
        import_module(f"gateway.{service.name}").FACE for service in SERVICES if find_spec(f"gateway.{service.name}")
    ]


def _host(subject: str) -> str:
    """The host that a subject of its agent names."""
    return untoken(subject.split(".")[1])


async def _ask_metadata(wire: Wire, host: str, server: str) -> Metadata | None:
    """What a guest may know of itself, as the host's agent asks for it."""
    asked = msgspec.json.encode(MetadataAsked(server=server))
    answer = await WireLink(wire, host).report(asked)
    return msgspec.json.decode(answer, type=Metadata) if answer else None


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as fault:
        raise CannotStart(f"--listen {host}:{port}: {fault.strerror}") from fault
    listening.listen(2048)
    listening.setblocking(False)
    return listening


def _closing(listening: socket.socket) -> Stop:
    async def close() -> None:
        listening.close()

    return close


async def _tell(fold: Fold, last: int) -> None:
    """How far the fold has come, for who waits at a start."""
    progress = Progress("reading the log", last, "commits")
    while True:
        await asyncio.sleep(0.5)
        progress.at(fold.position)


async def _bury(fold: Fold) -> None:
    clock = SystemClock()
    while True:
        await asyncio.sleep(60)
        fold.bury(clock.now())


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (fault := task.exception()) is not None:
        log.critical("%s ended", task.get_name(), exc_info=fault)


__all__ = ["CannotStart", "Options", "Up"]
