"""HTTP connections with bounds: how many there are, how large and how slow a request's head may be.

uvicorn's own protocol on httptools, which has none. What can still be answered is answered by the service that the
request is for, in its own words; a head that never ends is cut off.
Source: RFC 9110, 15.5.9 (408), 15.6.4 (503); RFC 6585, 5 (431).
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from events import metrics, settings
from events.refusals import Busy, HeadTooLarge, Refusal

HARD = 2  # times the limit of connections, from which on they are closed without a word


def protocol(limits: settings.Limits) -> type[HttpToolsProtocol]:
    """The protocol with these limits."""

    class Bounded(HttpToolsProtocol):
        _head = 0  # bytes of the head that is coming
        _heading = True  # it is not complete
        _over = False
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
            super().connection_made(transport)
            metrics.CONNECTIONS.inc()
            self._over = len(self.connections) > limits.connections
            if len(self.connections) > limits.connections * HARD:
                transport.abort()
            self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            metrics.CONNECTIONS.dec()
            self._rest()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._heading:
                if self._timer is None:
                    self._wait()
                self._head += len(data)
            super().data_received(data)
            if self._heading and self._head > limits.max_header:
                self._cut(431, "The headers of the request are too large.")

        def on_message_begin(self) -> None:
            self._heading = True
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._heading, self._head = False, 0
            self._rest()
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            refusal: Refusal | None = None
            if size > limits.max_header:
                refusal = HeadTooLarge("The headers of the request are too large.")
            elif self._over:
                refusal = Busy("Too many connections are open; try again.")
            if refusal is not None:
                self.scope["state"]["refusal"] = refusal
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            super().on_message_complete()
            self._heading = True

        def _wait(self) -> None:
            late = (408, "The headers of the request did not come in time.")
            self._timer = self.loop.call_later(limits.header_seconds, self._cut, *late)

        def _rest(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _cut(self, status: int, text: str) -> None:
            """Answer what is no request yet, and let go."""
            self._rest()
            if self.transport.is_closing():
                return
            if self.cycle is None or self.cycle.response_complete:  # else an earlier answer is still on its way
                body = f"{text}\n".encode()
                head = b"content-type: text/plain\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
                self.transport.write(STATUS_LINE[status] + head + body)
            self.transport.close()

    return Bounded
