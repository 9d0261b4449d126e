"""The one door, over the journal in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from events import claims, room
from events.compute import flavor
from events.decider import Executor, Step, Unsure
from events.envelope import CLOUD, LINK, digest, follows
from events.fold import Fold
from events.journal import MemoryJournal, Unavailable
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


def a_flavor(id: str, *, keeps: bool = False) -> Step:
    wish = flavor.CreateFlavor(id=id, name=id, ram=64, vcpus=1, disk=1)
    return Step(flavor, wish, flavor.DeleteFlavor(id=id), keeps)


REFUSED = Step(flavor, flavor.DeleteFlavor(id="nosuch"))


async def test_what_was_done_before_a_refusal_is_undone(execute: Executor) -> None:
    await execute.all([a_flavor("0")], CLOUD)
    with pytest.raises(NotFound):
        await execute.all([a_flavor("1"), a_flavor("2"), REFUSED], CLOUD)
    assert [one.id for one in execute.fold.all(flavor)] == ["0"]


async def test_what_is_in_use_is_not_undone(execute: Executor) -> None:
    with pytest.raises(NotFound):
        await execute.all([a_flavor("1"), a_flavor("2", keeps=True), a_flavor("3"), REFUSED], CLOUD)
    assert [one.id for one in execute.fold.all(flavor)] == ["1", "2"]


class Forgetful(MemoryJournal):
    """Loses the acknowledgement of its second write."""

    async def append(self, subject: str, data: bytes, *, expected: int, epoch: int = 1) -> int:
        sequence = await super().append(subject, data, expected=expected, epoch=epoch)
        if sequence == 2:
            raise Unavailable("the acknowledgement was lost")
        return sequence


async def test_nothing_is_undone_for_a_step_that_may_have_been_done() -> None:
    journal, fold = Forgetful(), Fold([flavor])
    await fold.follow(journal)
    with pytest.raises(Unsure):
        await Executor(journal, fold).all([a_flavor("1"), a_flavor("2")], CLOUD)
    await fold.reach(await journal.last())
    assert [one.id for one in fold.all(flavor)] == ["1", "2"]
    await fold.stop()


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


def test_a_commit_follows_the_one_whose_digest_it_names_or_begins_to_name() -> None:
    whole = digest(b"a commit")
    assert follows(whole, whole)
    assert follows(whole[:LINK], whole)
    assert follows(None, None)
    assert not follows(whole[: LINK - 1], whole)
    assert not follows(digest(b"another")[:LINK], whole)
    assert not follows(None, whole)
    assert not follows(whole, None)
