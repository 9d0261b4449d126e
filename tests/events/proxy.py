"""A TCP proxy that can swallow what a server answers, and cut connections: how acknowledgements are lost."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Proxy:
    """Stands between clients and one server."""

    def __init__(self, port: int) -> None:
        self.deaf = False  # swallow what the server says
        self.is_shut = False  # take no connections
        self.connections = 0  # that were made so far
        self.cuts_at = b""  # what a client says that breaks its connection, once
        self._port = port
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        assert self._listener is not None
        return f"nats://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    @property
    def is_used(self) -> bool:
        """Whether somebody has connected since the last cut."""
        return bool(self._writers)

    async def start(self) -> None:
        self._listener = await asyncio.start_server(self._connect, "127.0.0.1", 0)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_shut:
            writer.transport.abort()
            return
        self.connections += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers |= {writer, far_writer}
        for source, target, answers in ((reader, far_writer, False), (far_reader, writer, True)):
            task = asyncio.create_task(self._carry(source, target, answers))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, answers: bool) -> None:
        with suppress(OSError):  # one end was cut
            while data := await source.read(65536):
                if not answers and self.cuts_at and self.cuts_at in data:
                    self.cuts_at = b""
                    target.transport.abort()
                    break
                if not (answers and self.deaf):
                    target.write(data)
                    await target.drain()
        target.close()

    async def cut(self) -> None:
        """Break all connections."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self) -> None:
        if self._listener is not None:
            self._listener.close()
            await self.cut()
            await self._listener.wait_closed()
