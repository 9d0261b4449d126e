"""HTTP on a listening socket, by uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from events.settings import Limits
from gateway.composition.parts import CannotStart, Parts
from gateway.protocol import protocol

GRACE = 14.0  # seconds in which the last answers are finished
LINGER = 1  # seconds more in which those whose requests were given up are told so
BACKLOG = 2048  # connections that wait to be taken


async def begin(server: Server, listening: socket.socket, name: str) -> asyncio.Task[None]:
    """The task that serves; it takes connections by now."""
    task = asyncio.create_task(server.serve(sockets=[listening]), name=name)
    while not server.started:
        if task.done():
            await task
        await asyncio.sleep(0.002)
    return task


async def end(server: Server, task: asyncio.Task[None]) -> None:
    """Finish what is being answered, and give up what still waits after GRACE seconds."""
    server.should_exit = True
    await asyncio.wait((task,), timeout=GRACE)
    for late in list(server.server_state.tasks):
        late.cancel("the gateway ends")
    await task


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
        inherited = socket.socket(fileno=os.dup(int(where[3:])))
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


class Server(uvicorn.Server):
    """uvicorn, with signals left to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def configuration(app: ASGIApp, limits: Limits) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",
        http=protocol(limits),
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=round(GRACE) + LINGER,
        server_header=False,
        date_header=True,
    )
