"""Several processes over one journal, for what they do to each other: doors, jitter, a network to begin with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from random import Random
from typing import Any

from events.clock import ManualClock
from events.decider import Executor
from events.envelope import CLOUD
from events.fold import Fold
from events.ids import new_id
from events.journal import MemoryJournal
from events.nats.vault import MemoryVault
from events.network import network as networks
from events.network import subnet as subnets
from events.network.network import CreateNetwork, PlaceSubnet
from events.network.subnet import CreateSubnet, Pool
from events.services import deciders
from events.settings import Settings
from handlers.network import port as handler
from handlers.runner import WHOLE, Sight, fulfil
from projections.network.port import NewPort

PROJECT = "p" * 32
NET = "00000000-0000-4000-8000-00000000000a"
SUB = "00000000-0000-4000-8000-00000000000b"


class SlowJournal(MemoryJournal):
    """The journal in memory, with pauses of any length before each answer."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._dice = Random(seed)

    async def _pause(self) -> None:
        for _ in range(self._dice.choice((0, 0, 0, 1, 2, 5))):
            await asyncio.sleep(0)

    async def append(self, subject: str, data: bytes, *, expected: int, epoch: int = 1) -> int:
        await self._pause()
        sequence = await super().append(subject, data, expected=expected, epoch=epoch)
        await self._pause()
        return sequence

    async def last(self) -> int:
        await self._pause()
        last = await super().last()
        await self._pause()
        return last


@asynccontextmanager
async def doors(count: int = 1, journal: MemoryJournal | None = None) -> AsyncIterator[list[Executor]]:
    """Several processes' doors over one journal, and one clock that is moved by hand."""
    journal, clock = journal or MemoryJournal(), ManualClock()
    made = []
    for _ in range(count):
        fold = Fold(deciders())
        await fold.follow(journal)
        made.append(Executor(journal, fold, clock))
    yield made
    for door in made:
        await door.fold.stop()


async def a_network(door: Executor, pools: Sequence[tuple[str, str]] = (("10.0.0.2", "10.0.0.6"),)) -> None:
    """NET with SUB, 10.0.0.0/24."""
    await door(networks, CreateNetwork(id=NET, project=PROJECT, claim="n"), CLOUD)
    until = door.clock.now() + timedelta(seconds=60)
    await door(networks, PlaceSubnet(id=NET, subnet=SUB, cidr="10.0.0.0/24", claim="s", until=until), CLOUD)
    await door(subnets, a_subnet(pools=tuple(Pool(*pool) for pool in pools)), CLOUD)


def a_subnet(**changed: Any) -> CreateSubnet:
    values: dict[str, Any] = {
        "id": SUB,
        "project": PROJECT,
        "claim": "s",
        "network": NET,
        "cidr": "10.0.0.0/24",
        "ip_version": 4,
    }
    return CreateSubnet(**(values | changed))


def a_port(**changed: Any) -> NewPort:
    return NewPort(**({"id": new_id(), "project": PROJECT, "network": NET} | changed))


async def settle(door: Executor) -> int:
    """Do what the handler plans until it plans nothing; how much that was."""
    done, sight = 0, Sight(fold=door.fold, settings=Settings(), vault=MemoryVault())
    while True:
        sight.turn += WHOLE
        wishes = list(handler.plan(sight, door.clock.now()))
        for wish in wishes:
            await fulfil(door, sight.vault, wish)
        done += len(wishes)
        if not wishes:
            return done


def later(door: Executor, seconds: float = 3600) -> None:
    assert isinstance(door.clock, ManualClock)
    door.clock.advance(seconds)
