"""The gateway as a part of a process: a cloud put together from the ground, and HTTP on a listening socket."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import socket
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from events.chronicle import JournalChronicle
from events.services import SERVICES
from gateway import mending, operations, trace_routes
from gateway.cloud import Cloud
from gateway.clouds import Clouds
from gateway.consoles import Consoles
from gateway.directory import Directory
from gateway.feed import Feed
from gateway.ground import Ground
from gateway.identity.bootstrap import bootstrap
from gateway.identity.tokens import Tokens
from gateway.image import recovery
from gateway.image.store import IMAGES, ImageStore
from gateway.parts import CannotStart, Parts
from gateway.past import Past
from gateway.serving import Face, application

TICK = 0.02  # seconds between two looks at who is still connected
GRACE = 15  # seconds in which the last answers are finished
BACKLOG = 2048  # connections that wait to be taken


async def assemble(ground: Ground) -> Cloud:
    """What every function of the gateway works with; SQL is answered from now on."""
    execute, tables, wire = ground.execute, ground.tables, ground.wire
    tokens = Tokens(execute.fold, ground.settings, execute.clock, ground.path / "keys")
    cloud = Cloud(execute, ground.settings, tokens.authenticate, ground.vault)
    cloud.put(tokens)
    cloud.put(tables)
    cloud.put(Consoles(wire))
    cloud.put(ImageStore(ground.path / IMAGES))
    cloud.checks["journal"] = lambda: None if wire.is_connected else "there is no connection to NATS"
    await ground.parts.service(wire, mending.QUERY, mending.QUERY, lambda _, sql: mending.answer_query(tables, sql))
    _put_past(ground, cloud)
    ground.parts.background("images' recovery", recovery.watch(cloud))
    return cloud


def _put_past(ground: Ground, cloud: Cloud) -> None:
    """The cloud as it was, with tables beside the present ones; what a killed process left there goes."""
    tables = ground.tables.store.path
    directory = tables.with_name("past") if tables else None
    if directory is not None:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700)
    past = Past(cloud, JournalChronicle(ground.execute.journal), directory)
    cloud.put(past)
    ground.parts.later("worlds of the past", past.stop)


async def begin(cloud: Cloud, directory: Directory, url: str) -> None:
    """What a cloud begins with, if it is not there yet, and `clouds.yaml`."""
    clouds, settings, vault = Clouds(directory), cloud.settings, cloud.vault
    known = clouds.password("cumulog")
    first = known or settings.gateway.admin_password or secrets.token_urlsafe(18)
    kept = await vault.first(
        mending.ADMIN, first.encode()
    )  # of several gateways that begin at once, one says the password
    password = known or kept.decode()
    await bootstrap(cloud.execute, settings, password)
    clouds.write(settings.gateway.public_url or url, settings.identity.region, {"cumulog": password})


async def serve(parts: Parts, cloud: Cloud, listening: socket.socket, *, drain: float = 0.0) -> None:
    """Answer HTTP from now on.

    At the end no connection is taken any more; those there are may ask on for `drain` seconds, and are told with each
    answer to ask elsewhere. What is being answered then is finished.
    """
    feed = cloud.feed = Feed(cloud.fold, JournalChronicle(cloud.execute.journal), cloud.settings.feed)
    metrics = operations.Metrics(cloud)
    past = JournalChronicle(cloud.execute.journal)
    app = application(cloud, faces(), [*operations.routes(cloud, metrics), *trace_routes.routes(cloud, past)])
    draining = asyncio.Event()
    server = _Server(_configuration(_parting(operations.measured(app, metrics), draining)))
    task = asyncio.create_task(server.serve(sockets=[listening]), name="gateway")
    while not server.started:
        if task.done():
            await task
        await asyncio.sleep(0.002)

    async def stop() -> None:
        draining.set()
        feed.close()
        for one in server.servers:
            one.close()
        for _ in range(int(drain / TICK)):
            if server.server_state.connections:
                await asyncio.sleep(TICK)
        server.should_exit = True
        await task

    parts.later("gateway", stop)


def _parting(app: ASGIApp, draining: asyncio.Event) -> ASGIApp:
    """`app`, whose answers end their connections once `draining` is set."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and draining.is_set():
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        await app(scope, receive, sending)

    return call


def listen(parts: Parts, host: str, port: int) -> tuple[socket.socket, str]:
    """A socket that clients can connect to from now on, and its URL. Raises CannotStart."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as fault:
        listening.close()
        raise CannotStart(f"--listen {host}:{port}: {fault.strerror}") from fault
    return _listening(parts, listening, host)


def listen_on(parts: Parts, where: str) -> tuple[socket.socket, str]:
    """As `listen`, on HOST:PORT, or on `fd:N`, a listening socket that was inherited. Raises CannotStart."""
    if not where.startswith("fd:"):
        return listen(parts, *address(where))
    try:
        inherited = socket.socket(fileno=int(where[3:]))
    except (OSError, ValueError) as fault:
        raise CannotStart(f"--listen {where}: there is no such socket") from fault
    return _listening(parts, inherited, inherited.getsockname()[0])


def address(where: str) -> tuple[str, int]:
    """Of HOST:PORT. Raises CannotStart."""
    host, colon, port = where.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise CannotStart(f"--listen takes HOST:PORT, not {where!r}")
    return host.strip("[]"), int(port)


def _listening(parts: Parts, socket_: socket.socket, host: str) -> tuple[socket.socket, str]:
    socket_.listen(BACKLOG)
    socket_.setblocking(False)

    async def close() -> None:
        socket_.close()

    parts.later("listener", close)
    name = f"[{host}]" if ":" in host else host
    return socket_, f"http://{name}:{socket_.getsockname()[1]}"


def faces() -> list[Face]:
    """The services that have a face."""
    return [
        import_module(f"gateway.{service.name}").FACE for service in SERVICES if find_spec(f"gateway.{service.name}")
    ]


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
        timeout_graceful_shutdown=GRACE,
        server_header=False,
        date_header=True,
    )
