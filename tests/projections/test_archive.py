"""The archive: what is in it is what was in the journal, and nothing is dropped before it is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from events.compute import flavor, keypair
from events.compute.flavor import CreateFlavor, DeleteFlavor, GrantFlavorAccess
from events.decider import Executor
from events.envelope import CLOUD
from events.fold import Fold
from events.journal import Entry, Epoch, Journal, Unavailable
from events.refusals import NotFound
from handlers.archivist import Archivist
from projections.archive import COMMITS, MANIFEST, Archive, Chronicle, Damaged, stored
from projections.archiving import Broken, check, digest_of, keep
from projections.cold import Cold, Directory
from tests import journals

RESOURCES: list[Any] = [flavor, keypair]


@pytest.fixture(params=journals.BOTH)
async def journal(request: Any, tmp_path: Path) -> AsyncIterator[Journal]:
    async with journals.empty(request.param, tmp_path) as journal:
        yield journal


class Place:
    """A cloud of one process, and its archive."""

    def __init__(self, journal: Journal, cold: Cold, path: Path, *, commits: int = 0) -> None:
        self.journal = journal
        self.archive = Archive(cold, path / "scratch")
        self.fold = Fold(RESOURCES)
        self.fold.past = self.archive
        self.execute = Executor(journal, self.fold)
        self.archivist = Archivist(journal, self.fold, self._keep, commits=commits, period=0.05)

    async def _keep(self, epoch: Epoch) -> int:
        return (await keep(self.archive, self.journal, epoch, RESOURCES)).bytes

    async def make(self, *ids: str) -> None:
        for id in ids:
            await self.execute(flavor, CreateFlavor(id=id, name=id, ram=64, vcpus=1, disk=1, public=False), CLOUD)


@pytest.fixture
async def place(journal: Journal, tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(journal, Directory(tmp_path / "archive"), tmp_path)
    await place.fold.follow(journal)
    yield place
    await place.fold.stop()
    await place.archive.close()


async def all_of(entries: AsyncIterator[Entry]) -> list[Entry]:
    return [entry async for entry in entries]


def living(fold: Fold) -> list[Any]:
    return [shelf.known[key] for shelf in fold.shelves.values() for key in shelf.live]


async def lived(place: Place) -> None:
    """Three epochs: one with births, one with changes and deaths, one that is going on."""
    await place.make("a", "b", "c", "d")
    await place.execute(flavor, DeleteFlavor(id="d"), CLOUD)
    await place.archivist.archive()
    await place.execute(flavor, GrantFlavorAccess(id="a", project="p"), CLOUD)
    await place.execute(flavor, DeleteFlavor(id="b"), CLOUD)
    await place.make("e")
    await place.archivist.archive()
    await place.execute(flavor, GrantFlavorAccess(id="c", project="q"), CLOUD)


async def test_cold_and_hot_are_read_as_one(place: Place) -> None:
    heard: list[Entry] = []
    tail = await place.journal.tail(0, heard.append)
    await lived(place)
    last = await place.journal.last()
    await place.fold.fence(place.journal)
    assert [epoch.number for epoch in await place.journal.epochs()] == [3]
    chronicle = Chronicle(place.journal, place.archive)
    entries = await all_of(chronicle.entries())
    assert [entry.sequence for entry in entries] == list(range(1, last + 1))
    while len(heard) < last:
        await place.fold.fence(place.journal)
    assert entries == heard
    await tail.stop()
    for after, until in ((0, 3), (2, 9), (4, last), (last - 1, None), (last, None)):
        expected = [entry for entry in heard if after < entry.sequence <= (until or last)]
        assert await all_of(chronicle.entries(after, until)) == expected
    for subject in ("ev.compute.flavor.a", "ev.compute.flavor.c", "ev.compute.flavor.never"):
        own = [entry for entry in heard if entry.subject == subject]
        assert await all_of(chronicle.entries(subject=subject)) == own


async def test_a_snapshot_is_the_fold_as_it_was(place: Place) -> None:
    await lived(place)
    chronicle = Chronicle(place.journal, place.archive)
    assert await chronicle.snapshot(3) is None
    ends = [manifest.last for manifest in await place.archive.look()]
    for at, names in ((ends[0], ["a", "b", "c"]), (await chronicle.last(), ["a", "c", "e"])):
        snapshot = await chronicle.snapshot(at)
        assert snapshot is not None
        fold = Fold(RESOURCES)
        fold.restore(snapshot.known, snapshot.position)
        assert [state.id for state in fold.all(flavor)] == names
        other = Fold(RESOURCES)
        async for entry in chronicle.entries(until=snapshot.position):
            other.apply(entry)
        assert living(fold) == living(other)


async def test_a_fold_that_was_away_for_epochs_catches_up(place: Place) -> None:
    await lived(place)
    for position in (0, 2, 5):
        late = Fold(RESOURCES)
        late.past = place.archive
        async for entry in Chronicle(place.journal, place.archive).entries(until=position):
            late.apply(entry)
        await late.follow(place.journal)
        await place.fold.fence(place.journal)
        assert living(late) == living(place.fold)
        assert late.epoch == place.fold.epoch
        assert late.passage.differs == 0
        await late.stop()


async def test_the_dead_of_archived_epochs_stay_dead(place: Place) -> None:
    await lived(place)
    for shelf in place.fold.shelves.values():
        shelf.bury(place.execute.clock.now() + timedelta(hours=2))
    assert place.fold.known(flavor, "d") is None
    known = await place.fold.exhume(flavor, "d", place.journal)
    assert known is not None
    assert (known.state.deleted, known.revision) == (True, 2)
    fresh = Fold(RESOURCES)  # which has begun after their deaths
    fresh.past = place.archive
    fresh.position = (await place.journal.epochs())[0].first - 1
    fresh.passage.is_new = True
    await fresh.follow(place.journal)
    execute = Executor(place.journal, fresh)
    again = await execute(flavor, CreateFlavor(id="b", name="b", ram=1, vcpus=1, disk=1), CLOUD)
    assert again.known.revision == 3
    with pytest.raises(NotFound):
        await execute(flavor, DeleteFlavor(id="d"), CLOUD)
    await fresh.stop()
    await place.fold.fence(place.journal)
    await place.archivist.archive()  # the chain goes on over the epochs, also for who lived again


async def test_a_long_epoch_is_closed_archived_and_dropped_by_itself(journal: Journal, tmp_path: Path) -> None:
    place = Place(journal, Directory(tmp_path / "archive"), tmp_path, commits=10)
    await place.fold.follow(journal)
    looking = asyncio.create_task(place.archivist.run())
    made = [str(n) for n in range(35)]
    for id in made:
        await place.make(id)
        await asyncio.sleep(0.02)  # as long as the epoch must not be closed many times over
    async with asyncio.timeout(20):
        while (await journal.epochs())[0].number < 3:
            await asyncio.sleep(0.01)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    assert place.archivist.failure == ""
    assert [state.id for state in place.fold.all(flavor)] == made
    chronicle = Chronicle(journal, place.archive)
    entries = await all_of(chronicle.entries())
    assert [entry.sequence for entry in entries] == list(range(1, await journal.last() + 1))
    assert len([entry for entry in entries if entry.subject.startswith("ev.compute.flavor.")]) == len(made)
    await place.fold.stop()
    await place.archive.close()


async def test_what_is_carried_into_an_epoch_does_not_make_it_long(journal: Journal, tmp_path: Path) -> None:
    """Else a cloud with more to carry than the setting allows would close epochs without an end."""
    place = Place(journal, Directory(tmp_path / "archive"), tmp_path, commits=2)
    await place.fold.follow(journal)
    await place.make("a", "b")
    assert (await place.archivist.look()).kept == (1,)
    for _ in range(3):
        assert (await place.archivist.look()).closed is None
    await place.make("c")
    assert (await place.archivist.look()).closed is None
    await place.make("d")
    assert (await place.archivist.look()).kept == (2,)
    await place.fold.stop()
    await place.archive.close()


class Failing(Directory):
    """Storage that fails before or after the nth put."""

    def __init__(self, root: Path, puts: int, after: bool) -> None:
        super().__init__(root)
        self.puts, self.after = puts, after

    async def put(self, name: str, file: Path) -> None:
        self.puts -= 1
        if self.puts < 0 and not self.after:
            raise Unavailable("the disk is full")
        await super().put(name, file)
        if self.puts < 0:
            raise Unavailable("the connection broke")


@pytest.mark.parametrize("puts", range(4))
@pytest.mark.parametrize("after", [False, True])
async def test_storage_that_breaks_loses_nothing(place: Place, tmp_path: Path, puts: int, after: bool) -> None:
    await place.make("a", "b", "c")
    good = place.archive.cold
    place.archive.cold = Failing(tmp_path / "archive", puts, after)
    with pytest.raises(Unavailable):
        await place.archivist.archive()
    assert (await place.journal.epochs())[0].number == 1
    await place.make("later")
    place.archive.cold = good
    done = await place.archivist.look()
    assert done.kept == (1,)
    chronicle = Chronicle(place.journal, place.archive)
    assert len(await all_of(chronicle.entries())) == await chronicle.last()


async def test_a_process_that_dies_before_the_drop_is_followed_by_one_that_drops(place: Place) -> None:
    await place.make("a")

    async def dies(epoch: int) -> None:
        raise Unavailable("it died")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place.journal, "drop", dies)
        with pytest.raises(Unavailable):
            await place.archivist.archive()
    chronicle = Chronicle(place.journal, place.archive)
    assert len(await all_of(chronicle.entries())) == await chronicle.last()  # it is in both places
    assert (await place.archivist.look()).kept == (1,)
    assert len(await all_of(chronicle.entries())) == await chronicle.last()


async def test_what_is_damaged_is_not_dropped(place: Place, tmp_path: Path) -> None:
    await place.make("a", "b")

    async def keep_and_spoil(epoch: Epoch) -> int:
        kept = await keep(place.archive, place.journal, epoch, RESOURCES)
        file = await place.archive.file(1, COMMITS)
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
        return await check(place.archive, kept.manifest)

    place.archivist._keep = keep_and_spoil
    with pytest.raises(Damaged):
        await place.archivist.archive()
    assert (await place.journal.epochs())[0].number == 1


async def test_a_journal_whose_chain_is_broken_is_not_archived(place: Place) -> None:
    await place.make("a")
    entry = (await place.journal.of("ev.compute.flavor.a"))[0]
    await place.journal.append("ev.compute.flavor.a", entry.data, expected=1)
    with pytest.raises(Broken, match="chain"):
        await place.archivist.archive()
    assert (await place.journal.epochs())[0].number == 1


async def test_several_processes_archive_at_once(place: Place, tmp_path: Path) -> None:
    await place.make("a", "b", "c")
    other = Place(place.journal, place.archive.cold, tmp_path / "other")
    await other.fold.follow(place.journal)
    results = await asyncio.gather(place.archivist.archive(), other.archivist.archive(), return_exceptions=True)
    assert any(not isinstance(result, BaseException) for result in results), results
    await place.archivist.look()
    for manifest in await place.archive.look():
        await check(place.archive, manifest)
        entries = place.archive.entries(manifest.first - 1, manifest.last)
        assert await digest_of(entries, manifest.first, manifest.last) == manifest.digest
    chronicle = Chronicle(place.journal, place.archive)
    assert len(await all_of(chronicle.entries())) == await chronicle.last()
    await other.fold.stop()
    await other.archive.close()


async def test_commits_are_typed_columns(place: Place) -> None:
    await lived(place)
    file = str(await place.archive.file(1, COMMITS))
    question = (
        "SELECT service, resource, actor, events, \"at\" FROM read_parquet(?) WHERE subject LIKE 'ev.%' ORDER BY 5"
    )
    rows = await place.archive.ask(question, [file])
    assert [row[:4] for row in rows[:1]] == [("compute", "flavor", "cumulog", ["FlavorCreated"])]
    assert rows[0][4] <= rows[-1][4]
    assert stored(1, MANIFEST, "x" * 20).startswith("epoch-0001/")
