"""A tail of the journal on NATS JetStream: it follows the journal through its epochs, each a stream of its own.

Whoever was away while an epoch ended, was archived and was dropped reads from the archive what no stream has any more.
Source: DESIGN, "Hard cases, decided", 3.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any

from events.journal import CLOSED, Deliver, Earlier, Entry, Epoch, Unavailable
from events.nats.reader import Reader
from events.nats.streams import stream
from events.nats.wire import Wire
from events.patience import growing

SOON = (0.01, 0.1)  # seconds until a stream that is about to be made is looked for again: at first, and at most

log = logging.getLogger("cumulog.journal")

Look = Callable[[], Awaitable[Sequence[Epoch]]]


class JetStreamTail:
    """Hands on every entry, in order. Its sequences are contiguous."""

    def __init__(
        self, wire: Wire, look: Look, epoch: int, after: int, deliver: Deliver, past: Earlier | None = None
    ) -> None:
        self.position = after
        self._wire = wire
        self._look = look
        self._epoch = epoch
        self._deliver = deliver
        self._past = past
        self.reader = Reader(wire, stream(epoch), self, headers=False)
        self._ended = False  # what comes after an epoch's last entry is not of the journal
        self._follows = False
        self._missed = -1  # after which entries are nowhere, as was told
        self._random = Random()
        self._turning: asyncio.Task[None] | None = None

    async def start(self, timeout: float, *, is_over: bool) -> None:
        """Begin, in the next epoch if this one is over. Raises Unavailable."""
        if is_over:
            self._end()
        else:
            await self.reader.start(timeout)
        self._follows = True

    async def stop(self) -> None:
        if self._turning is not None:
            self._turning.cancel()
            await asyncio.gather(self._turning, return_exceptions=True)
        await self.reader.stop()

    def config(self) -> dict[str, Any]:
        return {"deliver_policy": "by_start_sequence", "opt_start_seq": self.position + 1}

    def begin(self, pending: int) -> None:
        pass

    def idle(self) -> None:
        pass

    def gone(self) -> None:
        """The stream may be back in a moment, or was dropped before it was read to its end."""
        if self._follows:
            self._turn()

    def take(self, subject: str, data: bytes, headers: dict[str, str], sequence: int, pending: int) -> bool:
        if self._ended:
            return True
        if sequence != self.position + 1:
            return sequence <= self.position
        self._hand_on(Entry(sequence, subject, data))
        if subject.startswith(CLOSED):
            self._end()
        return True

    def _hand_on(self, entry: Entry) -> None:
        self.position = entry.sequence
        self._deliver(entry)

    def _end(self) -> None:
        self._ended = True
        self._turn()

    def _turn(self) -> None:
        if self._turning is None:
            self._turning = asyncio.create_task(self._go_on(), name=f"the turn of epoch {self._epoch}")

    async def _go_on(self) -> None:
        """Read what follows, as soon as it is there."""
        while True:
            await self.reader.stop()
            for pause in growing(self._random, *SOON):
                if await self._begin():
                    break
                await asyncio.sleep(pause)
            if not self._ended:
                break  # else the next epoch was over at once
        self._turning = None

    async def _begin(self) -> bool:
        """Have a reader follow the epoch that is due, or the oldest that there still is; False: there is none yet."""
        due = self._epoch + self._ended
        try:
            epochs = await self._look()
            if not epochs or epochs[-1].number < due:
                return False
            oldest = epochs[0]
            if oldest.number > due:
                await self._catch_up(oldest.first - 1)
            self._epoch, self._ended = max(due, oldest.number), False
            self.reader = Reader(self._wire, stream(self._epoch), self, headers=False)
            await self.reader.start()
        except Unavailable as fault:
            log.debug("epoch %s cannot be read yet: %s", due, fault)
            return False
        return True

    async def _catch_up(self, until: int) -> None:
        """Hand on what no stream has any more. Raises Unavailable."""
        if self._past is not None:
            log.warning("the entries from %s to %s were archived before they were read", self.position + 1, until)
            async for entry in self._past(self.position, until):
                if entry.sequence == self.position + 1:
                    self._hand_on(entry)
        if self.position < until:
            if self._missed != self.position:
                log.critical("the entries after %s are neither in the journal nor in the archive", self.position)
            self._missed = self.position
            raise Unavailable(f"the entries after {self.position} are not there")
