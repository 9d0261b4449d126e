"""What no visitor brings about at will: an attempt that was given up: by commands, at the one door."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from events.compute import host as hosts
from events.compute import host_room
from events.compute import server as servers
from events.compute.host import Capacity, DeleteHost, JoinHost, MissHost
from events.compute.server import ChangePorts
from events.decider import Executor
from events.envelope import CLOUD
from events.fold import Fold
from events.identity import revocation
from events.identity.revocation import ForgetToken, RevokeToken
from events.journal import Journal
from events.network import network as networks
from events.network import port as ports
from events.network import security_group as groups
from events.network import subnet as subnets
from events.network.network import KeepNetwork, LeaveNetwork
from events.network.security_group import DescribeRule
from events.network.standard import Sweep
from events.network.subnet import KeepSubnet, LeaveSubnet
from events.room import ClaimRoom, ResetLimits, ReturnRoom, SetLimits
from events.services import deciders

SPENT = datetime(2020, 1, 1, tzinfo=UTC)
ONE = Capacity(vcpus=2, ram=2048, disk=20)
TWO = Capacity(vcpus=4, ram=4096, disk=40)


async def rare(journal: Journal) -> None:
    """Make the kinds of events that HTTP does not."""
    fold = Fold(deciders())
    await fold.follow(journal)
    execute = Executor(journal, fold)

    async def do(resource: Any, *commands: Any) -> None:
        for command in commands:
            await execute(resource, command, CLOUD)

    joined = JoinHost(id="retired", zone="nova", capacity=ONE)
    grown = JoinHost(id="retired", zone="nova", capacity=TWO)
    await do(hosts, joined, grown, MissHost(id="retired"), grown, DeleteHost(id="retired"))
    claim = ClaimRoom(id="retired", holder="nobody", amounts={"ram": 1}, defaults={})
    limits = SetLimits(id="retired", limits={"ram": 2048})
    await do(host_room, limits, claim, ReturnRoom(id="retired", holder="nobody"), ResetLimits(id="retired"))
    await do(revocation, RevokeToken(id="spent", until=SPENT), ForgetToken(id="spent", now=SPENT + timedelta(days=1)))
    for resource in (networks, subnets, ports, groups):
        await do(resource, Sweep(id=fold.all(resource)[0].id, claim="given-up"))
    until = datetime.now(UTC) + timedelta(minutes=5)
    network, subnet = fold.all(networks)[0], fold.all(subnets)[0]
    leave, keep = LeaveNetwork(id=network.id, claim="kept", until=until), KeepNetwork(id=network.id, claim="kept")
    await do(networks, leave, keep)
    away, back = LeaveSubnet(id=subnet.id, claim="kept", until=until), KeepSubnet(id=subnet.id, claim="kept")
    await do(subnets, away, back)
    group = fold.all(groups)[0]
    await do(groups, DescribeRule(id=group.id, rule=next(iter(group.rules)), description="described"))
    server = fold.all(servers)[0]
    await do(servers, ChangePorts(id=server.id, ports=()), ChangePorts(id=server.id, ports=server.ports))
    await fold.stop()
