"""What agents say: many words in one call, each once if nothing is wrong, and never all at once again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from random import Random

import msgspec

from agents.compute.hypervisor import Found
from agents.compute.simulated import CAPACITY, Memory, SimulatedHypervisor
from agents.link import Take
from agents.outbox import IN_AIR, Outbox
from agents.runner import Agent
from events.compute import host as hosts
from events.compute import server as servers
from events.compute.guest import BuiltAsked, ConsoleRead, Joined, Many, Reports, Seen
from events.compute.host import JoinHost
from events.compute.server import PlaceServer, ReportServer, RequestServer, Size
from events.decider import C, Decider, E, Executor, Outcome, S
from events.envelope import CLOUD, Origin
from events.fold import Fold
from events.journal import MemoryJournal, Unavailable
from events.nats.assignments import MemoryAssignments
from events.nats.vault import MemoryVault
from events.nats.wire import Faulty
from events.services import deciders
from events.settings import Settings
from handlers.compute import guests
from handlers.reports import Desk
from handlers.runner import Sight
from tests.waiting import until

SIZE = Size(id="s", name="s", vcpus=1, ram=64, disk=1)
HOSTS, GUESTS = 10, 40

Answer = Callable[[bytes], Awaitable[bytes]]


class Tie:
    """A host's tie to a desk, or to whoever answers; it counts the calls."""

    def __init__(self, answer: Answer, assignments: MemoryAssignments | None = None, host: str = "h1") -> None:
        self.calls: list[Reports] = []
        self._answer = answer
        self._assignments = assignments or MemoryAssignments()
        self._host = host

    async def follow(self, take: Take) -> None:
        self._assignments.follow(self._host, take)

    async def caught_up(self) -> None:
        """All has been heard."""

    async def report(self, payload: bytes, words: int = 1) -> bytes:
        await asyncio.sleep(0)  # a call lets others go on, and takes no time
        self.calls.append(msgspec.json.decode(payload, type=Reports))
        return await self._answer(payload)

    async def beat(self) -> None: ...

    async def close(self) -> None: ...


class Asked(MemoryJournal):
    """Counts how often somebody asks for what is newest."""

    times = 0

    async def last(self) -> int:
        self.times += 1
        return await super().last()


class Clumsy(Executor):
    """Fails at one resource."""

    poison = ""

    async def __call__(self, resource: Decider[S, C, E], command: C, origin: Origin) -> Outcome[S]:
        if command.id == self.poison:
            raise RuntimeError("a mistake of ours")
        return await super().__call__(resource, command, origin)


async def _none(*what: str) -> bytes:
    return b""


async def _nowhere(question: str, text: str) -> None: ...


class Cloud:
    """A desk, the servers that were made on some hosts, and the hosts' memories."""

    def __init__(self) -> None:
        self.journal, self.fold = Asked(), Fold(deciders())
        self.execute = Clumsy(self.journal, self.fold)
        self.assignments, self.memory = MemoryAssignments(), Memory()
        sight = Sight(fold=self.fold, settings=Settings(), vault=MemoryVault())
        self.desk = Desk(self.execute, sight, self.assignments, metadata=_none, read=_nowhere, images=_none)

    async def begin(self, number: int) -> None:
        """So many hosts, each with its guests, that run as everybody knows."""
        await self.fold.follow(self.journal)
        for host in (f"h{n}" for n in range(number)):
            await self.execute(hosts, JoinHost(id=host, zone="nova", capacity=CAPACITY), CLOUD)
            for id in (f"{host}-{n}" for n in range(GUESTS)):
                wish = RequestServer(id=id, project="p", user="u", name="w", hostname="w", size=SIZE)
                await self.execute(servers, wish, CLOUD)
                await self.execute(servers, PlaceServer(id=id, host=host), CLOUD)
                for order in guests.orders(self.fold, id):
                    await self.assignments.put(host, order.kind, id, order.data, order.sequence)
                await self.execute(servers, ReportServer(id=id, host=host, generation=1, seen="running"), CLOUD)
                self.memory.put(host, id, Found(running=True, generation=1))

    def agent(self, host: str) -> tuple[Agent, Tie]:
        async def take(payload: bytes) -> bytes:
            return await self.desk.take(host, payload)

        tie = Tie(take, self.assignments, host)
        return Agent(tie, SimulatedHypervisor(host, self.memory), host=host, zone="nova"), tie


async def settled(*agents: tuple[Agent, Tie]) -> None:
    """Return when they have joined, and have nothing more to do or to say."""

    def is_settled(agent: Agent, tie: Tie) -> bool:
        joined = any(isinstance(call, Joined) for call in tie.calls)
        return joined and not agent._working and not agent._outbox._calls

    await until(lambda: all(is_settled(*one) for one in agents))


async def test_hosts_that_begin_at_once_make_calls_by_their_number_not_by_that_of_their_guests() -> None:
    cloud = Cloud()
    await cloud.begin(HOSTS)
    commits, cloud.journal.times = cloud.fold.position, 0
    agents = [cloud.agent(f"h{n}") for n in range(HOSTS)]
    await asyncio.gather(*(agent.start() for agent, _ in agents))
    await settled(*agents)
    for agent, tie in agents:
        assert len(tie.calls) <= 2, "that it joins, and what it has"
        assert sum(len(call.reports) for call in tie.calls if isinstance(call, Many)) == GUESTS
        await agent.stop()
    assert cloud.journal.times <= 2 * HOSTS
    assert cloud.fold.position == commits, "nothing has changed"


async def test_a_host_that_has_lost_all_its_guests_asks_once_and_tells_once() -> None:
    cloud = Cloud()
    await cloud.begin(1)
    cloud.memory.guests.clear()
    agent, tie = cloud.agent("h0")
    await agent.start()
    await settled((agent, tie))
    assert len(tie.calls) <= 3
    assert {server.status for server in cloud.fold.all(servers)} == {"ERROR"}
    await agent.stop()


async def test_what_all_guests_of_a_host_do_at_once_is_told_in_one_call() -> None:
    cloud = Cloud()
    await cloud.begin(1)
    for id in cloud.memory.guests["h0"]:
        cloud.memory.put("h0", id, Found(running=False, generation=1))
    agent, tie = cloud.agent("h0")
    await agent.start()
    await settled((agent, tie))
    assert len(tie.calls) == 2
    assert {server.status for server in cloud.fold.all(servers)} == {"SHUTOFF"}
    await agent.stop()


async def test_one_report_that_cannot_be_served_does_not_keep_the_others() -> None:
    cloud = Cloud()
    await cloud.begin(1)
    for id in ("h0-1", "h0-2", "h0-3"):
        cloud.memory.put("h0", id, Found(running=False, generation=1))
    cloud.execute.poison = "h0-2"
    agent, tie = cloud.agent("h0")
    await agent.start()
    await settled((agent, tie))
    await agent.stop()
    off = {server.id for server in cloud.fold.all(servers) if server.status == "SHUTOFF"}
    assert off == {"h0-1", "h0-3"}


async def test_handlers_of_an_older_version_are_told_one_by_one() -> None:
    async def older(payload: bytes) -> bytes:
        report = msgspec.json.decode(payload, type=Reports)
        if isinstance(report, Many):
            raise Faulty("report.h1 was not served")
        return b"yes" if isinstance(report, BuiltAsked) else b""

    outbox = Outbox(Tie(older))
    words = [*(Seen(server=str(n), generation=1, seen="running") for n in range(5)), BuiltAsked(server="5")]
    assert await asyncio.gather(*map(outbox.say, words)) == [b""] * 5 + [b"yes"]


async def test_an_answer_that_fits_not_what_was_said_leaves_nobody_waiting() -> None:
    async def short(payload: bytes) -> bytes:
        report = msgspec.json.decode(payload, type=Reports)
        return msgspec.json.encode([b""]) if isinstance(report, Many) else b"by itself"

    outbox = Outbox(Tie(short))
    words = [Seen(server=str(n), generation=1, seen="running") for n in range(5)]
    async with asyncio.timeout(10):
        assert await asyncio.gather(*map(outbox.say, words)) == [b"by itself"] * 5


async def test_what_is_said_while_a_call_is_in_the_air_waits_for_no_more_than_its_turn() -> None:
    gate = asyncio.Event()

    async def slow(payload: bytes) -> bytes:
        await gate.wait()
        report = msgspec.json.decode(payload, type=Reports)
        return msgspec.json.encode([b""] * len(report.reports)) if isinstance(report, Many) else b""

    tie = Tie(slow)
    outbox = Outbox(tie)
    said = []
    for n in range(100):
        said.append(asyncio.create_task(outbox.say(Seen(server=str(n), generation=1, seen="running"))))
        await asyncio.sleep(0)  # each in a turn of the loop of its own
    await until(lambda: len(tie.calls) == IN_AIR)
    gate.set()
    await asyncio.gather(*said)
    assert len(tie.calls) <= 2 * IN_AIR


async def test_a_report_that_nobody_hears_is_said_again_ever_less_often() -> None:
    heard: list[float] = []

    async def away(payload: bytes) -> bytes:
        heard.append(asyncio.get_running_loop().time())
        if len(heard) < 5:
            raise Unavailable("nobody is there")
        return b""

    outbox = Outbox(Tie(away), random=Random(1), longest=0.1)
    await outbox.say(ConsoleRead(question="q", text=""))
    pauses = [after - before for before, after in pairwise(heard)]
    assert len({round(pause, 3) for pause in pauses}) > 3, "thrown by dice"
    assert pauses[0] < 0.1 < sum(pauses[1:])
