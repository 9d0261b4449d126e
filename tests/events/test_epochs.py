"""Epochs: whatever happens while one goes over into the next, nothing is lost, doubled or brought to life again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from events.compute import flavor, keypair
from events.compute.flavor import CreateFlavor, DeleteFlavor, GrantFlavorAccess
from events.decider import Executor
from events.envelope import CLOUD
from events.epochs import CannotClose, Closed, close, finish
from events.fold import Fold
from events.ids import new_hex
from events.journal import CLOSED, Entry, Journal, Moved, Unavailable
from events.nats.jetstream import JetStreamJournal
from events.nats.streams import SUBJECTS, stream
from events.passage import CarryBegun, EpochClosed, Foreign, word
from events.refusals import Conflict, NotFound, Refusal

RESOURCES: list[Any] = [flavor, keypair]


def a_flavor(id: str) -> CreateFlavor:
    return CreateFlavor(id=id, name=id, ram=64, vcpus=1, disk=1, public=False)


@asynccontextmanager
async def process(journal: Journal, resources: Iterable[Any] = RESOURCES) -> AsyncIterator[Executor]:
    """A process with a fold of its own, that begins now."""
    fold = Fold(resources)
    try:
        await fold.follow(journal)
        yield Executor(journal, fold)
    finally:
        await fold.stop()


async def shut(execute: Executor, part: int = 400) -> Closed:
    return await close(execute.journal, execute.fold, part=part)


def living(fold: Fold) -> list[Any]:
    """What lives, with times, revisions and hashes, in the order in which it came to life."""
    return [shelf.known[key] for shelf in fold.shelves.values() for key in shelf.live]


async def test_nothing_changes_when_an_epoch_is_closed(journal: Journal) -> None:
    async with process(journal) as one, process(journal) as other:
        for n in range(20):
            await one(flavor, a_flavor(str(n)), CLOUD)
        await one(flavor, DeleteFlavor(id="3"), CLOUD)
        before = living(one.fold)
        closed = await shut(one)
        assert (closed.number, closed.last, closed.carried) == (1, 22, 19)
        assert living(one.fold) == before
        await one(flavor, GrantFlavorAccess(id="1", project="p"), CLOUD)
        await other(flavor, GrantFlavorAccess(id="1", project="q"), CLOUD)
        await one.fold.fence(journal)
        known = one.fold.known(flavor, "1")
        assert known is not None
        assert (known.state.projects, known.revision) == (("p", "q"), 3)
        assert one.fold.passage.differs == other.fold.passage.differs == 0
        assert [epoch.number for epoch in await journal.epochs()] == [1, 2]


async def test_a_process_that_begins_later_knows_the_same(journal: Journal) -> None:
    async with process(journal) as one:
        for n in range(20):
            await one(flavor, a_flavor(str(n)), CLOUD)
        await one(flavor, GrantFlavorAccess(id="0", project="p"), CLOUD)
        await shut(one)
        await one(flavor, a_flavor("new"), CLOUD)
        async with process(journal) as through_both:
            assert living(through_both.fold) == living(one.fold)
        await journal.drop(1)
        async with process(journal) as late:
            assert living(late.fold) == living(one.fold)
            assert late.fold.by(flavor, "name", "7") == one.fold.by(flavor, "name", "7")
            await late(flavor, GrantFlavorAccess(id="0", project="q"), CLOUD)
            await shut(late)
            await journal.drop(2)
        async with process(journal) as later:
            await one.fold.fence(journal)
            assert living(later.fold) == living(one.fold)
            assert (await journal.epochs())[0].number == 3


async def test_entries_are_contiguous_over_the_seam(journal: Journal) -> None:
    heard: list[Entry] = []
    tail = await journal.tail(0, heard.append)
    async with process(journal) as one:
        for n in range(3):
            await one(flavor, a_flavor(str(n)), CLOUD)
            await shut(one)
        await one.fold.fence(journal)
        last = one.fold.position
    while len(heard) < last:
        await asyncio.sleep(0.002)
    assert [entry.sequence for entry in heard] == list(range(1, last + 1))
    assert [e.subject for e in heard if e.subject.startswith(CLOSED)] == [f"{CLOSED}.{n}" for n in (1, 2, 3)]
    await tail.stop()
    for after in range(last):
        some: list[Entry] = []
        tail = await journal.tail(after, some.append)
        while len(some) < last - after:
            await asyncio.sleep(0.002)
        assert some == heard[after:]
        await tail.stop()


async def test_the_dead_do_not_come_to_life_in_the_next_epoch(journal: Journal) -> None:
    async with process(journal) as one:
        await one(flavor, a_flavor("dead"), CLOUD)
        await one(flavor, DeleteFlavor(id="dead"), CLOUD)
        for shelf in one.fold.shelves.values():
            shelf.bury(one.clock.now() + timedelta(hours=2))
        await shut(one)
        assert one.fold.known(flavor, "dead") is None
        again = await one(flavor, a_flavor("dead"), CLOUD)
        assert again.known.revision == 3  # it continues the chain
    async with process(journal) as one:
        with pytest.raises(NotFound):
            await one(flavor, DeleteFlavor(id="never"), CLOUD)


async def test_who_knows_only_the_former_epoch_cannot_write(journal: Journal) -> None:
    async with process(journal) as one:
        await one(flavor, a_flavor("1"), CLOUD)
        await shut(one)
        with pytest.raises(Moved):
            await journal.append("ev.compute.flavor.2", b"", expected=0, epoch=1)
        with pytest.raises(Moved):
            await journal.append("ev.compute.flavor.1", b"", expected=1, epoch=1)


class Lossy:
    """A process's way to the journal, on which the acknowledgement of one write is lost."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.lose = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def append(self, subject: str, data: bytes, *, expected: int, epoch: int = 1) -> int:
        sequence = await self._journal.append(subject, data, expected=expected, epoch=epoch)
        if self.lose:  # and it is asked again when the epoch has ended
            self.lose = False
            fold = Fold(RESOURCES)
            await fold.follow(self._journal)
            await close(self._journal, fold)
            await fold.stop()
            return await self._journal.append(subject, data, expected=expected, epoch=epoch)
        return sequence


async def test_a_write_whose_acknowledgement_was_lost_at_the_seam_happens_once(journal: Journal) -> None:
    lossy: Any = Lossy(journal)
    async with process(lossy) as one:
        await one(flavor, a_flavor("1"), CLOUD)
        lossy.lose = True
        outcome = await one(flavor, GrantFlavorAccess(id="1", project="p"), CLOUD)
        assert outcome.changed
        assert outcome.known.revision == 2
        assert one.fold.epoch.number == 2


async def test_writers_notice_nothing_but_a_pause(journal: Journal) -> None:
    """Five processes write all the while, three of them close epochs; each write that returned stands once."""
    acknowledged: dict[str, int] = {}
    done = False

    async def work(execute: Executor, name: int) -> None:
        n = 0
        while not done:
            n += 1
            project = f"{name}-{n}"
            await execute(flavor, GrantFlavorAccess(id=str(n % 3), project=project), CLOUD)
            acknowledged[project] = n % 3
            await asyncio.sleep(0)

    async with process(journal) as a, process(journal) as b, process(journal) as c:
        for n in range(3):
            await a(flavor, a_flavor(str(n)), CLOUD)
        workers = [asyncio.create_task(work(execute, n)) for n, execute in enumerate((a, b, c, a, b))]
        for _ in range(3):
            await asyncio.sleep(0.05)
            await asyncio.gather(*(shut(execute) for execute in (a, b, c)))
        done = True
        await asyncio.gather(*workers)
        assert a.fold.epoch.number >= 4
        for execute in (a, b, c):
            await execute.fold.fence(journal)
            assert execute.fold.passage.differs == 0
            held = {p: int(state.id) for state in execute.fold.all(flavor) for p in state.projects}
            assert held == acknowledged
            revisions = sum(shelf.known[key].revision for shelf in execute.fold.shelves.values() for key in shelf.live)
            assert revisions == 3 + len(acknowledged)
        async with process(journal) as late:
            assert living(late.fold) == living(a.fold)
        for number in range(1, a.fold.epoch.number):
            await journal.drop(number)
        async with process(journal) as later:
            assert living(later.fold) == living(a.fold)


class Dying:
    """A process that dies before or after the nth thing that it does to the journal."""

    def __init__(self, journal: Journal, dice: Random) -> None:
        self._journal = journal
        self._left = dice.randrange(14)
        self._after = dice.random() < 0.5

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._journal, name)
        return self._deadly(found) if name in ("append", "end", "begin") else found

    def _deadly(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def do(*values: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left < 0 and not self._after:
                raise Unavailable("it died before it did it")
            result = await call(*values, **named)
            if self._left < 0:
                raise Unavailable("it died after it had done it")
            return result

        return do


@pytest.mark.parametrize("first", range(12))
async def test_who_closes_may_die_anywhere(journal: Journal, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("events.epochs.PATIENCE", 0.02)
    dice = Random(first)
    async with process(journal) as one:
        for n in range(25):
            await one(flavor, a_flavor(str(n)), CLOUD)
        before = living(one.fold)
        deaths = 0
        for _ in range(3):
            async with process(journal) as other:
                try:
                    dying: Any = Dying(journal, dice)
                    await close(dying, other.fold, part=1500)
                except Unavailable:
                    deaths += 1
        await finish(journal, one.fold)
        await one(flavor, a_flavor("after"), CLOUD)
        assert living(one.fold)[:-1] == before
        assert one.fold.passage.differs == 0
        for number in range(1, one.fold.epoch.number):
            await journal.drop(number)
        async with process(journal) as late:
            assert living(late.fold) == living(one.fold)
        assert await finish(journal, one.fold) is None


async def test_who_was_overtaken_cannot_open(journal: Journal) -> None:
    """A carrier that slept through another's attempt is refused; what it carried counts for nothing."""
    async with process(journal) as one:
        await one(flavor, a_flavor("1"), CLOUD)
        last = await journal.end(1, word(new_hex(), one.clock.now(), EpochClosed(number=1)))
        await journal.begin(2, last + 1)
        await journal.append("ev.journal.epoch.2", _begun(one, "slept"), expected=0, epoch=2)
        await shut(one)
        with pytest.raises(Exception, match="last sequence"):
            await journal.append("ev.journal.epoch.2", b"{}", expected=last + 1, epoch=2)
        await one(flavor, a_flavor("2"), CLOUD)
        await journal.drop(1)
        async with process(journal) as late:
            assert living(late.fold) == living(one.fold)


def _begun(execute: Executor, attempt: str) -> bytes:
    return word(attempt, execute.clock.now(), CarryBegun(attempt=attempt, forms={}))


async def test_who_does_not_know_all_there_is_does_not_close(journal: Journal) -> None:
    async with process(journal) as one, process(journal, [flavor]) as older:
        await one(flavor, a_flavor("1"), CLOUD)
        await shut(older)  # nothing of another kind is there yet
        await one.fold.turned(1)

        await journal.append("ev.volume.volume.1", b"{}", expected=0, epoch=2)
        with pytest.raises(CannotClose):
            await shut(one)
        async with process(journal) as fresh:
            with pytest.raises(CannotClose):
                await shut(fresh)
        assert (await journal.epochs())[-1].is_open


async def test_states_of_an_older_form_are_read_in_todays(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    async with process(journal) as one:
        await one(flavor, a_flavor("1"), CLOUD)
        await shut(one)
        await journal.drop(1)
    monkeypatch.setattr(flavor, "STATE_FORM", 2, raising=False)
    fold = Fold(RESOURCES)
    with pytest.raises(Foreign, match="form 1"):
        await fold.follow(journal)
    assert living(fold) == []
    await fold.stop()
    monkeypatch.setattr(flavor, "STATE_UPCASTERS", {1: lambda state: {**state, "swap": 7}}, raising=False)
    async with process(journal) as late:
        known = late.fold.known(flavor, "1")
        assert known is not None
        assert known.state.swap == 7
        await shut(late)


async def test_what_comes_after_the_last_entry_is_not_of_the_journal(journal: Journal) -> None:
    """As from a leader that has not heard yet that the stream has ended: its writer is told, and writes again."""
    if not isinstance(journal, JetStreamJournal):
        return  # in memory an epoch ends in a moment: there is nothing between
    name, subject = stream(1), f"{CLOSED}.1"
    async with process(journal) as one:
        await one(flavor, a_flavor("1"), CLOUD)
        config = (await journal.streams.ask(f"STREAM.INFO.{name}"))["config"]
        await journal.streams.ask(f"STREAM.UPDATE.{name}", {**config, "subjects": [SUBJECTS, subject]})
        end = word(new_hex(), one.clock.now(), EpochClosed(number=1))
        assert await journal.append(subject, end, expected=0, epoch=1) == 2
        late = asyncio.create_task(one(flavor, GrantFlavorAccess(id="1", project="late"), CLOUD))
        await asyncio.sleep(0.05)
        assert (await journal.streams.ask(f"STREAM.INFO.{name}"))["state"]["last_seq"] == 3
        assert not late.done()
        assert (await shut(one)).last == 2
        outcome = await late
        assert outcome.known.state.projects == ("late",)
        assert outcome.known.sequence > 4
        heard: list[int] = []
        tail = await journal.tail(2, lambda entry: heard.append(entry.sequence))
        while len(heard) < outcome.known.sequence - 2:
            await asyncio.sleep(0.002)
        assert heard == list(range(3, outcome.known.sequence + 1))
        await tail.stop()


async def test_a_pause_that_takes_too_long_is_an_answer(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("events.writing.PATIENCE", 0.05)
    monkeypatch.setattr("events.epochs.PATIENCE", 0.02)
    if isinstance(journal, JetStreamJournal):
        journal.deadline = 0.3
    async with process(journal) as one:
        await one(flavor, a_flavor("1"), CLOUD)
        await journal.end(1, word(new_hex(), one.clock.now(), EpochClosed(number=1)))
        with pytest.raises(Refusal, match="may or may not"):
            await one(flavor, a_flavor("2"), CLOUD)
        assert one.fold.get(flavor, "1") is not None
        await finish(journal, one.fold)
        await one(flavor, a_flavor("2"), CLOUD)
        with pytest.raises(Conflict):
            await one(flavor, a_flavor("2"), CLOUD)
