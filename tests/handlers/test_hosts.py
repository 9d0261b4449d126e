"""Who counts as down: an agent that is silent, not a process that was deaf."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from events.compute import host as hosts
from events.compute.host import Capacity, JoinHost, MissHost
from events.decider import Executor
from events.envelope import CLOUD
from events.fold import Fold
from events.journal import MemoryJournal
from events.nats.vault import MemoryVault
from events.services import deciders
from events.settings import Compute, Settings
from handlers.compute.host import plan
from handlers.runner import Sight
from handlers.wishes import Wish

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


async def with_hosts(*names: str) -> Sight:
    journal, fold = MemoryJournal(), Fold(deciders())
    execute = Executor(journal, fold)
    await fold.follow(journal)
    for name in names:
        await execute(hosts, JoinHost(id=name, zone="nova", capacity=Capacity(vcpus=1, ram=1, disk=1)), CLOUD)
    return Sight(fold=fold, settings=Settings(compute=Compute(host_down=30)), vault=MemoryVault())


def missed(sight: Sight, *moments: float) -> list[bool]:
    """Whether the host is to be marked down, each time somebody looks."""
    return [bool(list(plan(sight, after(moment)))) for moment in moments]


async def test_a_host_is_down_once_its_agent_was_silent_for_long() -> None:
    sight = await with_hosts("h1")
    assert missed(sight, 0, 10, 20, 30, 31) == [False, False, False, False, True]
    sight.heard["h1"] = after(32)
    assert missed(sight, 40, 50, 60, 63) == [False, False, False, True]


async def test_who_stood_still_gives_every_agent_the_time_to_be_heard_again() -> None:
    sight = await with_hosts("h1")
    assert missed(sight, 0, 100, 110, 120, 131) == [False, False, False, False, True]


async def test_without_nats_nobody_is_down() -> None:
    sight = await with_hosts("h1")
    sight.is_deaf = lambda: True
    assert missed(sight, *range(0, 100, 10)) == [False] * 10
    sight.is_deaf = lambda: False
    assert missed(sight, 100, 110, 120, 131) == [False, False, False, True]


async def test_a_host_about_which_the_plan_raises_stops_no_other() -> None:
    sight = await with_hosts("h1", "h2")
    assert missed(sight, 0) == [False]
    sight.heard["h1"] = cast(Any, "never")
    assert missed(sight, 10, 20, 30) == [False] * 3
    (held,) = sight.poison.held
    assert held.endswith("of h1")
    assert [wish.command for wish in plan(sight, after(31)) if isinstance(wish, Wish)] == [MissHost(id="h2")]
