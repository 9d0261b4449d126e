"""What was claimed for nothing is found, however much there is beside it, and whatever it was that kept it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from events.clock import SystemClock
from events.compute import host_room
from events.compute.host_room import ClaimRoom
from events.decider import Executor
from events.envelope import CLOUD
from events.fold import Fold
from events.journal import MemoryJournal
from events.nats.vault import MemoryVault
from events.network import address as addresses
from events.network.address import Take, key
from events.services import deciders
from events.settings import Settings
from handlers.compute import host_room as plans
from handlers.network.port import RECENT
from handlers.runner import PERIOD, SOON, Sight
from tests.simulation.clouds import USER, SimulatedCloud
from tests.simulation.virtual import run
from tests.waiting import until

LIMITS = {"vcpus": 100}


def test_what_could_not_be_given_back_for_long_is_given_back_soon_after() -> None:
    async def story() -> None:
        cloud = SimulatedCloud(1, processes=1)
        await cloud.start()
        (process,) = cloud.processes
        await until(lambda: process.sight.turn > 1)  # what a start looks at is over
        claim = Take(id=key("subnet", "10.0.0.5"), holder="nobody.x", until=process.execute.clock.now())
        await process.execute(addresses, claim, USER)
        process.shaky.unreachable = 1.0
        outage = process.sight.turn + (RECENT + 5) * 60 / PERIOD
        while process.sight.turn < outage:
            await asyncio.sleep(PERIOD)
        assert cloud.fold.all(addresses) != []
        process.shaky.unreachable = 0.0
        async with asyncio.timeout((SOON + 2) * PERIOD):
            while cloud.fold.all(addresses):
                await asyncio.sleep(1)
        await cloud.stop()

    run(story)


async def test_every_share_of_every_room_has_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.compute.host_room.ROOMS", 1)
    monkeypatch.setattr("handlers.shares.SHARES", 2)
    journal, fold = MemoryJournal(), Fold(deciders())
    execute, now = Executor(journal, fold), SystemClock().now()
    await fold.follow(journal)
    places = [(f"h{n}", f"gone-{m}") for n in range(2) for m in range(4)]
    for host, holder in places:
        claim = ClaimRoom(id=host, holder=holder, amounts={"vcpus": 1}, defaults=LIMITS, until=now)
        await execute(host_room, claim, CLOUD)
    found: list[Any] = []
    for turn in range(4):  # two rooms, each in two parts
        sight = Sight(fold=fold, settings=Settings(), vault=MemoryVault(), turn=turn)
        found += plans.plan(sight, now + timedelta(seconds=1))
    assert sorted((wish.command.id, wish.command.holder) for wish in found) == places
    await fold.stop()
