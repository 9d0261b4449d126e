"""What one gateway takes on: requests in flight, and how many a second of one project or from one address.

A rate is a bucket that fills at `rate` and holds `burst`, kept as a single moment: when it will be full again.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.datastructures import Address
from starlette.requests import Request

from events import settings
from events.refusals import Busy, TooMany
from gateway.tokens import Token

KEPT = 50_000  # buckets that are remembered; the fullest are forgotten first


class Rate:
    """Buckets of one kind."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._each = 1 / rate if rate > 0 else 0.0  # seconds that one request costs
        self._most = burst * self._each  # seconds until an empty bucket is full
        self._full_at: dict[str, float] = {}
        self._clock = clock

    def take(self, key: str, what: str) -> None:
        """One request. Raises TooMany if the bucket is empty."""
        if not self._each:
            return
        now = self._clock()
        full_at = max(now, self._full_at.get(key, 0.0)) + self._each
        if full_at - now > self._most:
            wait = max(1, math.ceil(full_at - now - self._most))
            raise TooMany(f"This {what} sends requests too fast.", retry_after=wait)
        if len(self._full_at) >= KEPT and key not in self._full_at:
            self._forget(now)
        self._full_at[key] = full_at

    def _forget(self, now: float) -> None:
        waiting = sorted((at, key) for key, at in self._full_at.items() if at > now)
        self._full_at = {key: at for at, key in waiting[-KEPT // 2 :]}


class Limits:
    """The limits of one gateway, and what of them is used."""

    def __init__(self, limits: settings.Limits, max_body: int) -> None:
        self.settings = limits
        self._max_body = max_body
        self.in_flight = 0
        self.bodies = 0  # bytes that those in flight may have
        self.projects = Rate(limits.project_rate, limits.project_burst)
        self.addresses = Rate(limits.address_rate, limits.address_burst)

    def check(self) -> None:
        """Raises Busy if one request more is too many."""
        if self.in_flight > self.settings.in_flight:
            raise Busy("Too many requests are being worked on; try again.")

    @asynccontextmanager
    async def work(self, request: Request, *, timed: bool) -> AsyncIterator[None]:
        """While it lasts, a request is worked on: within its time, with its body in memory; unless it is not `timed`,
        which is one that waits for bytes that nobody keeps in memory. Raises Busy, TimeoutError.
        """
        size = self._weight(request) if timed else 0
        if self.bodies + size > self.settings.bodies:
            raise Busy("Too many large requests are being worked on; try again.")
        self.bodies += size
        try:
            async with asyncio.timeout(self.settings.seconds if timed else None):
                yield
        finally:
            self.bodies -= size

    def _weight(self, request: Request) -> int:
        """Bytes that the body of a request may have."""
        declared = request.headers.get("content-length", "")
        if declared.isdigit():
            return min(int(declared), self._max_body)
        return self._max_body if "transfer-encoding" in request.headers else 0

    def admit(self, token: Token) -> None:
        """Raises TooMany: the project, or a user who has none, asks too often."""
        if token.project is not None:
            self.projects.take(token.project, "project")
        else:
            self.projects.take(token.user, "user")

    def admit_stranger(self, client: Address | None) -> None:
        """Raises TooMany: too many requests without a token come from one address."""
        self.addresses.take(client.host if client else "", "address")
