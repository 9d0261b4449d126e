"""The life of a process: its parts are started in order, and stopped in the reverse, until a signal ends it."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from events.nats.calls import Handler
from events.nats.wire import Wire

log = logging.getLogger("cumulog")

PATIENCE = 20.0  # seconds that one part may take to stop, unless it says otherwise

Stop = Callable[[], Awaitable[Any]]


class CannotStart(Exception):
    """What was asked for cannot be had here, and the missing step."""


class Parts:
    """What runs in this process, and how each of it is stopped."""

    def __init__(self) -> None:
        self._stops: list[tuple[str, Stop, float]] = []

    async def run(self, start: Callable[[], Awaitable[str]], ready: Callable[[str], None]) -> None:
        """Start, tell `ready` what it says, and go on until SIGINT or SIGTERM, which also end a start."""
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
        starting = asyncio.ensure_future(start())
        ending = asyncio.ensure_future(ended.wait())
        try:
            await asyncio.wait((starting, ending), return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                ready(starting.result())
                await ending
        finally:
            for task in (starting, ending):
                task.cancel()
            await asyncio.gather(starting, ending, return_exceptions=True)
            await self.stop()

    async def stop(self) -> None:
        """Stop everything, the last first."""
        while self._stops:
            name, stop, patience = self._stops.pop()
            try:
                async with asyncio.timeout(patience):
                    await stop()
            except Exception:  # what comes after it must be stopped all the same
                log.exception("%s did not stop cleanly", name)

    def later(self, name: str, stop: Stop, patience: float = PATIENCE) -> None:
        """Have `stop` called at the end, before all that was named until now; it may take so many seconds."""
        self._stops.append((name, stop, patience))

    def background(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` beside everything else, until the end."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_ended)

        async def stop() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self.later(name, stop)

    async def service(self, wire: Wire, subject: str, queue: str, handler: Handler) -> None:
        """Answer calls on `subject` until the end, each by one process of those in `queue`."""
        self.later(queue, (await wire.serve(subject, queue, handler)).stop)


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (fault := task.exception()) is not None:
        log.critical("%s ended", task.get_name(), exc_info=fault)
