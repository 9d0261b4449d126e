"""A replay: a history's requests for servers once more, on simulated hosts, in virtual time.

The deciders, the handlers, the scheduler and the agents are the real ones; the journal is in memory, a host does what
it is told, and takes as long for it as it took in the history. The same seed gives the same outcome.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from itertools import cycle, islice
from random import Random
from typing import Literal, cast

from msgspec import Struct
from msgspec.structs import replace

from agents.compute.hypervisor import Capacity, Found, Guest
from agents.compute.simulated import Memory, SimulatedHypervisor
from agents.link import Take
from agents.runner import Agent
from events import virtual
from events.clock import Clock
from events.compute import host as hosts
from events.compute import server as servers
from events.compute.host import JoinHost
from events.decider import Executor
from events.envelope import CLOUD, Origin
from events.fold import Fold
from events.journal import MemoryJournal, Unavailable
from events.nats.assignments import MemoryAssignments
from events.nats.vault import MemoryVault
from events.refusals import Refusal
from events.services import deciders
from events.settings import Settings
from gateway.history import AFTER, Happening, History, Outcome, Place, Watch, bare, request
from handlers.compute import guests
from handlers.compute import host as host_plans
from handlers.compute import server as server_plans
from handlers.orders import Orders
from handlers.reports import Desk
from handlers.runner import Planner, Runner, Sight

FOREVER = 1e9  # seconds: in a replay a host is down when the history says so, not because it is silent
ANSWER = 0.001  # seconds that a report takes
LOOK = 0.1  # seconds between two looks whether all is done

Scheduler = Literal["filter", "simple", "chance"]


class Options(Struct, frozen=True, kw_only=True):
    """What is different from the history."""

    scheduler: Scheduler | None = None  # None: the cloud's own
    hosts: int | None = None  # so many, with the capacities of the history's in turn; None: those of the history
    seed: int = 0  # of the dice; 0: the cloud's own, which depend on each server's id alone


class Replayed(Struct, frozen=True, kw_only=True):
    """What came of it."""

    outcomes: dict[str, Outcome]
    refused: int  # requests that the replay's servers were in no state for
    hosts: dict[str, Place]


def replay(history: History, settings: Settings, options: Options) -> Replayed:
    """The outcome of a history's requests, were they made again."""
    quiet = logging.getLogger("cumulog")
    level = quiet.level
    quiet.setLevel(logging.CRITICAL)  # what happens in a replay happens to nobody
    try:
        return virtual.run(lambda: _Cloud(history, settings, options).run())
    finally:
        quiet.setLevel(level)


class _Journal(MemoryJournal):
    """A journal in which resources stand already."""

    def seed(self, subject: str) -> int:
        """The sequence at which a resource stands from now on."""
        return self._store(subject, b"")


class _Link:
    """A host's tie to the handlers."""

    def __init__(self, host: str, assignments: MemoryAssignments, desk: Desk) -> None:
        self._host = host
        self._assignments = assignments
        self._desk = desk
        self._take: Take | None = None

    async def follow(self, take: Take) -> None:
        self._take = take
        self._assignments.follow(self._host, take)

    async def caught_up(self) -> None:
        """All has been heard."""

    async def report(self, payload: bytes, words: int = 1) -> bytes:
        await asyncio.sleep(ANSWER)
        try:
            return await self._desk.take(self._host, payload)
        except Refusal as refusal:
            raise Unavailable(refusal.message) from refusal

    async def beat(self) -> None:
        self._desk.hear(self._host)

    async def close(self) -> None:
        if self._take is not None:
            self._assignments.leave(self._host, self._take)
            self._take = None


class _Hypervisor(SimulatedHypervisor):
    """A host that takes as long for a server as it took in the history."""

    def __init__(self, host: str, memory: Memory, capacity: Capacity, history: History) -> None:
        super().__init__(host, memory, capacity=capacity)
        self._history = history

    async def create(self, guest: Guest) -> None:
        await asyncio.sleep(self._history.builds.get(guest.id, self._history.usual_build))
        await super().create(guest)


class _Cloud:
    """The cloud in which it all happens again."""

    def __init__(self, history: History, settings: Settings, options: Options) -> None:
        compute = replace(
            settings.compute, host_down=FOREVER, scheduler=options.scheduler or settings.compute.scheduler
        )
        settings = replace(settings, compute=compute)
        self.history = history
        self.options = options
        self.clock: Clock = virtual.LoopClock(history.begin)
        self.journal = _Journal()
        self.fold = Fold(deciders())
        self.execute = Executor(self.journal, self.fold, self.clock)
        self.memory = Memory()
        self.assignments = MemoryAssignments()
        salt = f"{options.seed} " if options.seed else ""
        dice = Random(options.seed)
        sight = Sight(fold=self.fold, settings=settings, random=dice, salt=salt, vault=MemoryVault())
        planners = cast(list[Planner], [server_plans, host_plans])
        self.runner = Runner(self.execute, sight, planners)
        self.orders = Orders(self.fold, self.assignments, [guests], poison=sight.poison, clock=self.clock)
        self.desk = Desk(self.execute, sight, self.assignments, metadata=_nothing, images=_nothing, read=_nowhere)
        self.settings = settings
        self.agents: dict[str, Agent] = {}
        self.watch = Watch()
        self.refused = 0

    async def run(self) -> Replayed:
        own = self.options.hosts is None
        places = self.history.hosts() if own else _others(self.history, self.options.hosts or 1)
        if own:
            self._restore()
        await self.fold.follow(self.journal)
        happenings = list(self.history.happenings) if own else [*self._moved(), *self._of_people()]
        if own:
            for host in self.fold.all(hosts):
                if host.up:
                    await self._start(host.id, host.capacity)
        else:
            for name, place in places.items():
                await self.execute(hosts, JoinHost(id=name, zone=place.zone, capacity=place.capacity), CLOUD)
                await self._start(name, place.capacity)
        self.fold.listeners.append(self.watch.hear)
        self.orders.start()
        self.runner.start()
        for happening in happenings:
            await self._happen(happening)
        await self._rest()
        await self._stop()
        asked = {id: one for id, one in self.watch.outcomes.items() if id in self.history.outcomes}
        return Replayed(outcomes=asked, refused=self.refused, hosts=places)

    # How it begins

    def _restore(self) -> None:
        """Hosts, room and servers as they were, and the servers' guests."""
        known = []
        for prefix, one in self.history.known:
            state = bare(one.state) if isinstance(one.state, servers.Server) else one.state
            sequence = self.journal.seed(f"{prefix}.{one.key}")
            known.append((prefix, replace(one, state=state, sequence=sequence)))
            if isinstance(state, servers.Server) and state.host and state.launched_at and not state.removed:
                running = state.status != "SHUTOFF"
                done = state.generation if state.phase is None else state.generation - 1
                self.memory.put(state.host, state.id, Found(running=running, generation=done))
        self.fold.restore(known, len(self.journal.entries))

    def _moved(self) -> Iterator[Happening]:
        """On other hosts, what there was is asked for anew before anything else."""
        for _, one in self.history.known:
            if isinstance(one.state, servers.Server) and one.state.wanted != "gone" and one.state.status != "ERROR":
                yield Happening(self.history.begin, servers, request(one.state))

    def _of_people(self) -> Iterator[Happening]:
        return (one for one in self.history.happenings if one.resource is servers)

    # What happens

    async def _happen(self, happening: Happening) -> None:
        wait = (happening.at - self.clock.now()).total_seconds()
        if wait > 0:
            await asyncio.sleep(wait)
        command = happening.command
        origin = Origin(actor="replay", request=getattr(command, "request", None))
        try:
            await self.execute(happening.resource, command, origin)
        except Refusal:
            self.refused += 1
        if happening.resource is hosts:
            host = self.fold.get(hosts, command.id)
            if host is not None:
                await (self._start(host.id, host.capacity) if host.up else self._end(host.id))

    async def _rest(self) -> None:
        """Until nothing is being done any more, or for as long as the history was looked at."""
        end = max(self.history.end, self.clock.now()) + AFTER
        while self.clock.now() < end:
            await asyncio.sleep(LOOK)
            if not any(self.fold.count(servers, "phase", phase) for phase in ("place", "build", "remove", "clean")):
                return

    async def _start(self, name: str, capacity: Capacity) -> None:
        if name not in self.agents:
            driver = _Hypervisor(name, self.memory, capacity, self.history)
            link = _Link(name, self.assignments, self.desk)
            agent = Agent(link, driver, heartbeat=FOREVER, period=60.0, clock=self.clock, random=Random(name))
            self.agents[name] = agent
            await agent.start()

    async def _end(self, name: str) -> None:
        agent = self.agents.pop(name, None)
        if agent is not None:
            await agent.stop()

    async def _stop(self) -> None:
        for name in list(self.agents):
            await self._end(name)
        await self.runner.stop()
        await self.orders.stop()
        await self.fold.stop()


def _others(history: History, number: int) -> dict[str, Place]:
    """So many hosts, with zones and capacities of the history's in turn."""
    found = history.hosts()
    return {f"host-{n + 1}": one for n, one in enumerate(islice(cycle(found.values()), number if found else 0))}


async def _nothing(host: str, asked: str) -> bytes:
    return b""


async def _nowhere(question: str, text: str) -> None:
    return


__all__ = ["Options", "Replayed", "Scheduler", "replay"]
