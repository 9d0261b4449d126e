"""A journal that is watched: how long it takes, whether it takes anything, and whether it may be written to at all.

A write that is not answered is repeated until the journal's deadline. Who writes after that waits for one attempt
only, until one succeeds: while a quorum is lost or a disk is full, nobody waits long for a refusal.
"""

from __future__ import annotations

import asyncio
import time

from events import metrics, tracing
from events.decider import C, Decider, E, Executor, Outcome, S
from events.envelope import Origin
from events.journal import Moved, Stale, Unavailable
from events.nats.jetstream import JetStreamJournal
from events.nats.wire import Wire
from events.refusals import Busy

HASTE = 2.0  # seconds that a write is tried after one that was not answered
PATIENCE = 5  # seconds after which who was refused may try again


class WatchedJournal(JetStreamJournal):
    """A journal, with what is to be known of its writes."""

    def __init__(self, wire: Wire, *, deadline: float = 10.0) -> None:
        super().__init__(wire, deadline=deadline)
        self.closed = ""  # why nothing may be written now; empty: it may
        self.failure = ""  # of the newest write, if it was not taken
        self.failed_at = 0.0  # monotonic seconds of it
        self.unanswered = 0  # writes in a row that were not answered

    async def append(self, subject: str, data: bytes, *, expected: int, epoch: int = 1) -> int:
        """As the journal's. Raises Busy if nothing may be written now: then it is certain that nothing was."""
        if self.closed:
            metrics.APPENDS_FAILED.labels("full").inc()
            raise Busy(self.closed, retry_after=PATIENCE)
        began = time.perf_counter()
        try:
            with tracing.inside("append", **{"cumulog.subject": subject}):
                sequence = await self._append(subject, data, expected, epoch)
        except (Moved, Stale):
            metrics.APPENDS_FAILED.labels("stale").inc()
            self._answered()
            raise
        except (Unavailable, TimeoutError) as fault:
            metrics.APPENDS_FAILED.labels("unavailable").inc()
            self.failure, self.failed_at = str(fault) or "no answer in time", time.monotonic()
            self.unanswered += 1
            raise
        metrics.APPEND_SECONDS.observe(time.perf_counter() - began)
        self._answered()
        return sequence

    async def _append(self, subject: str, data: bytes, expected: int, epoch: int) -> int:
        if not self.unanswered:
            return await super().append(subject, data, expected=expected, epoch=epoch)
        async with asyncio.timeout(HASTE):
            return await super().append(subject, data, expected=expected, epoch=epoch)

    def _answered(self) -> None:
        self.failure, self.unanswered = "", 0

    def reopen(self) -> None:
        """It may be written again."""
        self.closed = ""
        self._answered()


class TracedExecutor(Executor):
    """The one door, with a span for every command that a request or a wish asks for."""

    async def __call__(self, resource: Decider[S, C, E], command: C, origin: Origin) -> Outcome[S]:
        name = type(command).__name__
        with tracing.inside(f"execute {name}", **{"cumulog.resource": resource.__name__, "cumulog.command": name}):
            return await super().__call__(resource, command, origin)
