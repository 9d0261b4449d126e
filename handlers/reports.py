"""Reports: what agents say becomes commands. Answered by any one of the processes that run handlers.

A report is repeated until it is answered, so the answer is given only when what it says stands in the journal.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import msgspec

from events import logs, tracing
from events.compute import host as hosts
from events.compute import server as servers
from events.compute.guest import (
    Answers,
    BuiltAsked,
    ConsoleRead,
    ImageAsked,
    Joined,
    Many,
    MetadataAsked,
    Reports,
    Seen,
)
from events.compute.host import JoinHost
from events.compute.server import ForgetServer, ReportServer, Server
from events.decider import Executor
from events.envelope import Origin
from events.journal import Unavailable
from events.refusals import Busy, NotFound, Refusal
from handlers.compute.guests import guest_of
from handlers.compute.server import cleaning
from handlers.orders import Assignments
from handlers.runner import Sight, fulfil

AT_ONCE = 32  # calls that a process works on at a time, each of many words
WAITING = 64
TOGETHER = 16  # of the words of a call that are worked on at a time

log = logging.getLogger("cumulog.reports")

_decode = msgspec.json.Decoder(Reports).decode


class Desk:
    """Takes the reports of all hosts."""

    def __init__(
        self,
        execute: Executor,
        sight: Sight,
        assignments: Assignments,
        *,
        metadata: Callable[[str, str], Awaitable[bytes]],
        read: Callable[[str, str], Awaitable[None]],
        images: Callable[[str, str], Awaitable[bytes]],
    ) -> None:
        self._execute = execute
        self._sight = sight
        self._assignments = assignments
        self._metadata = metadata  # (host, server) -> the document that a guest sees; empty if it is none of the host's
        self._images = images  # (host, image) -> where its bytes are; empty if it is none of the host's
        self._read = read  # (question, text): hand a console's text to who asked for it

    async def take(self, host: str, payload: bytes) -> bytes:
        """A report of `host`. Raises Busy if the journal takes no write now: the agent asks again."""
        self.hear(host)
        report = _decode(payload)
        match report:
            case Joined(zone=zone, capacity=capacity):
                command = JoinHost(id=host, zone=zone or self._sight.settings.compute.zone, capacity=capacity)
                await self._execute(hosts, command, Origin(actor=f"host:{host}"))
            case Seen():
                await self._seen(host, report)
            case BuiltAsked(server=server):
                await self._fence()
                return self._built(server)
            case Many(reports=reports):
                return msgspec.json.encode(await self._many(host, reports))
            case ConsoleRead(question=question, text=text):
                await self._read(question, text)
            case MetadataAsked(server=server):
                return await self._metadata(host, server)
            case ImageAsked(image=image):
                return await self._images(host, image)
        return b""

    async def _many(self, host: str, reports: Sequence[Seen | BuiltAsked]) -> Answers:
        """What comes of each. Most tell what is known: one look at the journal is for all of them.

        Raises Busy, Unavailable: then all is told again, and what was done of it is known.
        """
        await self._fence()
        answers: Answers = []
        for begin in range(0, len(reports), TOGETHER):
            some = reports[begin : begin + TOGETHER]
            faults = await asyncio.gather(*(self._one(host, report) for report in some), return_exceptions=True)
            for report, answer in zip(some, faults, strict=True):
                if isinstance(answer, Busy | Unavailable) or not isinstance(answer, bytes | Exception):
                    raise answer
                if isinstance(answer, Exception):
                    log.error("a report about %s was not served", report.server, exc_info=answer)
                answers.append(answer if isinstance(answer, bytes) else None)
        return answers

    async def _one(self, host: str, report: Seen | BuiltAsked) -> bytes:
        """What comes of it; the fold is current."""
        if isinstance(report, BuiltAsked):
            return self._built(report.server)
        if not self._is_known(host, report):
            await self._seen(host, report)
        return b""

    def _is_known(self, host: str, seen: Seen) -> bool:
        """Whether a report changes nothing; of a guest that is gone there is always something to be put away."""
        server = self._sight.fold.get(servers, seen.server)
        try:
            return server is not None and seen.seen != "gone" and not servers.decide(server, _command(host, seen))
        except Refusal:
            return False

    async def _fence(self) -> None:
        """Return once the fold is current. Raises Unavailable."""
        try:
            await self._sight.fold.fence(self._execute.journal)
        except TimeoutError as fault:
            raise Unavailable("this process lags") from fault

    async def _seen(self, host: str, seen: Seen) -> None:
        server = self._sight.fold.get(servers, seen.server)
        origin = Origin(actor=f"host:{host}", request=server.request if server else None)
        logs.about(part="handlers", request=origin.request, host=host)
        try:
            with tracing.below(f"report {seen.seen}", seen.trace, **{"cumulog.host": host}):
                if not (server is not None and seen.seen == "gone" and await self._end(host, server, seen)):
                    await self._execute(servers, _command(host, seen), origin)
        except NotFound:
            if seen.seen != "gone":
                await self._stray(host, seen.server)
        if seen.seen == "gone":
            await self._assignments.purge(host, "server", seen.server, self._sight.fold.position)

    async def _end(self, host: str, server: Server, seen: Seen) -> bool:
        """Give back all that a server held whose host is rid of it, and say both in one commit; False if it is refused.

        If this process dies before, the agent reports again.
        """
        if server.phase != "remove" or server.host != host:
            return False
        end = ForgetServer(id=server.id, host=host, steps=seen.steps)
        return await fulfil(self._execute, self._sight.vault, cleaning(self._sight.fold, server, end), f"host:{host}")

    def _built(self, id: str) -> bytes:
        """Not empty if the server has run, as far as anybody was told so; the fold is current."""
        server = self._sight.fold.get(servers, id)
        return b"yes" if server is not None and server.launched_at is not None else b""

    async def _stray(self, host: str, id: str) -> None:
        """A guest that nobody asks for: if it is of a server that was deleted from there, the order is given again."""
        known = await self._sight.fold.exhume(servers, id, self._execute.journal)
        if known is None or not known.state.deleted or known.state.host != host:
            log.warning("host %s holds a guest that nobody asked for: %s", host, id)
            return
        data = msgspec.json.encode(guest_of(self._sight.fold, known.state))
        await self._assignments.put(host, "server", id, data, self._sight.fold.position)

    def hear(self, host: str) -> datetime:
        """A sign of life."""
        now = self._execute.clock.now()
        self._sight.heard[host] = now
        return now

    async def beat(self, host: str) -> None:
        """A heartbeat; a host that was marked down is up again."""
        self.hear(host)
        known = self._sight.fold.get(hosts, host)
        if known is not None and not known.up:
            command = JoinHost(id=host, zone=known.zone, capacity=known.capacity)
            await self._execute(hosts, command, Origin(actor=f"host:{host}"))


def _command(host: str, seen: Seen) -> ReportServer:
    return ReportServer(
        id=seen.server,
        host=host,
        generation=seen.generation,
        seen=seen.seen,
        reason=seen.reason,
        steps=seen.steps,
    )
