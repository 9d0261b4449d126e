"""The past is read as one."""

from __future__ import annotations

from events.chronicle import JournalChronicle
from events.journal import MemoryJournal


async def _journal() -> MemoryJournal:
    journal = MemoryJournal()
    for n, subject in enumerate(("ev.a.b.1", "ev.a.b.2", "ev.a.b.1")):
        await journal.append(subject, b"%d" % n, expected=journal._last.get(subject, 0))
    return journal


async def test_entries_come_in_order_between_two_sequences() -> None:
    chronicle = JournalChronicle(await _journal())
    assert [entry.sequence async for entry in chronicle.entries()] == [1, 2, 3]
    assert [entry.sequence async for entry in chronicle.entries(1, 2)] == [2]
    assert [entry.sequence async for entry in chronicle.entries(3)] == []


async def test_entries_of_one_subject_are_told_apart() -> None:
    chronicle = JournalChronicle(await _journal())
    assert [entry.data async for entry in chronicle.entries(subject="ev.a.b.1")] == [b"0", b"2"]
    assert [entry.data async for entry in chronicle.entries(0, 2, "ev.a.b.1")] == [b"0"]
