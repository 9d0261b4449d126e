"""What ties an agent to its cloud: orders come, reports go. Over NATS in earnest, in memory in simulations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from events.nats.assignments import ASK, SAID, OwnAssignments
from events.nats.wire import Message, Subscription, Wire
from events.subjects import token

PATIENCE = 10.0  # seconds after which nobody answers
ATTEMPT = 5.0  # seconds that a report may have to wait for its answer
WORD = 0.1  # and for each word of it: it may be worth a commit

Take = Callable[[str, str, bytes | None], None]
"""(kind, id, data): an order as it now stands; None: it is fulfilled and taken away."""


class Link(Protocol):
    """One host's tie."""

    async def follow(self, take: Take) -> None:
        """Hear every order of this host, those that stand first, then each change; again after a reconnect."""

    async def caught_up(self) -> None:
        """Return once the orders that stood at the beginning were heard."""

    async def report(self, payload: bytes, words: int = 1) -> bytes:
        """Say something, in so many words, until it is answered; the answer.

        Raises Unavailable when nobody answered for long, Faulty when whoever did could not do anything with it now.
        """

    async def beat(self) -> None:
        """A sign of life, that may be lost."""

    async def close(self) -> None: ...


class WireLink:
    """A host's tie over NATS."""

    def __init__(self, wire: Wire, host: str, patience: float = PATIENCE) -> None:
        self._wire = wire
        self._patience = patience
        self._host = token(host)
        self._name = host
        self._own: OwnAssignments | None = None
        self._asked: Subscription | None = None

    async def follow(self, take: Take) -> None:
        async def ask(message: Message) -> None:
            take("console", "", message.data)

        self._asked = await self._wire.listen(f"{SAID}.{self._host}.{ASK}", ask)
        self._own = await OwnAssignments.watch(self._wire, self._name, lambda a: take(a.kind, a.id, a.data))

    async def caught_up(self) -> None:
        assert self._own is not None, "nothing is followed"
        await self._own.caught_up()

    async def report(self, payload: bytes, words: int = 1) -> bytes:
        attempt = ATTEMPT + WORD * words
        return await self._wire.call(
            f"report.{self._host}", payload, timeout=max(self._patience, 2 * attempt), attempt=attempt
        )

    async def beat(self) -> None:
        await self._wire.cast(f"heartbeat.{self._host}", b"")

    async def close(self) -> None:
        if self._own is not None:
            await self._own.stop()
        if self._asked is not None:
            await self._wire.unlisten(self._asked)
