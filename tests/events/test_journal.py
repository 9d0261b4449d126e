"""What every journal is: one suite over its meaning in memory and over JetStream."""

from __future__ import annotations

import asyncio
import random

import pytest

from events.journal import Entry, Journal, Stale
from tests.waiting import until

A, B = "ev.compute.server.a", "ev.compute.server.b"


async def test_sequences_count_the_whole_journal_from_one(journal: Journal) -> None:
    assert await journal.last() == 0
    assert await journal.append(A, b"1", expected=0) == 1
    assert await journal.append(B, b"2", expected=0) == 2
    assert await journal.append(A, b"3", expected=1) == 3
    assert await journal.last() == 3


async def test_a_writer_who_knows_less_is_told_the_newest_sequence(journal: Journal) -> None:
    await journal.append(A, b"1", expected=0)
    await journal.append(B, b"2", expected=0)
    await journal.append(A, b"3", expected=1)
    for known in (0, 1, 2):
        with pytest.raises(Stale) as stale:
            await journal.append(A, b"4", expected=known)
        assert stale.value.sequence == 3
    assert await journal.last() == 3


async def test_a_writer_who_expects_what_never_was_is_told_so(journal: Journal) -> None:
    with pytest.raises(Stale) as stale:
        await journal.append(A, b"1", expected=7)
    assert stale.value.sequence == 0


async def test_a_repeated_append_happens_once(journal: Journal) -> None:
    assert await journal.append(A, b"1", expected=0) == 1
    assert await journal.append(A, b"1", expected=0) == 1
    assert await journal.last() == 1


async def test_a_repeated_append_is_recognised_behind_other_writers(journal: Journal) -> None:
    await journal.append(A, b"0", expected=0)
    assert await journal.append(A, b"1", expected=1) == 2
    for n in range(2, 5):
        await journal.append(A, b"more", expected=n)
    assert await journal.append(A, b"1", expected=1) == 2
    assert await journal.last() == 5


async def test_one_command_may_write_to_several_subjects(journal: Journal) -> None:
    assert await journal.append(A, b"1", expected=0) == 1
    assert await journal.append(B, b"1", expected=0) == 2
    assert await journal.append(B, b"1", expected=0) == 2


async def test_a_subject_has_its_own_entries_in_order(journal: Journal) -> None:
    known = {A: 0, B: 0}
    for n, subject in enumerate((A, B, B, A, B)):
        known[subject] = await journal.append(subject, b"%d" % n, expected=known[subject])
    assert await journal.of(A) == [Entry(1, A, b"0"), Entry(4, A, b"3")]
    assert [entry.sequence for entry in await journal.of(B)] == [2, 3, 5]
    assert [entry.sequence for entry in await journal.of(B, after=2)] == [3, 5]
    assert await journal.of(B, after=5) == []
    assert await journal.of("ev.compute.server.c") == []


async def test_of_shows_ones_own_write_at_once(journal: Journal) -> None:
    known = 0
    for n in range(50):
        known = await journal.append(A, b"%d" % n, expected=known)
        assert (await journal.of(A, after=known - 1)) == [Entry(known, A, b"%d" % n)]
    assert [entry.data for entry in await journal.of(A)] == [b"%d" % n for n in range(50)]


async def test_a_tail_delivers_what_was_and_what_comes(journal: Journal) -> None:
    await journal.append(A, b"1", expected=0)
    await journal.append(B, b"2", expected=0)
    heard: list[Entry] = []
    tail = await journal.tail(0, heard.append)
    await journal.append(A, b"3", expected=1)
    await until(lambda: len(heard) == 3)
    assert heard == [Entry(1, A, b"1"), Entry(2, B, b"2"), Entry(3, A, b"3")]
    await tail.stop()
    await journal.append(A, b"4", expected=3)
    await asyncio.sleep(0.02)
    assert len(heard) == 3


async def test_a_tail_begins_after_what_is_known(journal: Journal) -> None:
    for n in range(10):
        await journal.append(f"{A}{n}", b"", expected=0)
    heard: list[Entry] = []
    tail = await journal.tail(7, heard.append)
    await until(lambda: len(heard) == 3)
    assert [entry.sequence for entry in heard] == [8, 9, 10]
    await tail.stop()


@pytest.mark.parametrize("seed", range(3))
async def test_racing_writers_lose_no_update(journal: Journal, seed: int) -> None:
    """Each entry tells on top of which one it was written: that must be the one before it on its subject."""
    dice = random.Random(seed)
    subjects = [f"ev.compute.host.{n}" for n in range(2)]
    heard: list[Entry] = []
    tail = await journal.tail(0, heard.append)
    refused = 0

    async def write(writer: int) -> None:
        nonlocal refused
        for n in range(25):
            subject = dice.choice(subjects)
            own = [entry for entry in heard if entry.subject == subject]
            known = own[-1].sequence if own else 0  # perhaps not the newest
            while True:
                try:
                    await journal.append(subject, f"{known} {writer} {n}".encode(), expected=known)
                    break
                except Stale as stale:
                    refused += 1
                    known = stale.sequence
            if dice.random() < 0.3:
                await asyncio.sleep(dice.random() / 500)

    await asyncio.gather(*(write(writer) for writer in range(6)))
    await until(lambda: len(heard) == 150)
    assert refused
    assert [entry.sequence for entry in heard] == list(range(1, 151))
    for subject in subjects:
        own = [entry for entry in heard if entry.subject == subject]
        assert own == await journal.of(subject)
        assert [int(entry.data.split()[0]) for entry in own] == [0, *(entry.sequence for entry in own[:-1])]
    await tail.stop()
