"""What happens in a simulated cloud: people who ask for things, and things that break. All of it at random."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from events.compute import quota as compute_quota
from events.compute import server as servers
from events.compute.server import (
    Attachment,
    DeleteServer,
    RebootServer,
    RequestServer,
    ResetServerState,
    StartServer,
    StopServer,
)
from events.decider import Step
from events.envelope import Command
from events.network import network as networks
from events.network import port as ports
from events.network.network import CreateNetwork
from events.network.subnet import CreateSubnet, Pool
from projections.network.network import create_network, create_subnet, delete_network
from projections.network.port import NewPort, create_port, delete_port
from tests.simulation.clouds import LARGE, PROJECT, QUOTA, SETTINGS, SMALL, USER, Process, SimulatedCloud

CLAIM = timedelta(minutes=5)


async def ask_for_server(process: Process, id: str, attachments: tuple[Attachment, ...], large: bool) -> None:
    """As the gateway does: room in the quota, then the server."""
    size = LARGE if large else SMALL
    amounts = {"instances": 1, "cores": size.vcpus, "ram": size.ram}
    until = process.execute.clock.now() + CLAIM
    claim = compute_quota.ClaimRoom(id=PROJECT, holder=id, amounts=amounts, defaults=QUOTA, until=until)
    wish = RequestServer(
        id=id, project=PROJECT, user="u", name=id, hostname=id, size=size, attachments=attachments, request="req-1"
    )
    steps = [
        Step(compute_quota, claim, compute_quota.ReturnRoom(id=PROJECT, holder=id)),
        Step(servers, wish, DeleteServer(id=id)),
    ]
    await process.execute.all(steps, USER)


async def ask_for_network(process: Process, id: str, number: int, addresses: int) -> None:
    """A network with a subnet that has few addresses."""
    wish = CreateNetwork(id=id, project=PROJECT, claim=f"n{number}")
    await create_network(process.execute, USER, wish, rng=process.random)
    first = f"10.0.{number % 250}"
    subnet = CreateSubnet(
        id=f"subnet-{number}",
        project=PROJECT,
        claim=f"s{number}",
        network=id,
        cidr=f"{first}.0/24",
        ip_version=4,
        gateway_ip=f"{first}.1",
        pools=(Pool(f"{first}.2", f"{first}.{1 + addresses}"),),
    )
    await create_subnet(process.execute, USER, subnet)


class Moves:
    """One history."""

    def __init__(self, cloud: SimulatedCloud) -> None:
        self.cloud = cloud
        self.random = cloud.random
        self._count = 0
        self._later: set[asyncio.Task[Any]] = set()
        people: dict[Callable[[], None], float] = {
            self.create_server: 6,
            self.on_server: 8,
            self.delete_server: 4,
            self.create_port: 2,
        }
        people |= {self.rush: 1, self.clear: 0.5, self.delete_port: 2, self.create_network: 1, self.delete_network: 1}
        faults: dict[Callable[[], None], float] = {
            self.restart: 2,
            self.agent_dies: 2,
            self.cut: 2,
            self.lag: 3,
            self.trouble: 3,
            self.outage: 0.2,
            self.close_epoch: 1,
        }
        self._kinds = list(people | faults)
        self._weights = [*people.values(), *faults.values()]

    async def begin(self) -> None:
        await self.cloud.start()
        self.create_network()
        await asyncio.sleep(0.2)

    async def run(self, moves: int) -> None:
        for _ in range(moves):
            (kind,) = self.random.choices(self._kinds, self._weights)
            kind()
            await asyncio.sleep(self.random.expovariate(1 / self.random.choice((0.002, 0.05, 0.5))))
            if self.cloud.alarms:
                return

    async def end(self) -> None:
        """Whatever goes on by itself comes to its end."""
        while self._later:
            await asyncio.wait(self._later)
        await self.cloud.heal()

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}-{self._count}"

    def _after(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._later.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Future[Any]) -> None:
        self._later.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            self.cloud.poison.append(f"nobody can go on: {fault!r}")

    def _one(self, resource: Any) -> str | None:
        live = list(self.cloud.fold.shelf(resource).live)
        return self.random.choice(live) if live else None

    # People

    def create_server(self) -> None:
        id, large = self._name("server"), self.random.random() < 0.3
        attachments: list[Attachment] = []
        for _ in range(self.random.choice((0, 1, 1, 2))):
            if (port := self._one(ports)) is not None and self.random.random() < 0.3:
                attachments.append(Attachment(port=port))
            elif (network := self._one(networks)) is not None:
                attachments.append(Attachment(network=network))
        self.cloud.ask(lambda process: ask_for_server(process, id, tuple(attachments), large))

    def rush(self) -> None:
        """Several at once, of several processes."""
        for _ in range(5):
            self.create_server()

    def clear(self) -> None:
        for id in list(self.cloud.fold.shelf(servers).live):
            self._do(servers, DeleteServer(id=id, deadline=_deadline()))

    def _do(self, resource: Any, command: Command) -> None:
        self.cloud.ask(lambda process: process.execute.all([Step(resource, command)], USER))

    def on_server(self) -> None:
        id = self._one(servers)
        if id is None:
            return
        deadline = _deadline()
        kinds: list[Command] = [
            StopServer(id=id, deadline=deadline),
            StartServer(id=id, deadline=deadline),
            RebootServer(id=id, kind="SOFT", deadline=deadline),
            RebootServer(id=id, kind="HARD", deadline=deadline),
        ]
        if self.random.random() < 0.1:
            kinds = [
                ResetServerState(id=id, status="ACTIVE", deadline=deadline),
                ResetServerState(id=id, status="ERROR"),
            ]
        self._do(servers, self.random.choice(kinds))

    def delete_server(self) -> None:
        if (id := self._one(servers)) is not None:
            self._do(servers, DeleteServer(id=id, deadline=_deadline()))

    def create_port(self) -> None:
        if (network := self._one(networks)) is not None:
            new = NewPort(id=self._name("port"), project=PROJECT, network=network)
            self.cloud.ask(lambda process: create_port(process.execute, USER, new, rng=process.random))

    def delete_port(self) -> None:
        if (id := self._one(ports)) is not None:
            self.cloud.ask(lambda process: delete_port(process.execute, USER, id))

    def create_network(self) -> None:
        id, addresses = self._name("network"), self.random.randrange(2, 9)
        number = self._count
        self.cloud.ask(lambda process: ask_for_network(process, id, number, addresses))

    def delete_network(self) -> None:
        network = self.cloud.fold.get(networks, self._one(networks) or "")
        if network is not None:
            self.cloud.ask(lambda process: delete_network(process.execute, USER, network, rng=process.random))

    # What breaks

    def restart(self) -> None:
        self._after(self.cloud.restart(self.random.randrange(len(self.cloud.processes))))

    def outage(self) -> None:
        """Longer than any claim stands."""
        self._after(self.cloud.outage(self.random.choice((1.0, 30.0, 400.0))))

    def agent_dies(self) -> None:
        self._after(self._absent(self.random.choice(self.cloud.names), self.random.choice((0.0, 1.0, 20.0, 100.0))))

    async def _absent(self, name: str, seconds: float) -> None:
        await self.cloud.kill_agent(name)
        await asyncio.sleep(seconds)
        await self.cloud.start_agent(name)

    def cut(self) -> None:
        self._after(self._apart(self.random.choice(self.cloud.names), self.random.choice((0.5, 5.0, 60.0))))

    async def _apart(self, name: str, seconds: float) -> None:
        if name in self.cloud.agents:
            _, link = self.cloud.agents[name]
            link.is_cut = True
            await asyncio.sleep(seconds)
            link.heal()

    def close_epoch(self) -> None:
        """One process, or two at once, carry all that lives into a new epoch, and drop the old one."""
        for _ in range(self.random.choice((1, 1, 2))):
            self.cloud.ask(lambda process: process.close_epoch())

    def lag(self) -> None:
        """A reader hears nothing for a while, and then all at once."""
        now = asyncio.get_running_loop().time()
        self.cloud.some_process().shaky.waits_until = now + self.random.choice((0.02, 0.5, 5.0))

    def trouble(self) -> None:
        """Drivers and the way to the journal get worse, or better."""
        dice, shaky = self.cloud.dice, self.cloud.some_process().shaky
        bad = self.random.random() < 0.5
        dice.failures = self.random.choice((0.1, 0.5)) if bad else 0.0
        dice.hopeless = self.random.choice((0.0, 0.3))
        dice.deaths = self.random.choice((0.0, 0.2))
        dice.delay = self.random.choice((0.0, 0.2, 2.0))
        self.cloud.assignments.unreachable = self.random.choice((0.0, 0.0, 0.5))
        shaky.unreachable = self.random.choice((0.05, 0.5)) if self.random.random() < 0.3 else 0.0
        shaky.lost = 0.1 if self.random.random() < 0.3 else 0.0


def _deadline() -> Any:
    from tests.simulation.virtual import LoopClock

    return LoopClock().now() + timedelta(seconds=SETTINGS.compute.build_deadline)


__all__ = ["Moves", "ask_for_server"]
