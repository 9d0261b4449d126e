"""The client of NATS with a way of its own for reading in bulk and for answers; `wire.py` is its only user.

Source: NATS client protocol.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nats.aio.client import Client, Srv
from nats.aio.transport import TcpTransport
from nats.protocol import parser
from nats.protocol.parser import AWAITING_CONTROL_LINE

HEAD = b"NATS/1.0\r\n"

Taker = Callable[[str, str, bytes], None]  # subject, reply, payload
Answered = Callable[[str, bytes], None]  # subject, payload


class Parser(parser.Parser):
    """The client's parser, which hands to takers what is theirs; from anything else on, the client's own goes on."""

    nc: TakingClient

    async def parse(self, data: bytes = b"") -> None:
        """As the client's."""
        if self.state == AWAITING_CONTROL_LINE:
            if self.buf:
                data = bytes(self.buf) + data
                self.buf.clear()
            at, is_part = await self._hand_out(data)
            data = data[at:]
            if is_part:
                self.buf.extend(data)
                return
        await super().parse(data)

    async def _hand_out(self, data: bytes) -> tuple[int, bool]:
        """How much of the data were messages for takers and answers, and whether the rest is the beginning of another.

        MSG <subject> <subscription> <size>
        MSG <subject> <subscription> <reply> <size> or HMSG <subject> <subscription> <reply> <size of headers> <size>
        """
        at = 0
        while data.startswith((b"MSG ", b"HMSG "), at) and (line := data.find(b"\r\n", at)) >= 0:
            words = data[at:line].split(b" ")
            has_headers = len(words) == 6
            is_answer = len(words) == 4 and words[0] == b"MSG" and int(words[2]) == self.nc.answers
            taker = self.nc.takers.get(int(words[2])) if len(words) == 5 + (words[0] == b"HMSG") else None
            if taker is None and not is_answer:
                break
            begin = line + 2
            end = begin + int(words[-1])
            if len(data) < end + 2:
                return at, True
            if has_headers:
                begin += int(words[4])
            at = end + 2
            try:
                if taker is None:
                    self.nc.answered(words[1].decode(), data[begin:end])
                else:
                    taker(words[1].decode(), words[3].decode(), data[begin:end])
            except Exception as fault:  # whatever a taker does, the connection lives on: as for all other callbacks
                await self.nc.fail(fault)
        return at, False


class TakingClient(Client):
    """The client, with a short cut for bulk reading: no headers parsed, no queue and no task between socket and taker.

    Answers without headers take it too.

    Should the client's inside change, the short cut is not taken and the subscription's own callback is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.takers: dict[int, Taker] = {}  # by subscription
        self.answers = 0  # the subscription to which answers come
        self.answered: Answered = lambda subject, data: None
        self._writing = False  # what is pending is written as soon as whoever is awake now has said what they have
        self._ps = Parser(self)

    async def _send_publish(
        self, subject: str, reply: str, payload: bytes, payload_size: int, headers: dict[str, str] | None
    ) -> None:
        """As the client's, without a future and a turn of its flusher for each message, where nothing is held up."""
        self.stats["out_msgs"] += 1
        self.stats["out_bytes"] += payload_size
        if headers:
            head = b"".join((HEAD, *(f"{name}: {value}\r\n".encode() for name, value in headers.items()), b"\r\n"))
            size = len(head)
            line = f"HPUB {subject} {reply} {size} {size + payload_size}\r\n".encode()
            await self._send_command(b"".join((line, head, payload, b"\r\n")))
        else:
            line = f"PUB {subject} {reply} {payload_size}\r\n".encode()
            await self._send_command(b"".join((line, payload, b"\r\n")))
        socket = self._socket()
        if socket is None or socket.get_write_buffer_size():  # it is away, or takes no more now
            if self._flush_queue is not None and self._flush_queue.empty():
                await self._flush_pending()
        elif not self._writing:
            self._writing = True
            asyncio.get_running_loop().call_soon(self._write)

    def _socket(self) -> asyncio.WriteTransport | None:
        """Where bytes go, if there is a connection."""
        transport = self._transport
        if not self.is_connected or not isinstance(transport, TcpTransport) or transport._io_writer is None:
            return None
        return transport._io_writer.transport

    def _write(self) -> None:
        self._writing = False
        if self._pending and (socket := self._socket()) is not None:  # else it is written after the reconnect
            pending, self._pending, self._pending_data_size = self._pending, [], 0
            socket.write(b"".join(pending))

    async def fail(self, fault: Exception) -> None:
        """Tell of what a taker could not do."""
        await self._error_cb(fault)

    def forget(self) -> None:
        """Drop what could not be sent: closing would write it to a connection that may be gone, and stop half-way."""
        self._pending = []
        self._pending_data_size = 0

    async def _connect_to_server(self, s: Srv) -> None:
        """As the client's, which would leave a connection open that broke before both had greeted."""
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError  # `wait_for` of Python 3.11 loses one that comes with a refused connection
        if self._transport:
            self._transport.close()  # type: ignore[no-untyped-call]  # the library has no types there
        await super()._connect_to_server(s)

    async def _process_pong(self) -> None:
        """As the client's, which would read nothing more for good if whoever waited for the pong has gone meanwhile."""
        if self._pongs and self._pongs[0].done():
            self._pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        if sid == self.answers and not headers:
            self.answered(subject.decode(), data)
            return
        taker = self.takers.get(sid) if reply else None
        if taker is None:
            await super()._process_msg(sid, subject, reply, data, headers)
            return
        try:
            taker(subject.decode(), reply.decode(), data)
        except Exception as fault:  # likewise
            await self.fail(fault)
