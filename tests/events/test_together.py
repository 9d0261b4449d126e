"""Commands that wait for one resource are one commit; nobody can tell but by the number of commits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.compute import flavor
from events.compute import quota as quotas
from events.compute.quota import ClaimRoom, Commands, Events, Exceeded, ReturnRoom, SetLimits
from events.decider import Executor, Step, Unsure
from events.envelope import CLOUD, Commit, Origin
from events.fold import Fold
from events.journal import Entry, MemoryJournal, Unavailable
from events.refusals import NotFound
from events.waiting import MOST

decode = msgspec.json.Decoder(Commit[Events]).decode


class Far(MemoryJournal):
    """A journal that takes a moment, so that others come meanwhile; one acknowledgement may be lost."""

    def __init__(self, loses: int = 0) -> None:
        super().__init__()
        self.loses = loses  # sequence

    async def append(self, *arguments: Any, **more: Any) -> int:
        await asyncio.sleep(0)
        sequence = await super().append(*arguments, **more)
        await asyncio.sleep(0)
        if sequence == self.loses:
            raise Unavailable("the acknowledgement was lost")
        return sequence


@asynccontextmanager
async def door(journal: MemoryJournal) -> AsyncIterator[Executor]:
    fold = Fold([quotas, flavor])
    await fold.follow(journal)
    yield Executor(journal, fold)
    await fold.stop()


def claim(holder: str, amount: int = 1) -> ClaimRoom:
    return ClaimRoom(id="p", holder=holder, amounts={"cores": amount}, defaults={"cores": -1})


def user(number: int) -> Origin:
    return Origin(actor=f"user-{number}", project="p", request=f"req-{number}")


def entries(execute: Executor) -> list[Entry]:
    """All that is in the journal."""
    assert isinstance(execute.journal, MemoryJournal)
    return execute.journal.entries


def commits(entries: list[Entry]) -> list[Commit[Events]]:
    return [decode(entry.data) for entry in entries]


async def outcome(work: Awaitable[Any]) -> Any:
    """What somebody hears."""
    try:
        return (await work).changed
    except Exception as fault:  # a mistake in `decide` too
        return type(fault)


async def test_two_thousand_that_wait_for_one_sum_are_a_few_commits_and_nobody_is_turned_away() -> None:
    async with door(Far()) as execute:
        claims = [execute(quotas, claim(f"s{i}"), user(i)) for i in range(2000)]
        heard = await asyncio.gather(*map(outcome, claims))
        assert heard == [True] * 2000
        room = execute.fold.get(quotas, "p")
        assert room is not None
        assert room.used == {"cores": 2000}
        assert len(entries(execute)) == 1 + -(-1999 // MOST)
        assert max(len(entry.data) for entry in entries(execute)) < 32_000
        assert not execute._queues


async def test_each_command_keeps_who_asked_and_why() -> None:
    async with door(Far()) as execute:
        await asyncio.gather(*(execute(quotas, claim(f"s{i}"), user(i)) for i in range(5)))
        made = commits(entries(execute))
        assert [len(commit.parts) for commit in made] == [0, 3]
        each = [one for commit in made for one in commit.each()]
        assert [(one.actor, one.request) for one in each] == [(f"user-{i}", f"req-{i}") for i in range(5)]
        assert [[event.holder for event in one.events] for one in each] == [[f"s{i}"] for i in range(5)]  # type: ignore[union-attr]  # they are RoomClaimed
        assert len({one.id for one in each}) == 5


async def test_a_refusal_goes_to_its_own_caller() -> None:
    async with door(Far()) as execute:
        await execute(quotas, SetLimits(id="p", limits={"cores": 3}), CLOUD)
        wishes = [claim("a"), claim("b", 5), claim("c"), claim("a"), claim("d", 2), claim("e")]
        heard = await asyncio.gather(*(outcome(execute(quotas, wish, CLOUD)) for wish in wishes))
        assert heard == [True, Exceeded, True, False, Exceeded, True]
        assert len(entries(execute)) == 3


async def test_a_lost_acknowledgement_leaves_all_of_a_commit_unsure_and_none_undone() -> None:
    async with door(Far(loses=2)) as execute:
        steps = [[Step(quotas, claim(f"s{i}"), ReturnRoom(id="p", holder=f"s{i}"))] for i in range(4)]
        heard = await asyncio.gather(*(execute.all(some, CLOUD) for some in steps), return_exceptions=True)
        assert [type(one) for one in heard] == [list, Unsure, Unsure, Unsure]
        await execute.fold.reach(await execute.journal.last())
        room = execute.fold.get(quotas, "p")
        assert room is not None
        assert room.used == {"cores": 4}
        again = await asyncio.gather(*(outcome(execute(quotas, claim(f"s{i}"), CLOUD)) for i in range(4)))
        assert again == [False] * 4


async def test_who_goes_away_while_waiting_holds_up_nobody() -> None:
    async with door(Far()) as execute:
        tasks = [asyncio.create_task(outcome(execute(quotas, claim(f"s{i}"), CLOUD))) for i in range(6)]
        await asyncio.sleep(0)
        tasks[0].cancel()  # who works for himself
        tasks[3].cancel()  # who waits
        heard = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(one, asyncio.CancelledError) for one in heard] == [i in (0, 3) for i in range(6)]
        room = execute.fold.get(quotas, "p")
        assert room is not None
        assert set(room.shares) - {"s0"} == {"s1", "s2", "s4", "s5"}
        assert not execute._queues


async def test_a_mistake_in_the_rules_about_one_wish_spares_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    guard = quotas.decide

    def decide(room: Any, command: Any) -> Any:
        if command.holder == "s2":
            raise ZeroDivisionError
        return guard(room, command)

    monkeypatch.setattr(quotas, "decide", decide)
    async with door(Far()) as execute:
        heard = await asyncio.gather(*(outcome(execute(quotas, claim(f"s{i}"), CLOUD)) for i in range(4)))
        assert heard == [True, True, ZeroDivisionError, True]


async def test_of_two_processes_neither_loses_or_doubles_anything() -> None:
    journal = Far()
    async with door(journal) as one, door(journal) as two:
        await one(quotas, SetLimits(id="p", limits={"cores": 50}), CLOUD)
        works = [
            outcome(process(quotas, claim(f"{n}-{i}"), CLOUD))
            for i in range(40)
            for n, process in enumerate((one, two))
        ]
        heard = await asyncio.gather(*works)
        assert heard.count(True) == 50
        assert heard.count(Exceeded) == 30
        assert len(journal.entries) < 30


async def test_steps_that_need_nothing_of_each_other_are_taken_at_once_and_undone_together() -> None:
    async with door(Far()) as execute:
        first = Step(flavor, flavor.CreateFlavor(id="1", name="1", ram=1, vcpus=1, disk=1), flavor.DeleteFlavor(id="1"))
        others = [Step(quotas, claim(f"s{i}"), ReturnRoom(id="p", holder=f"s{i}")) for i in range(3)]
        assert len(await execute.all([(first, *others)], CLOUD)) == 4
        refused = Step(flavor, flavor.DeleteFlavor(id="nosuch"))
        more = Step(quotas, claim("s9"), ReturnRoom(id="p", holder="s9"))
        with pytest.raises(NotFound):
            await execute.all([(more, refused)], CLOUD)
        room = execute.fold.get(quotas, "p")
        assert room is not None
        assert set(room.shares) == {"s0", "s1", "s2"}


HOLDERS = st.sampled_from("abcdef")
COMMANDS: st.SearchStrategy[Commands] = st.one_of(
    st.builds(claim, HOLDERS, st.integers(1, 4)),
    st.builds(claim, HOLDERS, st.integers(1, 4)),
    st.builds(lambda holder: ReturnRoom(id="p", holder=holder), HOLDERS),
    st.builds(lambda limit: SetLimits(id="p", limits={"cores": limit}), st.integers(-1, 9)),
)


@settings(deadline=None, max_examples=150)
@given(st.lists(COMMANDS, max_size=25))
def test_the_outcome_is_as_if_they_had_come_one_by_one(commands: list[Commands]) -> None:
    async def story(at_once: bool) -> tuple[list[Any], Any, list[Any]]:
        async with door(Far()) as execute:
            works = [outcome(execute(quotas, command, CLOUD)) for command in commands]
            heard = list(await asyncio.gather(*works)) if at_once else [await work for work in works]
            each = [one.events for commit in commits(entries(execute)) for one in commit.each()]
            assert all(each)
            return heard, execute.fold.get(quotas, "p"), each

    assert asyncio.run(story(True)) == asyncio.run(story(False))
