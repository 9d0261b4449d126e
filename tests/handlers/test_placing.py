"""Placing servers on hosts: what a full cloud costs, and what room that comes back is worth."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from events.clock import SystemClock
from events.compute import host as hosts
from events.compute import host_room
from events.compute import server as servers
from events.compute.host import Capacity, JoinHost
from events.compute.host_room import ClaimRoom
from events.compute.server import FailServer, RequestServer, Size
from events.decider import Executor
from events.envelope import CLOUD
from events.fold import Fold
from events.journal import MemoryJournal
from events.nats.vault import MemoryVault
from events.services import deciders
from events.settings import Settings
from handlers.compute import server as plans
from handlers.runner import Sight
from handlers.wishes import Wish

SIZE = Size(id="s", name="s", vcpus=2, ram=64, disk=1)
LIMITS = {"vcpus": 8, "ram": 512, "disk": 10}
HOSTS, WAITING = 3, 40


class Counting(Fold):
    """Counts how often somebody looks at the room of a host."""

    looks = 0

    def get(self, resource: Any, key: Any) -> Any:
        self.looks += resource is host_room
        return super().get(resource, key)


async def full(holders: list[str]) -> Sight:
    """Hosts on which all is claimed for these, and servers that wait."""
    journal, fold = MemoryJournal(), Counting(deciders())
    execute = Executor(journal, fold)
    await fold.follow(journal)
    until = SystemClock().now() + timedelta(minutes=1)
    for n in range(HOSTS):
        capacity = Capacity(vcpus=2, ram=1024, disk=10, hypervisor_type="simulated")
        await execute(hosts, JoinHost(id=f"h{n}", zone="nova", capacity=capacity), CLOUD)
        for holder in holders:
            claim = ClaimRoom(
                id=f"h{n}", holder=holder, amounts={"vcpus": 8 // len(holders)}, defaults=LIMITS, until=until
            )
            await execute(host_room, claim, CLOUD)
    for n in range(WAITING):
        wish = RequestServer(id=f"w{n}", project="p", user="u", name="w", hostname="w", size=SIZE)
        await execute(servers, wish, CLOUD)
    return Sight(fold=fold, settings=Settings(), vault=MemoryVault())


async def test_room_that_is_held_for_nobody_is_waited_for_and_looked_at_once_in_a_round() -> None:
    sight = await full(["gone", "neither"])
    wishes = list(plans.plan(sight, SystemClock().now()))
    assert not [wish for wish in wishes if isinstance(wish, Wish) and isinstance(wish.command, FailServer)]
    assert isinstance(sight.fold, Counting)
    assert sight.fold.looks <= 2 * HOSTS, "once for the candidates, once for what would be left"
