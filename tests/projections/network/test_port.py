"""Ports, made and unmade by several processes at once over one journal."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from random import Random

import pytest

from events.envelope import CLOUD
from events.network import address, mac, quota
from events.network import network as networks
from events.network import port as ports
from events.network import security_group as groups
from events.network import subnet as subnets
from events.network.network import LeaveNetwork, PlaceSubnet
from events.network.port import ChangePort
from events.network.subnet import LeaveSubnet, Pool
from events.refusals import Busy, Conflict, NotFound, OverQuota, Refusal
from projections.network.addresses import Wanted, free
from projections.network.port import change_port, create_port, delete_port, steps_to_create
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
from tests.worlds import one_by_one

SEEDS = 20
WISHES = (("fixed_ips",), ("fixed_ips",), ("mac",), ("fixed_ips", "mac"))


async def test_a_port_gets_an_address_a_mac_and_the_default_group() -> None:
    async with doors() as [door]:
        await a_network(door)
        port = await create_port(door, CLOUD, a_port())
        assert port.addresses[0].ip in {f"10.0.0.{n}" for n in range(2, 7)}
        assert port.mac == f"fa:16:3e:00:00:0{port.addresses[0].ip[-1]}"  # its own, for the address is
        assert not door.fold.all(mac)
        group = door.fold.get(groups, port.security_groups[0])
        assert group is not None
        assert (group.name, len(group.rules)) == ("default", 4)
        room = door.fold.get(quota, PROJECT)
        assert room is not None
        assert room.used == {"port": 1, "security_group": 1, "security_group_rule": 4}


async def test_a_deleted_port_leaves_nothing_behind() -> None:
    async with doors() as [door]:
        await a_network(door)
        port = await create_port(door, CLOUD, a_port())
        await delete_port(door, CLOUD, port.id)
        assert not door.fold.all(address)
        assert not door.fold.all(mac)
        room = door.fold.get(quota, PROJECT)
        assert room is not None
        assert room.used["port"] == 0
        assert await settle(door) == 0


async def test_the_pool_is_exhausted_exactly_when_it_is_full() -> None:
    async with doors() as [door]:
        await a_network(door)
        made = [await create_port(door, CLOUD, a_port()) for _ in range(5)]
        assert {port.addresses[0].ip for port in made} == {f"10.0.0.{n}" for n in range(2, 7)}
        with pytest.raises(Conflict) as refused:
            await create_port(door, CLOUD, a_port())
        assert refused.value.kind == "IpAddressGenerationFailure"
        await delete_port(door, CLOUD, made[2].id)
        again = await create_port(door, CLOUD, a_port())
        assert again.addresses[0].ip == made[2].addresses[0].ip


async def test_racing_processes_never_share_an_address() -> None:
    async with doors(3) as made:
        await a_network(made[0], [("10.0.0.10", "10.0.0.29")])
        for door in made:
            await door.fold.reach(await door.journal.last())
        outcomes = await asyncio.gather(
            *(create_port(door, CLOUD, a_port()) for _ in range(8) for door in made), return_exceptions=True
        )
        won = [outcome for outcome in outcomes if isinstance(outcome, ports.Port)]
        lost = [outcome for outcome in outcomes if not isinstance(outcome, ports.Port)]
        assert len({port.addresses[0].ip for port in won}) == len(won) == 20
        assert all(isinstance(refusal, Refusal) for refusal in lost), lost
        assert len(made[0].fold.all(address)) == 20
        assert len({port.mac for port in won}) == 20


async def test_a_subnet_that_is_being_deleted_gives_no_address() -> None:
    async with doors() as [door]:
        await a_network(door)
        until = door.clock.now() + timedelta(seconds=60)
        await door(subnets, LeaveSubnet(id=SUB, claim="d", until=until), CLOUD)
        with pytest.raises((Busy, Conflict)):
            await create_port(door, CLOUD, a_port())
        assert not door.fold.all(address)


async def test_steps_worked_out_before_the_mark_are_refused_after_it() -> None:
    async with doors() as [door]:
        await a_network(door)
        steps = steps_to_create(door.fold, a_port(), now=door.clock.now(), rng=Random(1))
        until = door.clock.now() + timedelta(seconds=60)
        await door(networks, LeaveNetwork(id=NET, claim="d", until=until), CLOUD)
        with pytest.raises(Busy):
            await door.all(steps, CLOUD)
        assert not door.fold.all(mac)
        assert not door.fold.all(ports)


@pytest.mark.parametrize("after", range(1, 7))
async def test_what_a_dead_attempt_claimed_is_given_back_and_the_attempt_never_ends(after: int) -> None:
    async with doors() as [door]:
        await a_network(door)
        steps = list(one_by_one(steps_to_create(door.fold, a_port(), now=door.clock.now(), rng=Random(1))))
        for step in steps[:after]:
            await door(step.resource, step.command, CLOUD)
        assert await settle(door) == 0  # it may still be at it
        later(door)
        await settle(door)
        assert not door.fold.all(address)
        assert not door.fold.all(mac)
        room = door.fold.get(quota, PROJECT)
        assert room is None or not room.used.get("port")
        if after > 2:  # it had claimed something
            with pytest.raises(Busy):
                await door(steps[-1].resource, steps[-1].command, CLOUD)
        assert not door.fold.all(ports)


async def test_another_attempt_at_the_same_port_may_end_after_one_was_given_up() -> None:
    async with doors() as [door]:
        await a_network(door)
        new = a_port()
        for step in list(one_by_one(steps_to_create(door.fold, new, now=door.clock.now())))[:-1]:
            await door(step.resource, step.command, CLOUD)
        later(door)
        await settle(door)
        port = await create_port(door, CLOUD, new)
        assert port.id == new.id
        assert await settle(door) == 0


async def test_two_attempts_at_one_port_make_one() -> None:
    async with doors(2) as made:
        await a_network(made[0])
        await made[1].fold.reach(await made[1].journal.last())
        new = a_port()
        one, two = await asyncio.gather(*(create_port(door, CLOUD, new) for door in made))
        assert one.addresses == two.addresses
        later(made[0])
        await settle(made[0])
        assert [address.ip(claim) for claim in made[0].fold.all(address)] == [one.addresses[0].ip]
        room = made[0].fold.get(quota, PROJECT)
        assert room is not None
        assert room.used["port"] == 1


async def test_an_address_can_be_exchanged_for_another() -> None:
    async with doors() as [door]:
        await a_network(door)
        port = await create_port(door, CLOUD, a_port(fixed_ips=(Wanted(ip="10.0.0.77"),)))
        port = await change_port(door, CLOUD, port.id, ChangePort(id=port.id), fixed_ips=(Wanted(ip="10.0.0.78"),))
        assert port.ips == ("10.0.0.78",)
        assert [address.ip(claim) for claim in door.fold.all(address)] == ["10.0.0.78"]
        port = await change_port(door, CLOUD, port.id, ChangePort(id=port.id), mac="fa:16:3e:00:00:01")
        assert [claim.key[1] for claim in door.fold.all(mac)] == ["fa-16-3e-00-00-01"]
        assert await settle(door) == 0


async def test_an_address_in_use_is_refused_and_nothing_stays_claimed() -> None:
    async with doors() as [door]:
        await a_network(door)
        await create_port(door, CLOUD, a_port(fixed_ips=(Wanted(ip="10.0.0.77"),)))
        with pytest.raises(Conflict) as refused:
            await create_port(door, CLOUD, a_port(fixed_ips=(Wanted(ip="10.0.0.77"),)))
        assert refused.value.kind == "IpAddressAlreadyAllocated"
        assert not door.fold.all(mac)


async def test_a_mac_address_that_follows_from_an_address_in_use_is_refused() -> None:
    async with doors() as [door]:
        await a_network(door, [("10.0.0.2", "10.0.0.9")])
        kept = await create_port(door, CLOUD, a_port(fixed_ips=(Wanted(ip="10.0.0.5"),)))
        with pytest.raises(Conflict) as refused:
            await create_port(door, CLOUD, a_port(mac=kept.mac, fixed_ips=(Wanted(ip="10.0.0.6"),)))
        assert refused.value.kind == "MacAddressInUse"
        await change_port(door, CLOUD, kept.id, ChangePort(id=kept.id), fixed_ips=(Wanted(ip="10.0.0.7"),))
        later_one = await create_port(door, CLOUD, a_port(fixed_ips=(Wanted(ip="10.0.0.5"),)))
        assert later_one.mac != kept.mac
        assert [claim.holder.partition(".")[0] for claim in door.fold.all(mac)] == [later_one.id]


async def test_subnets_whose_addresses_would_make_the_same_mac_address_have_theirs_claimed() -> None:
    async with doors() as [door]:
        await a_network(door)
        until = door.clock.now() + timedelta(seconds=60)
        await door(networks, PlaceSubnet(id=NET, subnet="t", cidr="12.0.0.0/24", claim="t", until=until), CLOUD)
        await door(subnets, a_subnet(id="t", claim="t", cidr="12.0.0.0/24"), CLOUD)
        made = [await create_port(door, CLOUD, a_port(fixed_ips=(Wanted(ip=f"{n}.0.0.5"),))) for n in (10, 12)]
        assert len({port.mac for port in made}) == len(door.fold.all(mac)) == 2


async def test_no_two_ports_of_a_network_have_one_mac_address(seed: int) -> None:
    """Some have it from their address, some ask for it, some keep it when they get another address."""
    async with doors(2, SlowJournal(seed)) as made:
        await a_network(made[0], [("10.0.0.2", "10.0.0.250")])
        for door in made:
            await door.fold.reach(await door.journal.last())

        async def person(number: int) -> None:
            dice, door = Random(f"{seed} {number}"), made[number % 2]
            wishes = {"fixed_ips": (Wanted(ip=f"10.0.0.{dice.choice((5, 6))}"),), "mac": "fa:16:3e:00:00:05"}
            try:
                port = await create_port(door, CLOUD, a_port(**{name: wishes[name] for name in dice.choice(WISHES)}))
                if dice.random() < 0.5:
                    other = (Wanted(ip=f"10.0.0.{dice.choice((5, 6, 7))}"),)
                    await change_port(door, CLOUD, port.id, ChangePort(id=port.id), fixed_ips=other)
                if dice.random() < 0.5:
                    await delete_port(door, CLOUD, port.id)
            except Refusal:
                pass
            for each in made:
                held = [port.mac for port in each.fold.all(ports)]
                assert len(held) == len(set(held))

        await asyncio.gather(*(person(number) for number in range(8)))


async def test_the_quota_of_ports_is_never_exceeded() -> None:
    async with doors(2) as made:
        await a_network(made[0])
        await made[0](quota, quota.SetLimits(id=PROJECT, limits={"port": 3}), CLOUD)
        await made[1].fold.reach(await made[1].journal.last())
        outcomes = await asyncio.gather(
            *(create_port(door, CLOUD, a_port()) for _ in range(3) for door in made), return_exceptions=True
        )
        assert sorted(type(one).__name__ for one in outcomes) == ["OverQuota"] * 3 + ["Port"] * 3
        over = next(one for one in outcomes if isinstance(one, OverQuota))
        assert over.message == "Quota exceeded for resources: ['port']."


async def test_no_port_without_its_network() -> None:
    async with doors() as [door]:
        with pytest.raises(NotFound):
            await create_port(door, CLOUD, a_port())


async def test_a_deleted_group_is_taken_from_its_ports() -> None:
    async with doors() as [door]:
        await a_network(door)
        port = await create_port(door, CLOUD, a_port())
        await door(groups, groups.DeleteSecurityGroup(id=port.security_groups[0]), CLOUD)
        await settle(door)
        after = door.fold.get(ports, port.id)
        assert after is not None
        assert after.security_groups == ()


async def test_a_free_address_of_a_large_pool_is_found_quickly() -> None:
    async with doors() as [door]:
        await a_network(door)
        big = subnets.Subnet(
            id="big",
            project=PROJECT,
            network=NET,
            cidr="10.0.0.0/16",
            ip_version=4,
            pools=(Pool("10.0.0.1", "10.0.255.254"),),
            created_at=door.clock.now(),
            updated_at=door.clock.now(),
        )
        live = door.fold.shelf(address).live
        for number in range(60_000):
            live[".".join(address.key("big", f"10.0.{number >> 8}.{number & 255}"))] = None
        began = time.process_time()
        for _ in range(100):
            assert free(door.fold, big, Random(1)) is not None
        assert time.process_time() - began < 1.0
