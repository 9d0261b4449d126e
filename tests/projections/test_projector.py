"""From the fold to the tables, and back again."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.fold import Fold
from events.refusals import Busy
from projections.projector import Projector
from projections.store import Batch, Bookmark, InUse
from projections.tables import Row
from tests.projections import things
from tests.projections.things import ThingDeleted, ThingMade, ThingSized, Writer, content, history, tables


@pytest.fixture(autouse=True)
def _thaw() -> Iterator[None]:
    yield
    gc.unfreeze()


async def crashed(projector: Projector) -> None:
    """What was not flushed is lost, as by kill -9."""
    await asyncio.get_running_loop().run_in_executor(projector._thread, projector.store.close)


async def replayed(write: Writer) -> Fold:
    fold = Fold([things.thing, things.other])
    await fold.follow(write.journal)
    await fold.stop()
    return fold


async def test_a_question_finds_what_was_just_written() -> None:
    write = Writer()
    async with tables(write) as projector:
        await write.make(["a", "b"], "p")
        sequence = await write("a", ThingSized(size=7))
        await projector.fold.reach(sequence)
        assert await projector.ask("SELECT key, size FROM sample_thing ORDER BY born") == [("a", 7), ("b", 0)]
        assert projector.store.bookmark().sequence == sequence


async def test_a_resource_that_changes_twice_in_one_flush_is_as_it_was_last() -> None:
    write = Writer()
    async with tables(write) as projector:
        await write("a", ThingMade(key="a"))
        for size in range(1, 9):
            await projector.fold.reach(await write("a", ThingSized(size=size)))
        assert await projector.ask("SELECT size, revision, born FROM sample_thing") == [(8, 9, 1)]
        await projector.fold.reach(await write("a", ThingSized(size=9)))
        assert await projector.ask("SELECT size, revision, born FROM sample_thing") == [(9, 10, 1)]


async def test_the_deleted_stay_in_the_tables() -> None:
    write = Writer()
    async with tables(write) as projector:
        await write.make(["a"])
        await projector.fold.reach(await write("a", ThingDeleted()))
        assert await projector.ask("SELECT key, deleted FROM sample_thing") == [("a", True)]


async def test_what_changes_is_flushed_before_long() -> None:
    write = Writer()
    async with tables(write) as projector:
        projector._every = 0.01
        running = asyncio.create_task(projector.run())
        await write.make(["a"])
        for _ in range(200):
            await asyncio.sleep(0.01)
            if projector._written.sequence:
                break
        assert projector.store.bookmark().sequence == 1
        running.cancel()


async def test_a_fault_surfaces_and_what_was_to_be_written_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    write = Writer()
    async with tables(write) as projector:
        projector._every = 0.01
        running = asyncio.create_task(projector.run())
        await projector._call(lambda: projector.store.ask("ALTER TABLE sample_thing RENAME TO lost"))
        await write.make(["a"])
        async with asyncio.timeout(5):
            while caplog.text.count("could not be written") < 3:
                await asyncio.sleep(0.01)
        assert "sample_thing" in projector.failure
        assert projector.lag == 1
        with pytest.raises(Busy):
            await projector.ask("SELECT count(*) FROM sample_other")
        running.cancel()
        await write.make(["b"])
        await projector.fold.reach(2)
        flushing = asyncio.create_task(projector.flush())
        await asyncio.sleep(0)
        await write("a", ThingSized(size=4))  # while what was before it is being written
        projector.fold.apply(write.journal.entries[-1])
        with pytest.raises(Exception, match="sample_thing"):
            await flushing
        await projector._call(lambda: projector.store.ask("ALTER TABLE lost RENAME TO sample_thing"))
        assert await projector.ask("SELECT key, size FROM sample_thing ORDER BY born") == [("a", 4), ("b", 0)]
        assert not projector.failure
        assert projector.lag == 0


async def test_many_who_ask_share_a_flush() -> None:
    write = Writer()
    async with tables(write) as projector:
        await write.make(map(str, range(50)))
        await projector.fold.reach(50)
        found = await asyncio.gather(*(projector.ask("SELECT count(*) FROM sample_thing") for _ in range(20)))
        assert found == [[(50,)]] * 20


async def test_one_who_asks_and_leaves_does_not_spoil_the_flush() -> None:
    write = Writer()
    async with tables(write) as projector:
        await write.make(["a"])
        await projector.fold.reach(1)
        asking = asyncio.create_task(projector.flush())
        await asyncio.sleep(0)
        asking.cancel()
        assert await projector.ask("SELECT count(*) FROM sample_step") == [(1,)]


async def test_a_fold_is_restored_as_of_the_bookmark(tmp_path: Path) -> None:
    write = Writer()
    async with tables(write, tmp_path / "tables") as projector:
        await write.make("abc", "p")
        await write("a", ThingDeleted())
        await write("b", ThingSized(size=3))
        await write("a", ThingMade(key="a"))  # it comes to life again, behind the others
        await projector.fold.reach(6)
    fold = Fold([things.thing, things.other])
    again = Projector(fold, tmp_path / "tables", [history])
    assert await again.load(write.now, 6) == fold.position == 6
    assert fold.newest_at == write.now
    expected = await replayed(write)
    assert content(fold) == content(expected)
    assert [one.key for one in fold.by(things.thing, "project", "p")] == ["b", "c"]
    await again.stop()


async def test_the_long_dead_are_not_restored(tmp_path: Path) -> None:
    write = Writer()
    async with tables(write, tmp_path / "tables") as projector:
        await write.make("abc")
        await write("a", ThingDeleted())
        await write("b", ThingDeleted(), seconds=3000)
        await projector.fold.reach(5)
    write.now += timedelta(minutes=30)
    async with tables(write, tmp_path / "tables") as projector:
        assert sorted(projector.fold.shelf(things.thing).known) == ["b", "c"]
        assert await projector.ask("SELECT count(*) FROM sample_thing") == [(3,)]


moves = st.lists(
    st.tuples(st.sampled_from("abcde"), st.sampled_from(["thing", "other"]), st.integers(0, 9), st.booleans()),
    max_size=40,
)


@settings(max_examples=15, deadline=None)
@given(moves, st.integers(0, 40), st.integers(0, 40))
def test_a_crash_leaves_an_older_state_that_is_true(moves: list[Any], flushed: int, crash: int) -> None:
    """Rows, histories and bookmark agree, and nothing is found twice or missing after the next start."""

    async def story(path: Path) -> None:
        write = Writer()
        async with tables(write, path, stop=False) as projector:
            alive: dict[tuple[str, str], bool] = {}
            for number, (key, of, size, delete) in enumerate(moves):
                if number == crash:
                    break
                if not alive.get((key, of)):
                    event: Any = ThingMade(key=key)
                else:
                    event = ThingDeleted() if delete else ThingSized(size=size)
                alive[key, of] = not isinstance(event, ThingDeleted)
                sequence = await write(key, event, of=of)
                if number == flushed:
                    await projector.fold.reach(sequence)
                    await projector.flush()
        await crashed(projector)
        async with tables(write, path) as projector:
            assert content(projector.fold) == content(await replayed(write))
            entries = write.journal.entries
            steps = [(entry.sequence,) for entry in entries if ".thing." in entry.subject]
            assert await projector.ask("SELECT sequence FROM sample_step ORDER BY sequence") == steps
            for name in ("thing", "other"):
                table = projector.store.tables[f"ev.sample.{name}"]
                rows = await projector.ask(f"SELECT known, born FROM {table.name}")
                expected = (await replayed(write)).shelves[table.prefix].known
                assert {one.key: one for one in (table.decode(row[0]) for row in rows)} == expected

    path = Path(f"{os.environ['PYTEST_DIR']}/{os.urandom(8).hex()}")
    asyncio.run(story(path))


@pytest.fixture(autouse=True, scope="module")
def _directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    os.environ["PYTEST_DIR"] = str(tmp_path_factory.mktemp("tables"))
    yield
    del os.environ["PYTEST_DIR"]


@pytest.mark.parametrize("harm", ["header", "middle", "cut", "log", "nothing of ours"])
async def test_a_file_that_cannot_be_read_is_made_anew(tmp_path: Path, harm: str, caplog: Any) -> None:
    write, path = Writer(), tmp_path / "tables"
    async with tables(write, path) as projector:
        await write.make(map(str, range(400)))
        await projector.fold.reach(400)
    data = bytearray(path.read_bytes())
    if harm == "header":
        data[:64] = bytes(64)
    elif harm == "middle":
        data[0x3000:] = os.urandom(len(data) - 0x3000)
    elif harm == "cut":
        del data[0x4000:]
    elif harm == "nothing of ours":
        data[:] = b"hello" * 2000
    else:
        Path(f"{path}.wal").write_bytes(os.urandom(5000))
    path.write_bytes(data)
    async with tables(write, path) as projector:
        assert content(projector.fold) == content(await replayed(write))
        assert await projector.ask("SELECT count(*) FROM sample_thing") == [(400,)]
    # DuckDB passes over a write-ahead log that is none: the file is older then, and true as of its bookmark.
    assert ("are made anew" in caplog.text) == (harm != "log")


async def test_tables_of_other_code_are_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write, path = Writer(), tmp_path / "tables"
    fold = Fold([things.thing])
    await write.make("a")
    projector = Projector(fold, path, [])
    await projector.load(write.now, 1)
    await fold.follow(write.journal)
    await fold.stop()
    await projector.stop()
    async with tables(write, path) as projector:
        assert await projector.ask("SELECT thing FROM sample_step") == [("a",)]
    assert "of another version" in caplog.text


async def test_tables_that_are_ahead_of_the_journal_are_made_anew(tmp_path: Path) -> None:
    write, path = Writer(), tmp_path / "tables"
    async with tables(write, path) as projector:
        await write.make("abc")
        await projector.fold.reach(3)
    other = Writer()
    await other.make("x")
    async with tables(other, path) as projector:
        assert await projector.ask("SELECT key FROM sample_thing") == [("x",)]


async def test_a_flush_of_many_transactions_that_fails_leaves_the_file_torn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("projections.store._TRANSACTION", 2000)
    write, path = Writer(), tmp_path / "tables"
    async with tables(write, path) as projector:
        await write.make(map(str, range(300)))
        await projector.fold.reach(300)
        assert await projector.ask("SELECT count(*) FROM sample_thing") == [(300,)]  # in several, and whole again
    async with tables(write, path, stop=False) as projector:
        assert projector.store.bookmark().sequence == 300
        for number in range(300):
            await write(str(number), ThingSized(size=1))
        await projector.fold.reach(600)
        with monkeypatch.context() as patched:
            patched.setattr(projector.store.tables["ev.sample.thing"], "row", _failing(projector))
            with pytest.raises(RuntimeError):
                await projector.flush()
        with pytest.raises(AssertionError, match="torn"):  # some rows are newer than the bookmark
            await projector.flush()
        await crashed(projector)
    async with tables(write, path) as projector:
        assert await projector.ask("SELECT count(*), max(revision) FROM sample_thing") == [(300, 2)]
        assert await projector.ask("SELECT count(*) FROM sample_step") == [(600,)]
    assert "made anew" in caplog.text


async def test_a_write_that_fails_half_way_changes_nothing() -> None:
    write = Writer()
    async with tables(write) as projector:
        await write.make("a")
        await projector.fold.reach(1)
        await projector.flush()

        def rows() -> Iterator[Row]:
            yield from ()
            raise RuntimeError

        made = projector.store.tables["ev.sample.thing"].row(things.known(things.Thing(key="x"), "x"))
        columns = projector.store.tables["ev.sample.thing"].columns
        batches = [Batch("sample_thing", columns, [made]), Batch("sample_other", columns, rows())]
        with pytest.raises(RuntimeError):
            await projector._call(lambda: projector.store.write(batches, Bookmark(9, None)))
        assert await projector.ask("SELECT key FROM sample_thing") == [("a",)]
        assert projector.store.bookmark().sequence == 1


def _failing(projector: Projector) -> Any:
    made = projector.store.tables["ev.sample.thing"].row

    def row(known: Any) -> Any:
        if known.key == "250":
            raise RuntimeError
        return made(known)

    return row


def test_a_killed_process_leaves_what_it_had_flushed_and_its_file_to_itself(tmp_path: Path) -> None:
    program = """
        import asyncio, sys
        from pathlib import Path
        from events.fold import Fold
        from projections.projector import Projector
        from tests.projections.things import Writer, ThingSized, thing
        async def main():
            write, fold = Writer(), Fold([thing])
            projector = Projector(fold, Path(sys.argv[1]), [])
            await projector.load(write.now, 0)
            await fold.follow(write.journal)
            for number in range(1000):
                await write.make([str(number)])
                await fold.reach(number + 1)
                await projector.flush()
                print(number + 1, flush=True)
        asyncio.run(main())
    """
    path = tmp_path / "tables"
    with subprocess.Popen([sys.executable, "-c", dedent(program), str(path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        for line in child.stdout:
            told = int(line)
            if told == 20:
                with pytest.raises(InUse):
                    Projector(Fold([things.thing]), path, []).store.open()
                child.send_signal(signal.SIGKILL)
                break
        told = max([told, *map(int, child.stdout.read().split())])
    store = Projector(Fold([things.thing]), path, []).store
    bookmark = store.open().sequence
    assert told <= bookmark <= told + 1
    assert store.ask("SELECT count(*), max(sequence) FROM sample_thing") == [(bookmark, bookmark)]
    store.close()
