"""The index of requests: a trace that is read through it is the trace that reading everything finds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from events.chronicle import JournalChronicle
from events.compute import flavor
from events.compute.flavor import CreateFlavor, GrantFlavorAccess
from events.decider import Executor
from events.envelope import Origin
from events.fold import Fold
from events.journal import Entry, MemoryJournal
from gateway.traces import Trace, trace
from projections.requests import NAME, Requests, newest

ASKED = 600


class Counting(JournalChronicle):
    """Counts what is read."""

    count = 0

    async def entries(
        self, after: int = 0, until: int | None = None, subject: str | None = None
    ) -> AsyncIterator[Entry]:
        async for entry in super().entries(after, until, subject):
            self.count += 1
            yield entry


def request(n: int) -> str:
    return f"req-00000000-0000-0000-0000-{n:012}"


@asynccontextmanager
async def process(journal: MemoryJournal, path: Path | None) -> AsyncIterator[tuple[Executor, Requests]]:
    """A process that keeps an index, from now on."""
    fold = Fold([flavor])
    await fold.follow(journal)
    index = Requests(path)
    keeping = asyncio.create_task(index.run(fold, JournalChronicle(journal)))
    await asyncio.sleep(0)
    yield Executor(journal, fold), index
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await fold.stop()


async def live(execute: Executor, first: int, many: int) -> None:
    """Requests, each of two commits, and one of many that wait for the same resource: they share commits."""
    await execute(flavor, CreateFlavor(id=f"all-{first}", name="f", ram=1, vcpus=1, disk=1), Origin(request="req-all"))
    for n in range(first, first + many):
        await execute(flavor, CreateFlavor(id=str(n), name=str(n), ram=1, vcpus=1, disk=1), Origin(request=request(n)))
    grants = (
        execute(flavor, GrantFlavorAccess(id=f"all-{first}", project=str(n)), Origin(request=request(n)))
        for n in range(first, first + many)
    )
    await asyncio.gather(*grants)


async def same(journal: MemoryJournal, index: Requests | None, n: int) -> int:
    """How many entries were read for a trace, that is as it should be."""
    chronicle = Counting(journal)
    found: Trace = await trace(chronicle, request(n), requests=index)
    assert found == await trace(JournalChronicle(journal), request(n))
    assert len(found.moments) == 2
    return chronicle.count


async def test_a_trace_reads_little_more_than_its_own_commits(tmp_path: Path) -> None:
    journal = MemoryJournal()
    async with process(journal, tmp_path / NAME) as (execute, index):
        await live(execute, 0, ASKED)
        last = await journal.last()
        for n in (0, ASKED // 2, ASKED - 1):
            assert await same(journal, index, n) < last
        for n in range(ASKED):
            assert len(await index.spans(request(n), last)) <= 2
        assert await index.spans("req-of-nobody", last) == []
    assert (tmp_path / NAME).stat().st_size == 16 * (2 * ASKED + 1)


async def test_what_was_not_heard_is_read_from_the_log(tmp_path: Path) -> None:
    """Before there was an index, while nobody kept it, and what a crash tore."""
    journal, file = MemoryJournal(), tmp_path / NAME
    async with process(journal, None) as (execute, in_memory):
        await live(execute, 0, 50)
        await same(journal, in_memory, 49)
        async with process(journal, file) as (_, index):
            await live(execute, 1000, 50)
            for n in (0, 49, 1000, 1049):
                await same(journal, index, n)
        await live(execute, 2000, 50)
        with file.open("ab") as torn:
            torn.write(bytes(16) + b"torn")
        for n in (0, 1049, 2000, 2049):
            await same(journal, newest(tmp_path), n)  # as another process reads it
        async with process(journal, file) as (_, index):
            while index.position < await journal.last():
                await same(journal, index, 2049)
                await asyncio.sleep(0.01)
            for n in (0, 1049, 2000, 2049):
                await same(journal, index, n)
    assert file.stat().st_size == 16 * 3 * (2 * 50 + 1)


async def test_an_index_of_another_log_is_made_anew(tmp_path: Path) -> None:
    long, short = MemoryJournal(), MemoryJournal()
    async with process(long, tmp_path / NAME) as (execute, _):
        await live(execute, 500, 60)
    async with process(short, None) as (execute, _):
        await live(execute, 0, 10)
    async with process(short, tmp_path / NAME) as (_, index):
        await same(short, index, 3)
        assert await index.spans(request(520), await short.last()) in ([], [(0, await short.last())])


def test_without_a_file_everything_is_to_be_read(tmp_path: Path) -> None:
    assert newest(tmp_path).position == 0
    assert asyncio.run(newest(tmp_path).spans(request(1), 10)) == [(0, 10)]
