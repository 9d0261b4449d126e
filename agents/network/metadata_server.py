"""The metadata service at 169.254.169.254:80 of one network: an address asks, its server is answered.

The socket listens inside the network's namespace, so overlapping networks do not meet; the process is the agent's.
Only GET and HEAD are known; a request has at most 8 KiB. Source: Nova user guide, "Metadata".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Protocol, cast

import httptools

from agents.commands import HostError
from agents.network import links
from agents.network.metadata import AskMetadata, answer
from agents.network.ports import METADATA_IP, Network, Port

PORT = 80
LONGEST = 8192  # bytes of a request
PATIENCE = 30.0  # s, of a silent connection


class Ports(Protocol):
    """Who is plugged in."""

    def network(self, id: str) -> Network | None: ...
    def ports_of(self, server: str) -> list[Port]: ...


class MetadataServer:
    """Listens in one network's namespace."""

    def __init__(self, network: str, ports: Ports, ask: AskMetadata) -> None:
        self._network = network
        self._ports = ports
        self._ask = ask
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    async def open(self, namespace: str) -> None:
        """Listen inside `namespace`. Raises HostError."""
        sock = await links.listen(namespace, METADATA_IP, PORT)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self._answer, self._connections), sock=sock)

    async def close(self) -> None:
        """Listen no more; who is connected is cut off."""
        if self._server:
            self._server.close()
            for connection in list(self._connections):
                connection.end()
            await self._server.wait_closed()

    async def _answer(self, source: str, path: str) -> tuple[HTTPStatus, bytes]:
        network = self._ports.network(self._network)
        port = network.port_of(source) if network else None
        if port is None:
            return HTTPStatus.NOT_FOUND, b""
        try:
            metadata = await self._ask(port.server)
        except HostError:
            return HTTPStatus.SERVICE_UNAVAILABLE, b""
        document = answer(path, metadata, self._ports.ports_of(port.server)) if metadata else None
        return (HTTPStatus.NOT_FOUND, b"") if document is None else (HTTPStatus.OK, document)


class _Connection(asyncio.Protocol):
    """One guest's connection: requests one after another."""

    def __init__(
        self, respond: Callable[[str, str], Awaitable[tuple[HTTPStatus, bytes]]], connections: set[_Connection]
    ) -> None:
        self._respond = respond
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""
        self._size = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self._connections.add(self)
        self._timer = asyncio.get_running_loop().call_later(PATIENCE, self.end)

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.discard(self)
        self._timer.cancel()
        for task in self._tasks:
            task.cancel()

    def end(self) -> None:
        """Cut it off."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        try:
            if self._size > LONGEST:
                raise httptools.HttpParserError("too long")
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._write(HTTPStatus.BAD_REQUEST, b"", keep=False)

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_message_complete(self) -> None:
        method, path, keep = self._parser.get_method(), self._path, self._parser.should_keep_alive()
        self._path, self._size = b"", 0
        if method not in (b"GET", b"HEAD") or self._tasks:  # nobody who asks here asks twice at once
            self._write(HTTPStatus.METHOD_NOT_ALLOWED, b"", keep=False)
            return
        task = asyncio.get_running_loop().create_task(self._serve(method, path.decode("latin-1"), keep))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, method: bytes, path: str, keep: bool) -> None:
        source = self._transport.get_extra_info("peername")[0]
        status, body = HTTPStatus.INTERNAL_SERVER_ERROR, b""
        try:
            status, body = await self._respond(source, path)
        finally:
            self._write(status, body, keep=keep, head=method == b"HEAD", path=path)

    def _write(self, status: HTTPStatus, body: bytes, *, keep: bool, head: bool = False, path: str = "") -> None:
        if self._transport.is_closing():
            return
        kind = "application/json" if path.endswith(".json") else "text/plain; charset=utf-8"
        lines = (f"HTTP/1.1 {status.value} {status.phrase}", f"Content-Type: {kind}", f"Content-Length: {len(body)}",
                 f"Connection: {'keep-alive' if keep else 'close'}", "", "")  # fmt: skip
        self._transport.write("\r\n".join(lines).encode() + (b"" if head else body))
        if not keep:
            self._transport.close()
