"""Filling the stream FEED: every process that runs handlers would; one does it, and another when that one stops.

Nothing is kept but what stands in the stream: its last sequence is where to go on. Two that fill at once meet at its
guard, and the one that comes late steps back until the stream lags behind what it knows itself.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing

from events.following import Following
from events.journal import Unavailable
from events.nats.feed_stream import Behind, FeedStream

LOOK = 1.0  # seconds between two looks at a stream that another fills, or that does not exist

log = logging.getLogger("cumulog.filling")


class Filler:
    """Fills the stream, if there is one, from what this process follows."""

    def __init__(self, following: Following, stream: FeedStream, source: str, look: float = LOOK) -> None:
        self._following = following
        self._stream = stream
        self._source = source
        self._look = look

    async def run(self) -> None:
        """Until cancelled."""
        steps_back = False
        seen: int | None = None
        while True:
            try:
                last = await self._stream.last()
                if last is not None and not (steps_back and self._is_filled(last, seen)):
                    await self._fill(last)
                seen = last
            except Behind:
                steps_back, seen = True, None
            except Unavailable as fault:
                log.debug("the feed is not filled now: %s", fault)
            await asyncio.sleep(self._look)

    def _is_filled(self, last: int, seen: int | None) -> bool:
        """Whether another seems to fill it: it has all that is known here, or has come further since the last look."""
        return last != seen or last >= self._following.fold.position

    async def _fill(self, position: int) -> None:
        """Until the stream is gone. Raises Behind, Unavailable."""
        async with aclosing(self._following.after(position, self._look * 5)) as following:
            async for some in following:
                if some:
                    await self._stream.fill(some, self._source)
                elif await self._stream.last() is None:
                    return
