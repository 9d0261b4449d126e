"""Networks and subnets deleted while others make ports and subnets on them."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from events.decider import Executor
from events.envelope import CLOUD
from events.ids import new_id
from events.network import address, mac, quota, segment
from events.network import network as networks
from events.network import port as ports
from events.network import subnet as subnets
from events.network.network import CreateNetwork, LeaveNetwork, Network
from events.network.subnet import Pool
from events.refusals import Conflict, NotFound, Refusal
from projections.network.network import create_network, create_subnet, delete_network, delete_subnet
from projections.network.port import create_port, delete_port
from tests.projections.network.worlds import (
    NET,
    PROJECT,
    SUB,
    SlowJournal,
    a_network,
    a_port,
    a_subnet,
    doors,
    later,
    settle,
)

SEEDS = 20


async def current(made: list[Executor]) -> None:
    for door in made:
        await door.fold.reach(await door.journal.last())


def whole(door: Executor) -> None:
    """Nothing alive stands on what is gone, and nothing is claimed for nothing."""
    fold = door.fold
    for port in fold.all(ports):
        assert fold.get(networks, port.network) is not None, "a port on a deleted network"
        for one in port.addresses:
            assert fold.get(subnets, one.subnet) is not None, "an address of a deleted subnet"
    for subnet in fold.all(subnets):
        assert fold.get(networks, subnet.network) is not None, "a subnet on a deleted network"
    assert len(fold.all(mac)) == len([port for port in fold.all(ports) if port.mac_claim])
    assert len(fold.all(address)) == sum(len(port.addresses) for port in fold.all(ports))
    room = fold.get(quota, PROJECT)
    if room is not None:
        assert room.used.get("port", 0) == len(fold.all(ports))


async def test_no_port_stays_on_a_network_that_was_deleted_meanwhile(seed: int) -> None:
    async with doors(2, SlowJournal(seed)) as made:
        await a_network(made[0], [("10.0.0.10", "10.0.0.200")])
        await current(made)
        network = made[0].fold.get(networks, NET)
        assert network is not None
        outcomes = await asyncio.gather(
            *(create_port(made[1], CLOUD, a_port()) for _ in range(seed % 3 + 1)),
            delete_network(made[0], CLOUD, network),
            return_exceptions=True,
        )
        await current(made)
        assert all(one is None or isinstance(one, (ports.Port, Refusal)) for one in outcomes), outcomes
        gone = made[0].fold.get(networks, NET) is None
        assert gone == (outcomes[-1] is None)
        whole(made[0])
        later(made[0])
        await settle(made[0])
        whole(made[0])


async def test_the_alarm_is_heard_if_nobody_looks_for_the_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projections.network.port.still_there", lambda network, chosen: [])
    heard = 0
    for seed in range(30):
        try:
            await test_no_address_stays_of_a_subnet_that_was_deleted_meanwhile(seed)
        except AssertionError:
            heard += 1
    assert heard


async def test_no_address_stays_of_a_subnet_that_was_deleted_meanwhile(seed: int) -> None:
    async with doors(2, SlowJournal(seed)) as made:
        await a_network(made[0], [("10.0.0.10", "10.0.0.200")])
        await current(made)
        subnet = made[0].fold.get(subnets, SUB)
        assert subnet is not None
        await asyncio.gather(
            *(create_port(made[1], CLOUD, a_port()) for _ in range(2)),
            delete_subnet(made[0], CLOUD, subnet),
            return_exceptions=True,
        )
        await current(made)
        whole(made[0])


async def test_no_subnet_stays_on_a_network_that_was_deleted_meanwhile(seed: int) -> None:
    async with doors(2, SlowJournal(seed)) as made:
        await made[0](networks, CreateNetwork(id=NET, project=PROJECT, claim="n"), CLOUD)
        await current(made)
        network = made[0].fold.get(networks, NET)
        assert network is not None
        await asyncio.gather(
            create_subnet(made[1], CLOUD, a_subnet()),
            delete_network(made[0], CLOUD, network),
            return_exceptions=True,
        )
        await current(made)
        whole(made[0])
        later(made[0])
        await settle(made[0])
        whole(made[0])


async def test_a_network_with_ports_is_not_deleted_and_stays_usable() -> None:
    async with doors() as [door]:
        await a_network(door)
        port = await create_port(door, CLOUD, a_port())
        network = door.fold.get(networks, NET)
        assert network is not None
        with pytest.raises(Conflict) as refused:
            await delete_network(door, CLOUD, network)
        assert refused.value.kind == "NetworkInUse"
        assert port.id in refused.value.message
        await create_port(door, CLOUD, a_port())


async def test_a_network_goes_with_its_subnets_and_the_ports_of_its_dhcp() -> None:
    async with doors() as [door]:
        network = await create_network(door, CLOUD, CreateNetwork(id=NET, project=PROJECT, claim="n"))
        await create_subnet(door, CLOUD, a_subnet(pools=(Pool("10.0.0.2", "10.0.0.6"),)))
        await create_port(door, CLOUD, a_port(device_owner="network:dhcp"))
        network = door.fold.get(networks, NET) or network
        await delete_network(door, CLOUD, network)
        for kind in (networks, subnets, ports, mac, address, segment):
            assert door.fold.all(kind) == []
        room = door.fold.get(quota, PROJECT)
        assert room is not None
        assert not any(room.used.values())


async def test_a_mark_that_nobody_came_back_for_is_taken_away() -> None:
    async with doors() as [door]:
        await a_network(door)
        until = door.clock.now() + timedelta(seconds=60)
        await door(networks, LeaveNetwork(id=NET, claim="d", until=until), CLOUD)
        later(door)
        await settle(door)
        await create_port(door, CLOUD, a_port(fixed_ips=()))
        with pytest.raises(Conflict):
            await door(networks, networks.DeleteNetwork(id=NET, claim="d"), CLOUD)


async def test_a_place_of_a_subnet_that_never_came_is_given_back() -> None:
    async with doors() as [door]:
        await door(networks, CreateNetwork(id=NET, project=PROJECT, claim="n"), CLOUD)
        until = door.clock.now() + timedelta(seconds=60)
        place = networks.PlaceSubnet(id=NET, subnet=SUB, cidr="10.0.0.0/24", claim="s", until=until)
        await door(networks, place, CLOUD)
        later(door)
        await settle(door)
        network = door.fold.get(networks, NET)
        assert network is not None
        assert network.places == ()
        with pytest.raises(Refusal):
            await door(subnets, a_subnet(), CLOUD)  # it was only slow, but its time is over


async def test_subnets_of_a_network_do_not_overlap() -> None:
    async with doors(2) as made:
        await made[0](networks, CreateNetwork(id=NET, project=PROJECT, claim="n"), CLOUD)
        await current(made)
        wishes = [a_subnet(id=new_id(), cidr=cidr) for cidr in ("10.0.0.0/24", "10.0.0.128/25")]
        outcomes = await asyncio.gather(
            *(create_subnet(door, CLOUD, wish) for door, wish in zip(made, wishes, strict=True)),
            return_exceptions=True,
        )
        assert sorted(type(one).__name__ for one in outcomes) == ["Invalid", "Subnet"]
        room = made[0].fold.get(quota, PROJECT)
        assert room is not None
        assert room.used == {"subnet": 1}


async def test_automatic_addresses_go_with_their_subnet() -> None:
    async with doors() as [door]:
        await a_network(door)
        port = await create_port(door, CLOUD, a_port())
        wish = a_subnet(id=new_id(), cidr="fd00::/64", ip_version=6, ipv6_ra_mode="slaac", ipv6_address_mode="slaac")
        slaac = await create_subnet(door, CLOUD, wish)
        after = door.fold.get(ports, port.id)
        assert after is not None
        assert [one.subnet for one in after.addresses] == [SUB, slaac.id]
        await delete_subnet(door, CLOUD, slaac)
        after = door.fold.get(ports, port.id)
        assert after is not None
        assert [one.subnet for one in after.addresses] == [SUB]
        whole(door)


async def test_numbers_of_segments_are_never_shared() -> None:
    async with doors(3) as made:
        outcomes: list[Network] = await asyncio.gather(
            *(
                create_network(door, CLOUD, CreateNetwork(id=new_id(), project=PROJECT, claim="n"))
                for _ in range(10)
                for door in made
            )
        )
        assert len({network.segmentation_id for network in outcomes}) == 30


async def test_who_deletes_a_port_that_is_gone_is_told_so() -> None:
    async with doors() as [door]:
        with pytest.raises(NotFound):
            await delete_port(door, CLOUD, new_id())
