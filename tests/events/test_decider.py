"""The one door, over the journal in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from events import claims, room
from events.compute import flavor
from events.decider import Executor
from events.envelope import CLOUD
from events.fold import Fold
from events.journal import MemoryJournal
from events.refusals import Conflict, NotFound

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TINY = flavor.CreateFlavor(id="1", name="tiny", ram=64, vcpus=1, disk=1)


@pytest.fixture
async def execute() -> AsyncIterator[Executor]:
    journal = MemoryJournal()
    fold = Fold([flavor])
    await fold.follow(journal)
    yield Executor(journal, fold)
    await fold.stop()


async def test_a_command_is_folded_when_it_returns(execute: Executor) -> None:
    outcome = await execute(flavor, TINY, CLOUD)
    assert outcome.changed
    assert execute.fold.get(flavor, "1") == outcome.state
    assert outcome.state.ram == 64


async def test_a_refusal_is_raised_after_a_fence(execute: Executor) -> None:
    with pytest.raises(NotFound):
        await execute(flavor, flavor.DeleteFlavor(id="nosuch"), CLOUD)
    await execute(flavor, TINY, CLOUD)
    with pytest.raises(Conflict):
        await execute(flavor, TINY, CLOUD)


async def test_one_of_two_racing_processes_wins() -> None:
    journal = MemoryJournal()
    doors = []
    for _ in range(2):
        fold = Fold([flavor])
        await fold.follow(journal)
        doors.append(Executor(journal, fold))
    outcomes = await asyncio.gather(*(door(flavor, TINY, CLOUD) for door in doors), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "Outcome"]
    assert len(journal.entries) == 1
    for door in doors:
        await door.fold.stop()


async def test_the_dead_are_found_again(execute: Executor) -> None:
    await execute(flavor, TINY, CLOUD)
    await execute(flavor, flavor.DeleteFlavor(id="1"), CLOUD)
    for shelf in execute.fold.shelves.values():
        shelf.bury(execute.clock.now())
    assert execute.fold.known(flavor, "1") is None
    with pytest.raises(NotFound):
        await execute(flavor, flavor.DeleteFlavor(id="1"), CLOUD)
    again = await execute(flavor, TINY, CLOUD)
    assert again.known.revision == 3


def test_a_claim_is_taken_once() -> None:
    taken = claims.decide(None, claims.Take(id=("a",), holder="one"))
    claim = claims.evolve(None, taken[0], NOW)
    assert claims.decide(claim, claims.Take(id=("a",), holder="one")) == []
    with pytest.raises(Conflict):
        claims.decide(claim, claims.Take(id=("a",), holder="two"))


def test_room_is_never_exceeded() -> None:
    claim = room.ClaimRoom(id="p", holder="s1", amounts={"cores": 3}, defaults={"cores": 4})
    state = room.evolve(None, room.decide(None, claim)[0], NOW)
    with pytest.raises(room.Exceeded):
        room.decide(state, room.ClaimRoom(id="p", holder="s2", amounts={"cores": 2}, defaults={"cores": 4}))
    assert room.decide(state, claim) == []
    state = room.evolve(state, room.RoomReturned(holder="s1"), NOW)
    assert state.used == {"cores": 0}
