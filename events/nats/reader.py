"""A reader of a stream: everything a consumer of it delivers, in order and gapless, through restarts.

One subscription on an inbox and raw pulls: several times as fast as the client library's own readers. The server's
heartbeats tell that it still knows our pulls; silence, a gap or a reconnect makes a new consumer.
Source: JetStream API, CONSUMER.CREATE and CONSUMER.MSG.NEXT (ADR-9, ADR-13, ADR-37).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol

import msgspec

from events.ids import new_hex
from events.journal import Unavailable
from events.nats.streams import NO_STREAM
from events.nats.wire import ApiError, Message, NoAnswer, Subscription, Wire

SECOND = 1_000_000_000  # nanoseconds
PULL = 5_000  # messages that one pull asks for; two are open
WEIGHT = 16 << 20  # bytes of one pull at most: NATS cuts off who is sent 64 MiB that he has not read yet
SPENT = ("Message Size Exceeds MaxBytes", "Batch Completed")  # what the server says of a pull that has such a bound
EXPIRES = 30  # seconds until the server forgets a pull
HEARTBEAT = 1  # seconds between the server's signs of life on an idle pull
SILENCE = 3.0  # seconds without a sign after which the consumer counts as lost
FORGOTTEN = 30  # seconds after which the server removes a consumer that nobody pulls from

log = logging.getLogger("cumulog.reader")


class Taker(Protocol):
    """Who reads."""

    def config(self) -> dict[str, Any]:
        """What the next consumer is to deliver: asked anew whenever one is made."""

    def begin(self, pending: int) -> None:
        """A consumer was made; `pending` messages are stored for it already."""

    def take(self, subject: str, data: bytes, headers: dict[str, str], sequence: int, pending: int) -> bool:
        """One message, its sequence in the stream, how many stored ones follow. False: something is missing."""

    def idle(self) -> None:
        """Nothing is stored that was not delivered."""

    def gone(self) -> None:
        """There is no such stream now. It is looked for on and on."""


class Reader:
    """Follows a stream for a taker until stopped. Without headers it is twice as fast."""

    def __init__(self, wire: Wire, stream: str, taker: Taker, *, headers: bool) -> None:
        self._wire = wire
        self._stream = stream
        self._taker = taker
        self._headers = headers
        self._name = ""  # of the consumer
        self._inbox = ""
        self._generation = 0
        self._expected = 1  # consumer sequence of the next message
        self._budget = 0  # messages that the open pulls still allow
        self._heard = True
        self._due = 0.0  # when silence is looked for next, in the loop's time
        self._broken = False
        self._lost = False
        self._wake = asyncio.Event()
        self._subscription: Subscription | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def start(self, timeout: float = 10.0) -> None:
        """Begin. Raises Unavailable."""
        self._inbox = self._wire.inbox()
        take = None if self._headers else self._take
        self._subscription = await self._wire.listen(self._inbox + ".*", self._on_message, take)
        try:
            async with asyncio.timeout(timeout):
                await self._open()
        except TimeoutError as fault:
            await self._wire.unlisten(self._subscription)
            raise Unavailable(f"cannot read {self._stream}") from fault
        self._wire.listeners.append(self._renew)
        self._task = asyncio.create_task(self._run(), name=f"reader of {self._stream}")
        self._due = asyncio.get_running_loop().time()
        self._watch()

    async def stop(self) -> None:
        """Read no further. Who is cancelled in the midst of it may begin it again."""
        if self._task is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        if self._renew in self._wire.listeners:
            self._wire.listeners.remove(self._renew)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await self._wire.unlisten(subscription)
        self._task = None
        try:
            await self._wire.api(f"CONSUMER.DELETE.{self._stream}.{self._name}", timeout=0.5)
        except (NoAnswer, ApiError) as fault:
            log.debug("consumer %s is left to expire: %s", self._name, fault)

    # The consumer's life

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._lost:
                await self._open()
            else:
                await self._pull()

    def _renew(self, reason: str = "") -> None:
        """Have a new consumer made; what the former one still delivers is not taken."""
        if reason:
            log.warning("reading %s anew: %s", self._stream, reason)
        self._name = ""
        self._lost = True
        self._wake.set()

    async def _open(self) -> None:
        """A consumer at the taker's position and two pulls on it."""
        pause = 0.01
        while True:
            await self._wire.connected()
            try:
                await self._create()
                return
            except (NoAnswer, ApiError) as fault:
                is_long = pause > 0.1
                log.log(logging.WARNING if is_long else logging.DEBUG, "no consumer of %s: %s", self._stream, fault)
                if is_long and isinstance(fault, ApiError) and fault.number == NO_STREAM:
                    self._taker.gone()
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)

    async def _create(self) -> None:
        self._lost = False
        name = new_hex()
        config = {
            "name": name,
            "ack_policy": "none",
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": FORGOTTEN * SECOND,
            **self._taker.config(),
        }
        only = f".{config['filter_subject']}" if "filter_subject" in config else ""
        created = await self._wire.api(
            f"CONSUMER.CREATE.{self._stream}.{name}{only}",
            {"stream_name": self._stream, "config": config, "action": "create"},
        )
        self._name, self._generation = name, self._generation + 1
        self._expected, self._budget, self._heard = 1, 0, True
        self._taker.begin(created["num_pending"])
        await self._pull()

    async def _pull(self) -> None:
        body = {
            "batch": PULL,
            "max_bytes": WEIGHT,
            "expires": EXPIRES * SECOND,
            "idle_heartbeat": HEARTBEAT * SECOND,
        }
        while self._budget <= PULL and self._name:
            self._budget += PULL
            await self._wire.client.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._name}",
                msgspec.json.encode(body),
                f"{self._inbox}.{self._generation}",
            )

    def _watch(self) -> None:
        now = asyncio.get_running_loop().time()
        late, self._due = now - self._due > 1.0, now + SILENCE  # then we were kept from hearing anything
        if not late and not self._heard and self._wire.is_connected and not self._broken:
            self._renew("nothing is heard of the consumer")
        self._heard = False
        self._timer = asyncio.get_running_loop().call_later(SILENCE, self._watch)

    # What it delivers

    async def _on_message(self, message: Message) -> None:
        if message.reply:
            self._take(message.subject, message.reply, message.data, message.headers)
        elif message.subject.rpartition(".")[2] == str(self._generation) and self._name:
            self._on_status(message.headers or {})

    def _take(self, subject: str, reply: str, data: bytes, headers: dict[str, str] | None = None) -> None:
        # $JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.<consumer sequence>.<time>.<pending>; the longer
        # form has domain and account before the stream and a token at the end.
        tokens = reply.split(".")
        skip = 0 if len(tokens) == 9 else 2
        if tokens[3 + skip] != self._name or self._broken:
            return
        if int(tokens[6 + skip]) != self._expected:
            self._renew(f"message {tokens[6 + skip]} came instead of {self._expected}")
            return
        self._expected += 1
        self._heard = True
        self._broken = True  # for ever, if the taker fails: what it has missed cannot be made good
        complete = self._taker.take(subject, data, headers or {}, int(tokens[5 + skip]), int(tokens[8 + skip]))
        self._broken = False
        self._budget -= 1
        if not complete:
            self._renew(f"entries before {tokens[5 + skip]} are missing")
        elif self._budget == PULL:
            self._wake.set()

    def _on_status(self, headers: dict[str, str]) -> None:
        status = headers.get("Status")
        self._heard = True
        if status == "100":
            self._taker.idle()
            return
        if status in ("404", "408") or (status == "409" and headers.get("Description") in SPENT):
            self._budget -= int(headers.get("Nats-Pending-Messages", PULL))
            self._wake.set()
        else:
            self._renew(f"{status} {headers.get('Description', '')}")
