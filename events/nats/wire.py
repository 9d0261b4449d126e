"""The wire: a connection to NATS.

Questions are answered through one inbox of this connection. One that is in the air when the connection is lost fails
at once, so that whoever asked can ask again. Source: NATS client protocol; JetStream API (ADR-1, ADR-31).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, count, repeat
from random import Random
from typing import Any

import msgspec
from msgspec import Struct
from nats import errors
from nats.aio.msg import Msg as Message
from nats.aio.subscription import Subscription

from events.ids import new_hex
from events.journal import Unavailable
from events.nats.calls import AT_ONCE, FAULT, LATER, MANY, WAITING, Handler, Service
from events.nats.client import Taker, TakingClient
from events.patience import growing
from events.refusals import TooLarge

__all__ = ["ApiError", "Credentials", "Denied", "Faulty", "Message", "NoAnswer", "Service", "Subscription", "Wire"]

ATTEMPT = 2.0  # seconds that one question waits for its answer
PAUSES = (0.002, 0.01, 0.02, 0.05, 0.1)  # seconds between attempts; the last one repeats
CALLS = (0.05, 4.0)  # seconds between attempts of a call: the first pause, and the longest
SENT_AWAY = (0.5, 30.0)  # and if many waited: sending somebody away has its price too
UNLIMITED = 1 << 40

log = logging.getLogger("cumulog.wire")


class NoAnswer(Exception):
    """Nobody answered this question in time, or the connection broke; whether it was heard is not known."""


class Denied(Exception):
    """NATS does not let us in."""


class Faulty(Exception):
    """Whoever served the call failed at it."""


class ApiError(Exception):
    """JetStream's refusal."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error.get("description", "unknown error"))
        self.code: int = error.get("code", 0)  # as HTTP's
        self.number: int = error.get("err_code", 0)  # JetStream's own


class Credentials(Struct, frozen=True, kw_only=True):
    """Who a process is to NATS."""

    user: str
    password: str
    inbox: str = "_INBOX.cloud"  # where its answers come: each role has a prefix of its own


class Wire:
    """A connection to NATS that mends itself."""

    def __init__(self) -> None:
        self.client = TakingClient()
        self.listeners: list[Callable[[], None]] = []  # called after every reconnect
        self._connected = asyncio.Event()
        self._opened = False
        self._closing = False
        self._waiting: dict[str, asyncio.Future[Message]] = {}
        self._tokens = count(1)
        self._random = Random()
        self._inbox = ""
        self._fault = ""

    @classmethod
    async def connect(
        cls, servers: Sequence[str], credentials: Credentials | None = None, *, name: str = "", timeout: float = 10.0
    ) -> Wire:
        """A connection to one of `servers`. Raises Unavailable, Denied."""
        wire = cls()
        try:
            async with asyncio.timeout(timeout):
                await wire._open(list(servers), credentials, name)
        except TimeoutError as fault:
            raise Unavailable(f"no NATS server at {', '.join(servers)}: {wire._fault}") from fault
        finally:
            if not wire._opened:
                await wire.close()
        return wire

    async def _open(self, servers: list[str], credentials: Credentials | None, name: str) -> None:
        prefix = credentials.inbox if credentials else "_INBOX"
        await self.client.connect(
            servers,
            name=name or "cumulog",
            user=credentials.user if credentials else None,
            password=credentials.password if credentials else None,
            inbox_prefix=prefix,
            connect_timeout=2,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.05,  # type: ignore[arg-type]  # seconds; it is only ever slept
            ping_interval=5,
            max_outstanding_pings=2,
            skip_subject_validation=True,  # events/subjects.py makes them
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnect,
            reconnected_cb=self._on_reconnect,
            closed_cb=self._on_close,
        )
        self._inbox = f"{prefix}.{new_hex()}."
        answers = await self.client.subscribe(self._inbox + "*", cb=self._on_answer)
        self.client.answers, self.client.answered = answers._id, self._answer
        await self._heard()
        self._opened = True
        self._connected.set()

    async def _heard(self) -> None:
        """Return once the server has heard of every subscription, or is away: it is told of them when it is back."""
        while self._connected.is_set() or not self._opened:
            with suppress(errors.FlushTimeoutError):  # the answer never comes if another connection is made meanwhile
                await self.client.flush(ATTEMPT)  # type: ignore[arg-type]  # seconds
                break

    async def close(self) -> None:
        """Say what is left to say, and let go of the connection; questions in the air fail."""
        self._closing = True
        if self._connected.is_set():
            with suppress(errors.Error, OSError):
                await self.client.flush(1)
        if not self.client.is_closed:
            self.client.forget()
            await self.client.close()
        self._fail("the connection was closed")

    # The connection's life

    async def _on_error(self, fault: Exception) -> None:
        self._fault = str(fault) or type(fault).__name__
        if not self._opened:
            if "authorization" in self._fault.lower():
                raise Denied(f"NATS does not let us in: {self._fault}")
        elif not self._connected.is_set() and isinstance(fault, OSError | errors.Error | TimeoutError):
            log.debug("NATS is away: %s", self._fault)
        elif isinstance(fault, errors.UnexpectedEOF | OSError):
            log.warning("NATS: %s", self._fault)
        else:
            log.error("NATS: %s", self._fault, exc_info=fault)

    async def _on_disconnect(self) -> None:
        if self._connected.is_set() and not self._closing:
            log.warning("the connection to NATS is lost; connecting again")
        self._connected.clear()
        self._fail("the connection was lost")

    async def _on_reconnect(self) -> None:
        log.warning("the connection to NATS is back")
        self._connected.set()
        for listener in self.listeners:
            listener()

    async def _on_close(self) -> None:
        self._connected.clear()
        if not self._closing:
            log.critical("NATS closed the connection for good: %s", self._fault)

    def _fail(self, reason: str) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(NoAnswer(reason))

    @property
    def is_connected(self) -> bool:
        return self._connected.is_set()

    @property
    def is_clustered(self) -> bool:
        """Whether the server that we are connected to is one of several."""
        return bool(self.client._server_info.get("cluster"))

    async def connected(self) -> None:
        """Return once there is a connection."""
        await self._connected.wait()

    # Questions

    async def _on_answer(self, message: Message) -> None:
        self._answer(message.subject, message.data, message.headers)

    def _answer(self, subject: str, data: bytes, headers: dict[str, str] | None = None) -> None:
        future = self._waiting.get(subject[len(self._inbox) :])
        if future is not None and not future.done():
            future.set_result(Message(self.client, subject=subject, data=data, headers=headers))

    def _expire(self, future: asyncio.Future[Message]) -> None:
        if not future.done():
            future.set_exception(NoAnswer("no answer in time"))

    async def request(
        self, subject: str, data: bytes = b"", headers: dict[str, str] | None = None, timeout: float = ATTEMPT
    ) -> Message:
        """The answer to a question that is asked once. Raises NoAnswer, TooLarge."""
        if not self._connected.is_set():
            raise NoAnswer("there is no connection")
        loop = asyncio.get_running_loop()
        token = f"{next(self._tokens):x}"
        future: asyncio.Future[Message] = loop.create_future()
        self._waiting[token] = future
        timer = loop.call_later(timeout, self._expire, future)
        try:
            await self.client.publish(subject, data, self._inbox + token, headers)
            answer = await future
        except (errors.ConnectionClosedError, errors.OutboundBufferLimitError) as fault:
            raise NoAnswer(str(fault)) from fault
        except errors.MaxPayloadError as fault:
            raise TooLarge(f"{len(data)} bytes are more than a message may have.") from fault
        finally:
            timer.cancel()
            del self._waiting[token]
        if not answer.data and answer.headers and answer.headers.get("Status") == "503":
            raise NoAnswer(f"nobody answers on {subject}")
        if answer.headers and LATER in answer.headers:
            raise NoAnswer(answer.headers[LATER])
        return answer

    async def ask(
        self,
        subject: str,
        data: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        timeout: float,
        attempt: float = ATTEMPT,
        pauses: Iterator[float] | None = None,
    ) -> Message:
        """The answer to a question that is asked again until it is answered. Raises Unavailable after `timeout` s."""
        clock = asyncio.get_running_loop().time
        reason, pauses, end = "", pauses or chain(PAUSES, repeat(PAUSES[-1])), clock() + timeout
        sent_away = growing(self._random, *SENT_AWAY)
        while True:
            if not self._connected.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(end):  # `wait_for` may lose a cancellation that comes with the event
                        await self._connected.wait()
            try:
                return await self.request(subject, data, headers, min(attempt, end - clock()))
            except NoAnswer as fault:
                reason = reason if reason and clock() >= end else str(fault)  # the last attempt may have been too short
            pause = next(sent_away if reason == MANY else pauses)
            if clock() + pause >= end:
                raise Unavailable(reason)
            await asyncio.sleep(pause)

    async def api(self, verb: str, body: Any = None, *, timeout: float = ATTEMPT) -> dict[str, Any]:
        """JetStream's answer to one question of its API. Raises NoAnswer, ApiError."""
        data = b"" if body is None else msgspec.json.encode(body)
        answer: dict[str, Any] = msgspec.json.decode((await self.request(f"$JS.API.{verb}", data, None, timeout)).data)
        if "error" in answer:
            raise ApiError(answer["error"])
        return answer

    async def batch(self, stream: str, question: dict[str, Any]) -> tuple[list[Message], dict[str, str]]:
        """What some replica of a stream has of a batch, and the headers that end it: none if it did not end.

        It is waited for as long as it goes on. Source: JetStream API (ADR-31).
        """
        found, ended = list[Message](), asyncio.get_running_loop().create_future()

        async def hear(message: Message) -> None:
            if "Nats-Sequence" in (message.headers or {}):
                found.append(message)
            elif not ended.done():
                ended.set_result(message.headers or {})

        inbox = self.inbox()
        subscription = await self.client.subscribe(inbox, cb=hear)  # the question goes out after it
        try:
            await self.client.publish(f"$JS.API.DIRECT.GET.{stream}", msgspec.json.encode(question), inbox)
            heard = -1
            while not ended.done() and len(found) > heard:  # to ask again would take as long
                heard = len(found)
                await asyncio.wait((ended,), timeout=ATTEMPT)
        finally:
            await self.unlisten(subscription)
        return found, ended.result() if ended.done() else {}

    # Calls between our own processes

    async def call(self, subject: str, payload: bytes, timeout: float = 10.0, attempt: float = 5.0) -> bytes:
        """What `serve` answers; it may be served more than once. Raises Unavailable, Faulty."""
        pauses = growing(self._random, *CALLS)
        answer = await self.ask(subject, payload, timeout=timeout, attempt=attempt, pauses=pauses)
        if answer.headers and FAULT in answer.headers:
            raise Faulty(answer.headers[FAULT])
        return answer.data

    async def gather(self, subject: str, seconds: float, payload: bytes = b"") -> list[bytes]:
        """The answers of all who serve `subject`, as far as they come within so many seconds. Raises Unavailable."""
        found: list[bytes] = []

        async def hear(message: Message) -> None:
            if not message.headers:  # else: nobody is there, or who served it failed
                found.append(message.data)

        inbox = self.inbox()
        subscription = await self.listen(inbox, hear)
        try:
            if not self._connected.is_set():
                raise Unavailable("NATS is away")
            await self.client.publish(subject, payload, inbox)
            await asyncio.sleep(seconds)
        finally:
            await self.unlisten(subscription)
        return found

    async def cast(self, subject: str, payload: bytes) -> None:
        """Say something that may be lost; nothing is said while there is no connection."""
        if self._connected.is_set():
            await self.client.publish(subject, payload)

    async def serve(
        self, subject: str, queue: str, handler: Handler, *, at_once: int = AT_ONCE, waiting: int = WAITING
    ) -> Service:
        """Answer calls on `subject`, each by one member of `queue`, until stopped."""
        service = Service(self, handler, at_once, waiting)
        service.subscription = await self.client.subscribe(subject, queue, service.take)
        await self._heard()
        return service

    async def listen(
        self, subject: str, hear: Callable[[Message], Awaitable[None]], take: Taker | None = None
    ) -> Subscription:
        """Hear everything on `subject`, in order; nothing is dropped, however slow the hearer is.

        What has a reply goes to `take` if there is one, without its headers.
        """
        subscription = await self.client.subscribe(
            subject, cb=hear, pending_msgs_limit=UNLIMITED, pending_bytes_limit=UNLIMITED
        )
        if take is not None:
            self.client.takers[subscription._id] = take
        await self._heard()
        return subscription

    async def unlisten(self, subscription: Subscription) -> None:
        """Hear it no longer."""
        self.client.takers.pop(subscription._id, None)
        if not self.client.is_closed:
            await subscription.unsubscribe()

    def inbox(self) -> str:
        """A subject of this connection's own."""
        return self.client.new_inbox()
