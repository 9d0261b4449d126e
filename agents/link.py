"""What ties an agent to its cloud: orders come, reports go. Over NATS in earnest, in memory in simulations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Take = Callable[[str, str, bytes | None], None]
"""(kind, id, data): an order as it now stands; None: it is fulfilled and taken away."""


class Link(Protocol):
    """One host's tie."""

    async def follow(self, take: Take) -> None:
        """Hear every order of this host, those that stand first, then each change; again after a reconnect."""

    async def report(self, payload: bytes) -> bytes:
        """Say something until it is answered; the answer. Raises Unavailable when nobody answered for long."""

    async def beat(self) -> None:
        """A sign of life, that may be lost."""

    async def close(self) -> None: ...
