"""A host's agent: hear orders, look, step, report. It needs no memory: it may be restarted anywhere, at any time."""

from __future__ import annotations

import asyncio
import logging
from random import Random
from typing import Literal

import msgspec
from msgspec.structs import replace

from agents.compute.hypervisor import DriverError, Found, Guest, Hypervisor, Interface, Rule
from agents.compute.server import Step, report, step
from agents.diary import Diary
from agents.link import Link
from agents.outbox import Outbox
from events import logs, metrics, tracing
from events.clock import Clock
from events.compute.guest import BuiltAsked, ConsoleAsked, ConsoleRead, Joined, Seen
from events.nats.wire import Faulty

log = logging.getLogger("cumulog.agent")

AT_ONCE = 8  # guests that are worked on at a time
PERIOD = 10.0  # seconds between two looks at everything
STEPS = 8  # that one turn takes for one guest before it looks anew
PAUSES = (0.2, 1.0, 3.0, 10.0)  # seconds before a failed step is tried again; the last repeats

_guest = msgspec.json.Decoder(Guest).decode
_members = msgspec.json.Decoder(tuple[str, ...]).decode
_asked = msgspec.json.Decoder(ConsoleAsked).decode


class Agent:
    """The agent of one host."""

    def __init__(
        self,
        link: Link,
        driver: Hypervisor,
        *,
        host: str = "",
        zone: str = "",
        heartbeat: float = 5.0,
        period: float = PERIOD,
        clock: Clock | None = None,
        random: Random | None = None,
    ) -> None:
        self.host = host  # in logs and traces; what is said is said by the link
        self._link = link
        self._driver = driver
        self._diary = Diary(clock)
        self._outbox = Outbox(link, random=random, longest=period)
        self._zone = zone
        self._heartbeat = heartbeat
        self._period = period
        self._wanted: dict[str, Guest] = {}
        self._said: dict[str, Seen] = {}  # the last that was reported of each guest
        self._groups: dict[str, tuple[str, ...]] = {}  # addresses of the members of security groups
        self._plugged: dict[str, tuple[Interface, ...]] = {}  # the ports that each guest was last given
        self._older: set[str] = set()  # ordered before this agent began: if nothing is there, it may have been lost
        self._is_new = True  # this agent, which has not heard of all that was ordered before
        self._due: set[str] = set()
        self._working: set[str] = set()
        self._failures: dict[str, int] = {}
        self._stopped = False
        self._room = asyncio.Semaphore(AT_ONCE)
        self._tasks: dict[asyncio.Task[None], None] = {}  # ended in the order in which they began

    # Its life

    async def start(self) -> None:
        """Connect to the hypervisor, follow orders; joining and looking go on by themselves."""
        await self._driver.open(self._changed)
        await self._link.follow(self._take)
        self._spawn(self._catch_up())
        self._spawn(self._join())
        self._spawn(self._look())

    async def stop(self) -> None:
        self._stopped = True  # what was to be tried again later is not
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._outbox.stop()
        await self._link.close()
        await self._driver.close()

    def _spawn(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        self._tasks[task] = None
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("an agent's task failed", exc_info=fault)

    async def _catch_up(self) -> None:
        await self._link.caught_up()
        self._is_new = False

    async def _join(self) -> None:
        """Say what the host has until it is heard, then beat."""
        capacity = None
        while capacity is None:
            try:
                capacity = await self._driver.capacity()
            except DriverError as fault:
                log.warning("the hypervisor does not say what the host has: %s", fault)
                await asyncio.sleep(PAUSES[1])
        joined = False
        while not joined:
            try:
                await self._outbox.say(Joined(zone=self._zone, capacity=capacity))
                joined = True
            except Faulty as fault:
                log.warning("this host could not be joined: %s", fault)
                await asyncio.sleep(PAUSES[1])
        while True:
            await asyncio.sleep(self._heartbeat)
            await self._link.beat()

    async def _look(self) -> None:
        """Look at every guest now and then: no event tells of what was lost. Most are as they were last said to be."""
        while True:
            await asyncio.sleep(self._period)
            try:
                found = await self._driver.guests()
            except DriverError as fault:
                log.warning("the hypervisor cannot be looked at: %s", fault)
                continue
            for server, guest in list(self._wanted.items()):
                there = found.get(server)
                if step(guest, there) is not None or report(guest, there) != self._said.get(server):
                    self._schedule(server)
            await self._report_strays(found)

    async def _report_strays(self, found: dict[str, Found]) -> None:
        """A guest that nobody asks for is reported, never removed: our knowledge may lag, a disk is gone at once."""
        await asyncio.gather(*(self._report_stray(*one) for one in found.items() if one[0] not in self._wanted))

    async def _report_stray(self, server: str, guest: Found) -> None:
        seen: Literal["running", "stopped"] = "running" if guest.running else "stopped"
        try:
            await self._outbox.say(Seen(server=server, generation=guest.generation, seen=seen))
        except Faulty as fault:
            log.warning("nobody knows what to do about guest %s: %s", server, fault)

    # What is heard

    def _take(self, kind: str, id: str, data: bytes | None) -> None:
        if kind == "console" and data is not None:
            self._spawn(self._console(_asked(data)))
        if kind == "security_group":
            self._regroup(id, () if data is None else _members(data))
        if kind != "server":
            return
        if data is None:
            self._wanted.pop(id, None)
            self._older.discard(id)
            self._said.pop(id, None)
            self._plugged.pop(id, None)
            self._diary.heard(id)
            return
        guest = _guest(data)
        known = self._wanted.get(id)
        if known is None or guest.generation > known.generation:
            self._diary.note(id, "order")
        if known is None and self._is_new:
            self._older.add(id)
        if known is None or guest.generation >= known.generation:
            self._wanted[id] = replace(guest, built=True) if known is not None and known.built else guest
            self._schedule(id)

    def _regroup(self, group: str, members: tuple[str, ...]) -> None:
        """The members of a group have changed: the filters of those whose rules name it are to follow."""
        self._groups[group] = members
        for guest in self._wanted.values():
            rules = (rule for interface in guest.interfaces for rule in interface.rules or ())
            if any(rule.remote_group == group for rule in rules):
                self._schedule(guest.id)

    def _resolved(self, guest: Guest) -> Guest:
        """The guest with the members of groups in place of the groups."""

        def filled(rule: Rule) -> Rule:
            return replace(rule, remote=self._groups.get(rule.remote_group, ())) if rule.remote_group else rule

        interfaces = [
            replace(one, rules=tuple(map(filled, one.rules))) if one.rules else one for one in guest.interfaces
        ]
        return replace(guest, interfaces=tuple(interfaces))

    def _changed(self, server: str) -> None:
        if server in self._wanted:
            self._schedule(server)

    def _schedule(self, server: str) -> None:
        self._due.add(server)
        if server not in self._working and not self._stopped:
            self._working.add(server)
            self._spawn(self._work(server))

    # What is done

    async def _work(self, server: str) -> None:
        """One guest's turn; what is heard meanwhile makes another."""
        try:
            while server in self._due:
                self._due.discard(server)
                await self._turn(server)
        finally:
            self._working.discard(server)

    async def _turn(self, server: str) -> None:
        try:
            for _ in range(STEPS):
                wanted = self._wanted.get(server)
                if wanted is None:
                    return
                guest = self._resolved(wanted)
                logs.about(part="agent", request=guest.request, project=guest.project, host=self.host)
                found = await self._driver.find(server)
                next_step = step(guest, found)
                if next_step is None:
                    await self._update(guest, found)
                    await self._report(guest, found)
                    self._failures.pop(server, None)
                    return
                if next_step == "create" and server in self._older:
                    await self._ask_whether_built(server)
                    continue
                about = {"cumulog.host": self.host, "cumulog.id": guest.id}
                async with self._room:
                    with tracing.below(next_step, guest.trace, **about), self._diary.taking(server, next_step):
                        await self._do(next_step, guest)
                metrics.STEPS.labels(next_step, "done").inc()
        except DriverError as fault:
            try:
                await self._failed(server, fault)
            except Faulty as other:
                self._again(server, other)
        except Faulty as fault:
            self._again(server, fault)

    def _again(self, server: str, fault: Exception) -> None:
        """Try it again later; the next time after a longer pause."""
        log.warning("host could not serve %s: %s", server, fault)
        count = self._failures[server] = self._failures.get(server, 0) + 1
        pause = PAUSES[min(count, len(PAUSES)) - 1]
        asyncio.get_running_loop().call_later(min(pause, self._period), self._schedule, server)

    async def _ask_whether_built(self, server: str) -> None:
        if await self._outbox.say(BuiltAsked(server=server)):
            self._note_built(server)
        self._older.discard(server)

    def _note_built(self, server: str) -> None:
        guest = self._wanted.get(server)
        if guest is not None and not guest.built:
            self._wanted[server] = replace(guest, built=True)

    async def _update(self, guest: Guest, found: Found | None) -> None:
        """Its ports may have changed though nothing else did."""
        if found is not None and found.running and self._plugged.get(guest.id) != guest.interfaces:
            async with self._room:
                with self._diary.taking(guest.id, "refresh"):
                    await self._driver.refresh(guest)
            self._plugged[guest.id] = guest.interfaces

    async def _do(self, next_step: Step, guest: Guest) -> None:
        log.info("%s %s (generation %d)", next_step, guest.id, guest.generation)
        match next_step:
            case "create":
                await self._driver.create(guest)
                self._plugged[guest.id] = guest.interfaces
            case "start":
                await self._driver.start(guest)
            case "stop":
                await self._driver.stop(guest)
            case "reboot":
                await self._driver.reboot(guest)
            case "remove":
                await self._driver.remove(guest.id)

    async def _failed(self, server: str, fault: DriverError) -> None:
        guest = self._wanted.get(server)
        if guest is None:
            return
        metrics.STEPS.labels("any", "failed").inc()
        if fault.permanent:
            log.warning("host can not serve %s: %s", server, fault)
            seen = Seen(server=server, generation=guest.generation, seen="failed", reason=str(fault))
            await self._outbox.say(replace(seen, steps=self._diary.of(server)))
            self._diary.heard(server)
        else:
            self._again(server, fault)

    async def _report(self, guest: Guest, found: Found | None) -> None:
        seen = report(guest, found)
        if seen is None or self._said.get(guest.id) == seen:
            return
        with tracing.below(f"say {seen.seen}", guest.trace, **{"cumulog.host": self.host, "cumulog.id": guest.id}):
            await self._outbox.say(replace(seen, trace=tracing.current(), steps=self._diary.of(guest.id)))
        self._diary.heard(guest.id)
        self._said[guest.id] = seen
        if seen.seen == "running":
            self._note_built(guest.id)

    async def _console(self, asked: ConsoleAsked) -> None:
        try:
            text = await self._driver.console(asked.server, asked.lines)
        except DriverError as fault:
            text = f"The console cannot be read: {fault}"
        try:
            await self._outbox.say(ConsoleRead(question=asked.question, text=text))
        except Faulty as fault:
            log.warning("nobody takes what console of %s says: %s", asked.server, fault)
