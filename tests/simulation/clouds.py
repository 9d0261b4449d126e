"""A simulated cloud: the real handlers and agents over the journal in memory, simulated hosts, and dice.

A seed is a history: every choice comes from one generator, and everything runs on one loop without real time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random

from agents.compute.simulated import Dice, Memory, SimulatedHypervisor
from agents.link import Take
from agents.runner import Agent
from events.clock import ManualClock
from events.compute import host_room
from events.compute import server as servers
from events.compute.server import DeleteServer, RebootServer, RequestServer, Server, Size, StartServer, StopServer
from events.decider import Executor, Step
from events.envelope import Command, Origin
from events.fold import Fold
from events.journal import Journal, MemoryJournal, Unavailable
from events.refusals import Refusal
from events.services import deciders
from events.settings import Settings
from events.vault import MemoryVault
from handlers.compute import guests
from handlers.compute import host as host_plans
from handlers.compute import server as server_plans
from handlers.orders import Orders
from handlers.reports import Desk
from handlers.runner import Runner, Sight

SMALL = Size(id="1", name="small", vcpus=1, ram=1024, disk=1)
USER = Origin(actor="user", project="p", request="req-1")


class MemoryAssignments:
    """Orders in memory, with the guard that NATS' bucket has."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str, str], tuple[int, bytes | None]] = {}
        self.followers: dict[str, list[Take]] = {}

    async def put(self, host: str, kind: str, id: str, data: bytes, sequence: int) -> bool:
        return self._write(host, kind, id, data, sequence)

    async def purge(self, host: str, kind: str, id: str, sequence: int) -> bool:
        return self._write(host, kind, id, None, sequence)

    def _write(self, host: str, kind: str, id: str, data: bytes | None, sequence: int) -> bool:
        if self.entries.get((host, kind, id), (0, None))[0] >= sequence + (data is None and -1):
            return False
        self.entries[host, kind, id] = (sequence, data)
        for take in self.followers.get(host, []):
            take(kind, id, data)
        return True


class MemoryLink:
    """A host's tie to a desk in the same process; it can be cut."""

    def __init__(self, host: str, assignments: MemoryAssignments, process: Callable[[], Process]) -> None:
        self.host = host
        self._assignments = assignments
        self._process = process
        self._take: Take | None = None
        self.is_cut = False

    async def follow(self, take: Take) -> None:
        self._take = take
        self._assignments.followers.setdefault(self.host, []).append(take)
        for (host, kind, id), (_, data) in list(self._assignments.entries.items()):
            if host == self.host and data is not None:
                take(kind, id, data)

    async def report(self, payload: bytes) -> bytes:
        if self.is_cut:
            raise Unavailable("the link is cut")
        process = self._process()
        call = asyncio.ensure_future(process.desk.take(self.host, payload))
        process.calls.add(call)
        try:
            await asyncio.wait([call])
            return call.result()
        except asyncio.CancelledError:
            if not call.cancelled():
                raise  # the agent is being stopped
            raise Unavailable("the process died while it was answering") from None
        except Refusal as refusal:
            raise Unavailable(refusal.message) from refusal
        finally:
            process.calls.discard(call)
            call.cancel()

    async def beat(self) -> None:
        if not self.is_cut:
            await self._process().desk.beat(self.host)

    async def close(self) -> None:
        if self._take is not None:
            self._assignments.followers[self.host].remove(self._take)


class Process:
    """One process of handlers: its own fold, its own plans."""

    def __init__(self, journal: Journal, assignments: MemoryAssignments, clock: ManualClock, seed: int) -> None:
        self.fold = Fold(deciders())
        self.execute = Executor(journal, self.fold, clock)
        self.sight = Sight(fold=self.fold, settings=Settings(), random=Random(seed), vault=MemoryVault())
        self.runner = Runner(self.execute, self.sight, [server_plans, host_plans], period=0.1)
        self.orders = Orders(self.fold, assignments, [guests], period=0.1)
        self.desk = Desk(self.execute, self.sight, assignments, metadata=_nothing, read=_nowhere)
        self.calls: set[asyncio.Future[bytes]] = set()

    async def start(self) -> None:
        await self.fold.follow(self.execute.journal)
        self.orders.start()
        self.runner.start()

    async def stop(self) -> None:
        for call in list(self.calls):
            call.cancel()
        await self.runner.stop()
        await self.orders.stop()
        await self.fold.stop()


async def _nothing(host: str, server: str) -> bytes:
    return b""


async def _nowhere(question: str, text: str) -> None:
    return


class SimulatedCloud:
    """Some hosts, some processes, one journal."""

    def __init__(self, seed: int, *, hosts: int = 3, processes: int = 2, dice: Dice | None = None) -> None:
        self.random = Random(seed)
        self.clock = ManualClock()
        self.journal = MemoryJournal()
        self.assignments = MemoryAssignments()
        self.memory = Memory()
        self.dice = dice or Dice(random=Random(seed))
        self.processes = [Process(self.journal, self.assignments, self.clock, seed + i) for i in range(processes)]
        self.names = [f"host-{i}" for i in range(hosts)]
        self.agents: dict[str, Agent] = {}

    @property
    def fold(self) -> Fold:
        return self.processes[0].fold

    async def start(self) -> None:
        for process in self.processes:
            await process.start()
        for name in self.names:
            await self.start_agent(name)

    async def start_agent(self, name: str) -> None:
        link = MemoryLink(name, self.assignments, lambda: self.random.choice(self.processes))
        agent = Agent(link, SimulatedHypervisor(name, self.memory, self.dice), heartbeat=0.05, period=0.1)
        self.agents[name] = agent
        await agent.start()

    async def kill_agent(self, name: str) -> None:
        await self.agents.pop(name).stop()

    async def restart(self, index: int) -> None:
        """Kill one process of handlers; another begins with an empty fold."""
        fresh = Process(self.journal, self.assignments, self.clock, self.random.randrange(1 << 30))
        await fresh.start()
        killed, self.processes[index] = self.processes[index], fresh
        await killed.stop()

    async def stop(self) -> None:
        for agent in self.agents.values():
            await agent.stop()
        for process in self.processes:
            await process.stop()

    async def do(self, command: Command) -> None:
        """A user's command; a refusal is an answer."""
        with suppress(Refusal):
            await self.random.choice(self.processes).execute.all([Step(servers, command)], USER)

    async def move(self, known: list[str]) -> None:
        """A user does something at random."""
        id = self.random.choice(known) if known else ""
        match self.random.randrange(6):
            case 0 | 1:
                new = f"server-{len(known)}"
                known.append(new)
                await self.do(request(new))
            case 2 if id:
                await self.do(DeleteServer(id=id))
            case 3 if id:
                await self.do(StopServer(id=id))
            case 4 if id:
                await self.do(StartServer(id=id))
            case 5 if id:
                await self.do(RebootServer(id=id, kind=self.random.choice(["SOFT", "HARD"])))

    def servers(self) -> list[Server]:
        return self.fold.all(servers)

    def resting(self) -> bool:
        return all(server.phase is None for server in self.servers())

    def overfull(self) -> list[str]:
        """Hosts that hold more than they have; none, ever."""
        return [room.id for room in self.fold.all(host_room) if room.used.get("vcpus", 0) > 64 * 4]

    def running_twice(self) -> list[str]:
        """Servers that two hosts run; none, ever."""
        seen: dict[str, int] = {}
        for guests_of_host in self.memory.guests.values():
            for server in guests_of_host:
                seen[server] = seen.get(server, 0) + 1
        return [server for server, count in seen.items() if count > 1]


def request(id: str, size: Size = SMALL) -> RequestServer:
    return RequestServer(id=id, project="p", user="u", name=id, hostname=id, size=size)
