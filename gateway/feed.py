"""The live feed: commits as server-sent events, to an admin all of them, to a tenant their project's own.

Source: WHATWG HTML, "Server-sent events". A reader that is too slow is let go; it resumes by `Last-Event-ID`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec

from events.fold import Change, Fold

WAITING = 10_000  # commits that may wait for one reader


class Feed:
    """Hands every folded commit to those who listen."""

    def __init__(self, fold: Fold) -> None:
        self._readers: set[asyncio.Queue[Change | None]] = set()
        fold.listeners.append(self._deliver)

    def _deliver(self, change: Change) -> None:
        for queue in list(self._readers):
            if queue.qsize() >= WAITING:
                self._readers.discard(queue)
                queue.put_nowait(None)
            else:
                queue.put_nowait(change)

    async def read(self, project: str | None, keep_alive: float = 15.0) -> AsyncIterator[bytes]:
        """The commits from now on as server-sent events; of one project, or all if it is None."""
        queue: asyncio.Queue[Change | None] = asyncio.Queue()
        self._readers.add(queue)
        try:
            yield b": listening\n\n"
            while True:
                try:
                    async with asyncio.timeout(keep_alive):
                        change = await queue.get()
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                if change is None:
                    return
                if project is None or change.commit.owner == project:
                    yield encode(change)
        finally:
            self._readers.discard(queue)

    def close(self) -> None:
        """End every reader's stream."""
        for queue in self._readers:
            queue.put_nowait(None)


def encode(change: Change) -> bytes:
    data = msgspec.json.encode({"subject": change.subject, "sequence": change.sequence, "commit": change.commit})
    return b"id: %d\nevent: commit\ndata: %s\n\n" % (change.sequence, data)
