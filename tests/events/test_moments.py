"""A moment's sequence, and the state of everything then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from events.chronicle import JournalChronicle, Snapshot
from events.fold import BURIAL, Fold
from events.journal import Entry, MemoryJournal
from events.moments import SKEW, Moments, fold_to, moment, snapshot
from events.refusals import Invalid
from tests.simulation.clouds import RESOURCES, SimulatedCloud
from tests.simulation.moves import Moves
from tests.simulation.virtual import run

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SEEDS = 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("17", 17),
        ("90s", NOW - timedelta(seconds=90)),
        ("2h", NOW - timedelta(hours=2)),
        ("2026-05-31T10:00:00Z", datetime(2026, 5, 31, 10, tzinfo=UTC)),
        ("2026-05-31T10:00:00", datetime(2026, 5, 31, 10, tzinfo=UTC)),
        ("2026-05-31T12:00:00+02:00", datetime(2026, 5, 31, 10, tzinfo=UTC)),
    ],
)
def test_a_moment_is_a_sequence_a_time_or_an_age(text: str, expected: object) -> None:
    assert moment(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "-1", "yesterday", "9" * 30 + "d", "²", "1.5", "2026-13-01", "10 m", "m"])
def test_anything_else_names_no_moment(text: str) -> None:
    with pytest.raises(Invalid, match="A moment is"):
        moment(text, NOW)


async def _journal(seconds: list[float]) -> MemoryJournal:
    """Commits that bear these times, after NOW."""
    journal = MemoryJournal()
    for number, second in enumerate(seconds):
        data = msgspec.json.encode({"at": NOW + timedelta(seconds=second), "events": []})
        await journal.append(f"ev.a.b.{number}", data, expected=0)
    return journal


def _plainly(seconds: list[float], until: float) -> int:
    """The definition: how many commits stand before the first that is later."""
    return next((n for n, second in enumerate(seconds) if second > until), len(seconds))


@given(
    steps=some.lists(some.tuples(some.floats(0, 20), some.floats(0, SKEW.total_seconds())), min_size=1, max_size=60),
    until=some.floats(0, 700),
)
@settings(max_examples=150, deadline=None)
def test_a_time_is_found_as_if_all_had_been_read(steps: list[tuple[float, float]], until: float) -> None:
    """Processes whose clocks differ by no more than SKEW write in any order."""
    seconds, true = [], 0.0
    for step, skew in steps:
        true += step
        seconds.append(round(true + skew, 6))
    until = round(until, 6)
    expected = _plainly(seconds, until)

    async def find() -> int:
        moments = Moments(JournalChronicle(await _journal(seconds)))
        return await moments.sequence(NOW + timedelta(seconds=until), NOW + timedelta(days=1))

    if expected:
        assert asyncio.run(find()) == expected
    else:
        with pytest.raises(Invalid, match="before the cloud"):
            asyncio.run(find())


async def test_what_is_to_come_is_no_moment() -> None:
    moments = Moments(JournalChronicle(await _journal([0, 1])))
    assert await moments.sequence(2, NOW) == 2
    with pytest.raises(Invalid, match="has come to 2, not yet to 3"):
        await moments.sequence(3, NOW)
    with pytest.raises(Invalid, match="still to come"):
        await moments.sequence(NOW + timedelta(seconds=1), NOW)
    with pytest.raises(Invalid, match="before the cloud"):
        await moments.sequence(0, NOW)


async def test_a_time_is_found_without_reading_everything() -> None:
    journal = await _journal([float(second) for second in range(5_000)])
    read = 0

    class Counting(JournalChronicle):
        async def entries(self, *which: Any, **more: Any) -> AsyncIterator[Entry]:
            nonlocal read
            async for entry in super().entries(*which, **more):
                read += 1
                yield entry

    moments = Moments(Counting(journal))
    assert await moments.sequence(NOW + timedelta(seconds=3_000), NOW + timedelta(days=1)) == 3_001
    assert read < 50


# The law: the world as of a sequence is what the live fold was at it.


def told(fold: Fold, at: datetime) -> str:
    """All that a fold says: what lives, in order, by which index, and what died within the hour before `at`."""
    kinds = {}
    for prefix, shelf in fold.shelves.items():
        live = [repr(shelf.known[key]) for key in shelf.live]
        dead = {key: repr(shelf.known[key]) for key, died in shelf.dead.items() if died > at - BURIAL}
        indexes = [
            (name, repr(value), sorted(index.find(value)))
            for name, index in shelf.indexes.items()
            for value in index.values()
        ]
        kinds[prefix] = (live, sorted(dead.items()), sorted(indexes))
    return repr((fold.position, kinds))


class Whole(JournalChronicle):
    """A chronicle of all that was ever in a journal in memory, which has taken snapshots."""

    def __init__(self, journal: MemoryJournal, taken: dict[int, Fold]) -> None:
        super().__init__(journal)
        self.journal = journal
        self.taken = taken

    async def entries(
        self, after: int = 0, until: int | None = None, subject: str | None = None
    ) -> AsyncIterator[Entry]:
        for entry in self.journal.entries[after:until]:
            yield entry

    async def snapshot(self, at: int) -> Snapshot | None:
        newest = max((position for position in self.taken if position <= at), default=0)
        return snapshot(self.taken[newest]) if newest else None


def test_the_world_as_of_a_sequence_is_what_the_live_fold_was(seed: int) -> None:
    async def story() -> None:
        cloud, dice = SimulatedCloud(seed), Random(seed)
        live: dict[int, tuple[datetime, str]] = {}

        def look(change: object) -> None:
            if not live or dice.random() < 0.05:
                assert cloud.fold.newest_at is not None
                live[cloud.fold.position] = (cloud.fold.newest_at, told(cloud.fold, cloud.fold.newest_at))

        cloud.fold.listeners.append(look)
        moves = Moves(cloud)
        await moves.begin()
        await moves.run(200)
        await moves.end()
        await cloud.stop()
        assert live
        taken: dict[int, Fold] = {}
        chronicle = Whole(cloud.journal, taken)
        for sequence in dice.sample(sorted(live), min(len(live), 12)):
            at, expected = live[sequence]
            for begin in (None, await chronicle.snapshot(sequence)):
                fold = Fold(RESOURCES)
                await fold_to(fold, chronicle, sequence, begin)
                assert told(fold, at) == expected
            taken[sequence] = fold  # the next may begin with it

    run(story)
