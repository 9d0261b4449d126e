"""Who counts as down: an agent that is silent, not a process that was deaf."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from events.compute import host as hosts
from events.compute.host import Capacity, JoinHost
from events.decider import Executor
from events.envelope import CLOUD
from events.fold import Fold
from events.journal import MemoryJournal
from events.services import deciders
from events.settings import Compute, Settings
from events.vault import MemoryVault
from handlers.compute.host import plan
from handlers.runner import Sight

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


async def with_a_host() -> Sight:
    journal, fold = MemoryJournal(), Fold(deciders())
    execute = Executor(journal, fold)
    await fold.follow(journal)
    await execute(hosts, JoinHost(id="h1", zone="nova", capacity=Capacity(vcpus=1, ram=1, disk=1)), CLOUD)
    return Sight(fold=fold, settings=Settings(compute=Compute(host_down=30)), vault=MemoryVault())


def missed(sight: Sight, *moments: float) -> list[bool]:
    """Whether the host is to be marked down, each time somebody looks."""
    return [bool(list(plan(sight, after(moment)))) for moment in moments]


async def test_a_host_is_down_once_its_agent_was_silent_for_long() -> None:
    sight = await with_a_host()
    assert missed(sight, 0, 10, 20, 30, 31) == [False, False, False, False, True]
    sight.heard["h1"] = after(32)
    assert missed(sight, 40, 50, 60, 63) == [False, False, False, True]


async def test_who_stood_still_gives_every_agent_the_time_to_be_heard_again() -> None:
    sight = await with_a_host()
    assert missed(sight, 0, 100, 110, 120, 131) == [False, False, False, False, True]


async def test_without_nats_nobody_is_down() -> None:
    sight = await with_a_host()
    sight.is_deaf = lambda: True
    assert missed(sight, *range(0, 100, 10)) == [False] * 10
    sight.is_deaf = lambda: False
    assert missed(sight, 100, 110, 120, 131) == [False, False, False, True]
