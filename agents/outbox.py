"""What a host's agent has to say: each word until it is heard, and in one call all that has gathered meanwhile.

A cloud that begins anew has a hundred guests on each host that are as they were: they are told of in one call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from random import Random

import msgspec

from agents.link import Link
from events.compute.guest import Answers, BuiltAsked, Many, Report, Seen
from events.journal import Unavailable
from events.nats.wire import Faulty
from events.patience import growing

log = logging.getLogger("cumulog.agent")

IN_AIR = 4  # calls at a time: one that is slow does not keep the others
MOST = 256  # words in a call
PAUSES = (0.5, 5.0)  # seconds before a word is said again that nobody heard: the first pause, and the longest

_answers = msgspec.json.Decoder(Answers).decode


class Outbox:
    """The words of one agent."""

    def __init__(self, link: Link, *, random: Random | None = None, longest: float = PAUSES[1]) -> None:
        self._link = link
        self._random = random or Random()
        self._longest = min(longest, PAUSES[1])
        self._waiting: list[tuple[Seen | BuiltAsked, asyncio.Future[bytes]]] = []
        self._calls: dict[asyncio.Task[None], None] = {}

    async def say(self, report: Report) -> bytes:
        """The answer, once it is heard. Raises Faulty if whoever heard it could do nothing with it now."""
        if not isinstance(report, Seen | BuiltAsked):
            return await self._heard(report)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append((report, future))
        if len(self._calls) < IN_AIR:
            call = asyncio.create_task(self._call())  # it begins when all who have something to say now have said it
            self._calls[call] = None
            call.add_done_callback(lambda done: self._calls.pop(done, None))
        return await future

    async def stop(self) -> None:
        """Say no more."""
        for call in list(self._calls):
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def _call(self) -> None:
        while self._waiting:
            some, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            if len(some) > 1 and await self._say_together(some):
                continue
            for report, future in some:
                try:
                    answer = await self._heard(report)
                except Exception as fault:  # whatever it is: whoever said it is to know, and would wait for ever
                    _refuse(future, fault)
                else:
                    _tell(future, answer)

    async def _say_together(self, some: Sequence[tuple[Seen | BuiltAsked, asyncio.Future[bytes]]]) -> bool:
        """False if that is not understood, as by handlers of an older version."""
        try:
            answers = _answers(await self._heard(Many(reports=tuple(report for report, _ in some))))
            pairs = list(zip(some, answers, strict=True))
        except Exception as fault:  # whatever it is: each is told, and refused, by itself
            log.info("%d reports are told one by one: %s", len(some), fault)
            return False
        for (report, future), answer in pairs:
            if answer is None:
                _refuse(future, Faulty(f"nothing could be done with a report about {report.server}"))
            else:
                _tell(future, answer)
        return True

    async def _heard(self, report: Report) -> bytes:
        payload = msgspec.json.encode(report)
        pauses = growing(self._random, min(PAUSES[0], self._longest), self._longest)
        while True:
            try:
                return await self._link.report(payload, len(report.reports) if isinstance(report, Many) else 1)
            except Unavailable as fault:
                log.warning("nobody hears a report: %s", fault)
                await asyncio.sleep(next(pauses))


def _tell(future: asyncio.Future[bytes], answer: bytes) -> None:
    if not future.done():  # else nobody waits for it any more
        future.set_result(answer)


def _refuse(future: asyncio.Future[bytes], fault: Exception) -> None:
    if not future.done():
        future.set_exception(fault)
