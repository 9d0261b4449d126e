"""Calls between our own processes: a subject is served by one member of a queue, and whoever called is told why not.

A call may be served more than once. Source: NATS client protocol (request-reply, queue groups).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from events.journal import Unavailable
from events.refusals import Busy

if TYPE_CHECKING:
    from events.nats.wire import Message, Subscription, Wire

AT_ONCE = 256  # requests that one service works on at a time
WAITING = 256  # that wait for their turn: who comes then is told so at once, and comes back after a pause
LAST = 5.0  # seconds in which a service that is stopped answers what it has taken
REPLIES = ("_INBOX.", "_R_.")  # where an answer may go: anything else could be a subject of the journal
FAULT = "Cumulog-Fault"
LATER = "Cumulog-Later"  # beside it, for whoever knows it: nothing is wrong with the call, but now is not its time
MANY = "many wait already"

log = logging.getLogger("cumulog.wire")

Handler = Callable[[str, bytes], Awaitable[bytes]]  # subject, payload -> answer


class Service:
    """A subject that is being served."""

    def __init__(self, wire: Wire, handler: Handler, at_once: int, waiting: int) -> None:
        self.subscription: Subscription | None = None
        self._wire = wire
        self._handler = handler
        self._room = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._tasks: set[asyncio.Task[bytes]] = set()

    async def take(self, message: Message) -> None:
        if message.reply and not message.reply.startswith(REPLIES):
            log.error("a call on %s wants its answer on %s: ignored", message.subject, message.reply)
            return
        if len(self._tasks) >= self._most:
            if message.reply:
                await self._wire.client.publish(message.reply, headers=dict.fromkeys((FAULT, LATER), MANY))
            return
        task = asyncio.ensure_future(self._serve(message))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def _serve(self, message: Message) -> bytes:
        headers: dict[str, str] | None = {FAULT: f"{message.subject} was not served"}
        answer = b""
        try:
            async with self._room:
                answer = await self._handler(message.subject, message.data)
            headers = None
        except asyncio.CancelledError:
            headers = dict.fromkeys((FAULT, LATER), "its process ends")
            raise
        except (Busy, Unavailable) as fault:
            headers = dict.fromkeys((FAULT, LATER), str(fault))
            raise
        finally:
            if message.reply and (headers is None or self._wire.is_connected):
                await self._wire.client.publish(message.reply, answer, headers=headers)
        return answer

    def _done(self, task: asyncio.Task[bytes]) -> None:
        self._tasks.discard(task)
        fault = None if task.cancelled() else task.exception()
        if isinstance(fault, Busy | Unavailable):
            log.warning("a call could not be served now: %s", fault)
        elif fault is not None:
            log.error("a call failed", exc_info=fault)

    async def stop(self) -> None:
        """Take no further calls, answer those taken, and give up those that wait: whoever called calls again."""
        if self.subscription is not None:
            await self._wire.unlisten(self.subscription)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=LAST)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
