"""Servers settle, whatever happens to those who run them."""

from __future__ import annotations

import asyncio

import pytest

from agents.compute.simulated import Dice
from events.compute.server import DeleteServer
from tests.simulation.clouds import SimulatedCloud, request


async def settle(cloud: SimulatedCloud, timeout: float = 5.0) -> None:
    end = asyncio.get_running_loop().time() + timeout
    while not cloud.resting():
        stuck = [server for server in cloud.servers() if server.phase is not None]
        assert asyncio.get_running_loop().time() < end, [
            (
                s.id,
                s.status,
                s.phase,
                s.wanted,
                s.generation,
                s.host,
                cloud.memory.guests.get(s.host or "", {}).get(s.id),
                [
                    (str(a._wanted.get(s.id))[:300], a._said.get(s.id), s.id in a._working, s.id in a._due)
                    for n, a in cloud.agents.items()
                    if n == s.host
                ],
            )
            for s in stuck
        ]
        cloud.clock.advance(0.05)
        await asyncio.sleep(0.002)


async def test_a_server_is_placed_built_and_deleted() -> None:
    cloud = SimulatedCloud(1)
    await cloud.start()
    try:
        await cloud.do(request("s"))
        await settle(cloud)
        (server,) = cloud.servers()
        assert server.status == "ACTIVE"
        assert server.host in cloud.names
        await cloud.do(DeleteServer(id="s"))
        await settle(cloud)
        assert cloud.servers() == []
        assert cloud.memory.guests[server.host] == {}
    finally:
        await cloud.stop()


@pytest.mark.parametrize("seed", range(10))
async def test_servers_settle(seed: int) -> None:
    cloud = SimulatedCloud(seed, dice=Dice(failures=0.1, hopeless=0.3, deaths=0.1))
    cloud.dice.random.seed(seed)
    await cloud.start()
    known: list[str] = []
    try:
        for _ in range(60):
            await cloud.move(known)
            await asyncio.sleep(0)
            if cloud.random.random() < 0.05:
                await cloud.restart(cloud.random.randrange(2))
            if cloud.random.random() < 0.05:
                name = cloud.random.choice(cloud.names)
                await cloud.kill_agent(name)
                await cloud.start_agent(name)
            assert cloud.running_twice() == []
            assert cloud.overfull() == []
        cloud.dice.failures = 0
        await settle(cloud)
        wanted = {s.id for s in cloud.servers() if s.host and s.status != "ERROR"}
        held = {server for guests in cloud.memory.guests.values() for server in guests}
        assert wanted <= held
    finally:
        await cloud.stop()
