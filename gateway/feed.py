"""The feed: commits as server-sent events, to an admin all of them, to a tenant their project's own.

A reader names the last sequence it has seen (`Last-Event-ID`, or `?after=`); what lies between it and now comes first.
One that does not take what it is sent is let go, and resumes. Source: WHATWG HTML, "Server-sent events".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from events.chronicle import Chronicle
from events.cloudevents import Told, cloudevent
from events.fold import Fold
from events.following import Following
from events.refusals import Busy
from events.settings import Feed as Settings

KEEP_ALIVE = 15.0  # seconds without a commit after which a sign of life is sent
PIECE = 64 << 10  # bytes that are sent at once

log = logging.getLogger("cumulog.feed")

Format = Literal["json", "cloudevents"]
Still = Callable[[], Awaitable[bool]]


class Wanted(Struct, frozen=True, kw_only=True):
    """Which commits a reader is told of; an empty set is all."""

    services: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()  # of events
    owner: str | None = None  # the project whose own they are
    project: str | None = None  # whose own they are, or who asked for them
    since: datetime | None = None

    def has(self, one: Told) -> bool:
        head = one.head
        return (
            (not self.services or one.service in self.services)
            and (not self.resources or one.resource in self.resources)
            and (not self.types or not self.types.isdisjoint(one.types))
            and (self.owner is None or self.owner == head.owner)
            and (self.project is None or self.project in head.projects)
            and (self.since is None or head.at >= self.since)
        )


class Feed:
    """Tells readers of commits, as many as the settings allow."""

    def __init__(self, fold: Fold, chronicle: Chronicle, settings: Settings) -> None:
        self.following = Following(fold, chronicle)
        self.settings = settings
        self._readers: list[Reader] = []

    def reader(self, whose: str, wanted: Wanted, after: int | None, form: Format, still: Still) -> Reader:
        """A response to a reader of the project `whose`. Raises Busy if there are too many.

        `still` says whether they may read on: asked now and then, for a token can end. `after` None: from now on.
        """
        own = sum(reader.whose == whose for reader in self._readers)
        if len(self._readers) >= self.settings.readers or own >= self.settings.readers_of_project:
            raise Busy("Too many are reading the events now.")
        position = self.following.fold.position if after is None else after
        reader = Reader(self, whose, wanted, position, form, still)
        self._readers.append(reader)
        return reader

    def release(self, reader: Reader) -> None:
        if reader in self._readers:
            self._readers.remove(reader)

    def close(self) -> None:
        """End every reader's stream."""
        self.following.close()
        for reader in self._readers:
            reader.end()


class Reader(Response):
    """One reader's stream."""

    def __init__(self, feed: Feed, whose: str, wanted: Wanted, position: int, form: Format, still: Still) -> None:
        super().__init__(media_type="text/event-stream", headers={"cache-control": "no-store"})
        del self.headers["content-length"]
        self.whose = whose
        self._feed = feed
        self._wanted = wanted
        self._position = position
        self._encode = _ENCODINGS[form]
        self._still = still
        self._ended = asyncio.Event()
        self._begun = False

    def end(self) -> None:
        self._ended.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        tasks = [asyncio.ensure_future(work) for work in (self._tell(send), self._ended.wait(), _gone(receive))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._feed.release(self)
            for task in tasks:
                task.cancel()
            telling, ended, _ = await asyncio.gather(*tasks, return_exceptions=True)
        if ended is True and self._begun:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        elif isinstance(telling, TimeoutError):
            log.warning("a reader of the events takes nothing: let go at %s", self._position)
        elif isinstance(telling, Exception):
            raise telling

    async def _tell(self, send: Send) -> None:
        async def put(body: bytes, more: bool = True) -> None:
            async with asyncio.timeout(self._feed.settings.patience):
                await send({"type": "http.response.body", "body": body, "more_body": more})

        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        self._begun = True
        await put(b": listening\n\n")
        async with aclosing(self.pieces()) as pieces:
            async for piece in pieces:
                await put(piece)
        await put(b"", more=False)

    async def pieces(self, keep_alive: float = KEEP_ALIVE) -> AsyncGenerator[bytes]:
        """What is sent, until the reader may read no further. Raises Unavailable."""
        clock = asyncio.get_running_loop().time
        asked = clock()
        async with aclosing(self._feed.following.after(self._position, keep_alive)) as following:
            async for some in following:
                if clock() - asked >= keep_alive:
                    if not await self._still():
                        return
                    asked = clock()
                    # Whoever reconnects need not be told again of what is not for them.
                    yield b": still here\nid: %d\n\n" % (some[0].sequence - 1 if some else self._position)
                piece = b""
                for one in some:
                    if self._wanted.has(one):
                        piece += self._encode(one, self._feed.settings.source)
                        if len(piece) >= PIECE:
                            yield piece
                            piece = b""
                    self._position = one.sequence
                if piece:
                    yield piece


async def _gone(receive: Receive) -> None:
    """Return once the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _as_json(one: Told, source: str) -> bytes:
    body = {"subject": one.subject, "sequence": one.sequence, "commit": msgspec.Raw(one.data)}
    return b"id: %d\nevent: commit\ndata: %s\n\n" % (one.sequence, msgspec.json.encode(body))


def _as_cloudevent(one: Told, source: str) -> bytes:
    return b"id: %d\nevent: cloudevent\ndata: %s\n\n" % (one.sequence, cloudevent(one, source))


_ENCODINGS: dict[Format, Callable[[Told, str], bytes]] = {"json": _as_json, "cloudevents": _as_cloudevent}
