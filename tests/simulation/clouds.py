"""A simulated cloud: the real handlers and agents over the journal in memory, simulated hosts, and dice.

A seed is a history: every choice comes from generators that it seeds, and everything runs on one virtual loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from random import Random
from typing import Any

from agents.compute.hypervisor import Capacity, DriverError, Guest
from agents.compute.simulated import Dice, SimulatedHypervisor
from agents.link import Take
from agents.runner import Agent
from events.compute import host as hosts
from events.compute import host_room
from events.compute import quota as compute_quota
from events.compute import server as servers
from events.compute.server import Size
from events.decider import Executor
from events.envelope import Origin
from events.epochs import CannotClose
from events.fold import Fold
from events.journal import Epoch, Unavailable
from events.nats.assignments import MemoryAssignments
from events.nats.vault import MemoryVault
from events.nats.wire import Faulty
from events.network import address, mac, port, security_group, segment, subnet
from events.network import network as networks
from events.network import quota as network_quota
from events.refusals import Refusal
from events.settings import Compute, Settings
from handlers.archivist import Archivist
from handlers.compute import guests, scheduler
from handlers.compute import host as host_plans
from handlers.compute import host_room as room_plans
from handlers.compute import server as server_plans
from handlers.network import groups
from handlers.network import port as port_plans
from handlers.orders import Orders
from handlers.reports import Desk
from handlers.runner import Runner, Sight
from tests.simulation.shaky import MemoryPast, Recorded, Shaky
from tests.simulation.virtual import LoopClock
from tests.simulation.witness import WatchedMemory, Witness

PROJECT = "p" * 32
SMALL = Size(id="1", name="small", vcpus=1, ram=1024, disk=1)
LARGE = Size(id="2", name="large", vcpus=2, ram=2048, disk=1)
USER = Origin(actor="user", project=PROJECT, request="req-1")
HOST = Capacity(vcpus=16, ram=3072, disk=64, hypervisor_type="simulated", hypervisor_version=1)
SILENCE = 2.0  # seconds until a call that nobody answers is given up
SETTINGS = Settings(compute=Compute(build_deadline=60))
QUOTA = {"instances": 14, "cores": 20, "ram": 51200}
RESOURCES: list[Any] = [
    *(servers, hosts, host_room, compute_quota),
    *(networks, subnet, port, address, mac, segment, security_group, network_quota),
]


class ShakyAssignments(MemoryAssignments):
    """Orders in memory that cannot always be put."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self.random = random
        self.unreachable = 0.0  # probability that an order cannot be put

    async def put(self, host: str, kind: str, id: str, data: bytes, sequence: int) -> bool:
        if self.random.random() < self.unreachable:
            raise Unavailable("there is no way to the orders")
        return await super().put(host, kind, id, data, sequence)


class MemoryLink:
    """A host's tie to the desks; it can be cut, and then nothing passes."""

    def __init__(self, host: str, cloud: SimulatedCloud) -> None:
        self.host = host
        self._cloud = cloud
        self._take: Take | None = None
        self.is_cut = False

    async def follow(self, take: Take) -> None:
        self._take = take
        self.is_cut = False
        self._cloud.assignments.follow(self.host, self.hear)

    async def caught_up(self) -> None:
        """All has been heard."""

    def hear(self, kind: str, id: str, data: bytes | None) -> None:
        if self._take is not None and not self.is_cut:
            self._take(kind, id, data)

    def heal(self) -> None:
        """It hears all again, of what was taken away too: as after a reconnect."""
        self.is_cut = False
        self._cloud.assignments.tell(self.host, self.hear)

    async def report(self, payload: bytes, words: int = 1) -> bytes:
        await asyncio.sleep(self._cloud.random.random() * 0.002)
        process = self._cloud.some_process()
        if self.is_cut or process.shaky.dead:
            await asyncio.sleep(SILENCE)
            raise Unavailable("nobody answers")
        call = process.spawn(process.desk.take(self.host, payload))
        try:
            await asyncio.wait([call])
        finally:
            call.cancel()
        if call.cancelled():
            raise Unavailable("the process died while it was answering")
        if (fault := call.exception()) is not None:
            raise Faulty(str(fault)) from fault
        answer: bytes = call.result()
        return answer

    async def beat(self) -> None:
        if not self.is_cut:
            for process in self._cloud.processes:
                process.beat(self.host)

    async def close(self) -> None:
        self._take = None
        self._cloud.assignments.leave(self.host, self.hear)


class Process:
    """One process of gateway and handlers: its own way to the journal, its own fold, its own plans."""

    def __init__(self, journal: Recorded, assignments: ShakyAssignments, seed: int) -> None:
        self.random = Random(seed)
        self.shaky = Shaky(journal, self.random)
        self.fold = Fold(RESOURCES)
        self.fold.past = MemoryPast(journal, RESOURCES)
        self.execute = Executor(self.shaky, self.fold, LoopClock())
        self.archivist = Archivist(self.shaky, self.fold, self._keep, clock=LoopClock(), period=2.0)
        self.sight = Sight(fold=self.fold, settings=SETTINGS, random=self.random, vault=MemoryVault())
        self.runner = Runner(self.execute, self.sight, [server_plans, host_plans, room_plans, port_plans])
        poison, clock = self.sight.poison, self.execute.clock
        self.orders = Orders(self.fold, assignments, [guests, groups], poison=poison, clock=clock)
        self.desk = Desk(self.execute, self.sight, assignments, metadata=_nothing, read=_nowhere, images=_nothing)
        self._calls: dict[asyncio.Task[Any], None] = {}  # in their order: a set has none that a seed could fix

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Something that this process is asked for; it dies with it."""
        task = asyncio.create_task(work)
        self._calls[task] = None
        task.add_done_callback(self._answered)
        return task

    def beat(self, host: str) -> None:
        """A heartbeat; of most of them nothing follows."""
        known = self.fold.get(hosts, host)
        if known is not None and known.up:
            self.desk.hear(host)
        else:
            self.spawn(self.desk.beat(host))

    def _answered(self, task: asyncio.Task[Any]) -> None:
        self._calls.pop(task, None)
        if not task.cancelled():
            task.exception()

    async def start(self) -> None:
        past = self.fold.past
        if self.random.random() < 0.5:
            self.fold.past = None  # it begins with what was carried, if the first epochs are dropped
        await self._follow()
        self.fold.past = past
        self.orders.start()
        self.runner.start()
        self.spawn(self.archivist.run())

    async def _follow(self) -> None:
        """As gateway/composition/ground.py does: an epoch may be dropped while it is read."""
        for _ in range(100):
            try:
                return await self.fold.follow(self.shaky)
            except Unavailable:
                await asyncio.sleep(0.1)
        raise AssertionError("a process cannot begin")

    async def _keep(self, epoch: Epoch) -> int:
        """The simulation's past forgets nothing: an epoch that has ended may be dropped."""
        return 0

    async def close_epoch(self) -> None:
        with suppress(CannotClose, TimeoutError):  # then the archivist does it when it looks again
            await self.archivist.archive()

    def poisoned(self) -> list[str]:
        return [f"{name} failed: {why}" for name, why in self.sight.poison.told().items()]

    async def kill(self) -> None:
        """As `kill -9` does: nothing of it writes any more, in the middle of whatever it was."""
        if self.shaky.dead:
            return  # the history has ended before another began in its place
        self.shaky.dead = True
        calls = list(self._calls)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await self.runner.stop()
        await self.orders.stop()
        await self.fold.stop()


async def _nothing(host: str, server: str) -> bytes:
    return b""


async def _nowhere(question: str, text: str) -> None:
    return


class ClumsyHypervisor(SimulatedHypervisor):
    """Fails before a step, or after it, when it has had its effect."""

    async def create(self, guest: Guest) -> None:
        await super().create(guest)
        self._slip(guest.id)

    async def stop(self, guest: Guest) -> None:
        await super().stop(guest)
        self._slip(guest.id)

    async def remove(self, server: str) -> None:
        await super().remove(server)
        self._slip(server)

    def _slip(self, server: str) -> None:
        if self._dice.random.random() < self._dice.failures:
            raise DriverError(f"The driver lost its way after it had served {server}.")


class SimulatedCloud:
    """Some hosts, some processes, one journal, one witness."""

    def __init__(self, seed: int, *, hosts: int = 3, processes: int = 2) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.journal = Recorded()
        self.memory = WatchedMemory()
        limits = scheduler.limits(_host(), SETTINGS.compute)
        self.witness = Witness(self.journal, RESOURCES, self.memory, limits, {**QUOTA})
        self.assignments = ShakyAssignments(Random(seed + 2))
        self.dice = Dice(random=Random(seed + 1))
        self.processes = [self._process() for _ in range(processes)]
        self.names = [f"host-{i}" for i in range(hosts)]
        self.agents: dict[str, tuple[Agent, MemoryLink]] = {}
        self._restarting = asyncio.Lock()
        self.poison: list[str] = []  # of processes that are no more

    def _process(self) -> Process:
        return Process(self.journal, self.assignments, self.random.randrange(1 << 30))

    def some_process(self) -> Process:
        return self.random.choice(self.processes)

    @property
    def fold(self) -> Fold:
        """The truth."""
        return self.witness.fold

    @property
    def alarms(self) -> list[str]:
        return self.witness.alarms + self.memory.alarms

    def poisoned(self) -> list[str]:
        """What raised in a process, though nothing that breaks here is a mistake of ours."""
        living = [poison for process in self.processes for poison in process.poisoned()]
        return self.poison + living + [f"{subject} cannot be folded" for subject in self.fold.spoiled]

    async def start(self) -> None:
        for process in self.processes:
            await process.start()
        for name in self.names:
            await self.start_agent(name)

    async def start_agent(self, name: str) -> None:
        if name not in self.agents:
            link = MemoryLink(name, self)
            driver, dice = ClumsyHypervisor(name, self.memory, self.dice, HOST), Random(f"{self.seed} {name}")
            agent = Agent(link, driver, clock=LoopClock(), random=dice)
            self.agents[name] = agent, link
            await agent.start()

    async def kill_agent(self, name: str) -> None:
        if name in self.agents:
            agent, _ = self.agents.pop(name)
            await agent.stop()

    async def restart(self, index: int) -> None:
        """Kill one process; another begins with an empty fold."""
        async with self._restarting:
            self.poison += self.processes[index].poisoned()
            await self.processes[index].kill()
            fresh = self._process()
            await fresh.start()
            self.processes[index] = fresh

    async def outage(self, seconds: float) -> None:
        """All processes die at once, and come back later."""
        async with self._restarting:
            for process in self.processes:
                self.poison += process.poisoned()
                await process.kill()
            await asyncio.sleep(seconds)
            fresh = [self._process() for _ in self.processes]
            for process in fresh:
                await process.start()
            self.processes = fresh

    async def stop(self) -> None:
        for name in list(self.agents):
            await self.kill_agent(name)
        for process in self.processes:
            await process.kill()

    async def heal(self) -> None:
        """From now on nothing fails."""
        self.assignments.unreachable = 0.0
        self.dice.failures = self.dice.deaths = self.dice.delay = 0.0
        for process in self.processes:
            process.shaky.unreachable = process.shaky.lost = process.shaky.waits_until = 0.0
        for name in self.names:
            await self.start_agent(name)
            self.agents[name][1].heal()

    def ask(self, work: Callable[[Process], Coroutine[Any, Any, Any]]) -> asyncio.Task[Any]:
        """Somebody asks a process for something; a refusal is an answer."""
        process = self.some_process()

        async def answer() -> None:
            with suppress(Refusal, Unavailable):
                await work(process)

        return process.spawn(answer())

    def differing(self) -> Iterator[str]:
        """Processes that know something else than is true: of the living, for the dead are not carried."""
        true = living(self.fold)
        for n, process in enumerate(self.processes):
            if process.fold.position == self.fold.position and living(process.fold) != true:
                yield f"process {n} knows something else"

    def resting(self) -> bool:
        return all(server.phase is None for server in self.fold.all(servers))


def living(fold: Fold) -> dict[str, Any]:
    """What lives, and where it stands; how often it died and came to life before is not known to everybody."""
    shelves = fold.shelves.values()
    found = {f"{s.prefix}.{key}": s.known[key] for s in shelves for key in s.live}
    return {subject: (one.state, one.sequence, one.hash, one.updated_at) for subject, one in found.items()}


def _host() -> hosts.Host:
    return hosts.Host(id="", zone="", capacity=HOST)


__all__ = ["LARGE", "PROJECT", "QUOTA", "SMALL", "USER", "Process", "SimulatedCloud"]
