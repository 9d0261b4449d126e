"""What an operator asks in SQL."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

import pytest

from events.refusals import Invalid
from projections.query import query
from tests.projections.things import Writer, tables


async def test_an_answer_has_columns_and_rows_as_of_now() -> None:
    write = Writer()
    async with tables(write) as projector:
        await write.make("ab", "p")
        await projector.fold.reach(2)
        answer = await query(projector, "SELECT key, size, created_at FROM sample_thing ORDER BY key; -- all of them")
        assert answer.columns == ("key", "size", "created_at")
        assert answer.types == ("VARCHAR", "BIGINT", "TIMESTAMP")
        assert answer.rows[0] == ("a", 0, datetime(2026, 1, 1, 0, 0, 1))
        assert not answer.more


async def test_of_many_rows_the_first_are_given() -> None:
    async with tables(Writer()) as projector:
        answer = await query(projector, "SELECT * FROM range(100) ORDER BY 1", most=3)
        assert (answer.rows, answer.more) == ([(0,), (1,), (2,)], True)


async def test_times_with_a_zone_are_given_in_utc() -> None:
    async with tables(Writer()) as projector:
        question = (
            "SELECT 1, TIMESTAMPTZ '2026-01-01 12:00:00+05', now() AS now UNION ALL SELECT 2, NULL, NULL ORDER BY 1"
        )
        answer = await query(projector, question)
        assert answer.rows[0][1] == datetime(2026, 1, 1, 7)
        assert answer.columns[2] == "now"


REFUSED = (
    "",
    "nonsense",
    "SELECT 1; SELECT 2",
    "SELECT nosuch FROM sample_thing",
    "DELETE FROM sample_thing",
    "DROP TABLE sample_thing",
    "CREATE TABLE t (a INT)",
    "INSERT INTO sample_thing (key) VALUES ('x')",
    "UPDATE bookmark SET sequence = 7",
    "WITH x AS (INSERT INTO sample_thing (key) VALUES ('x') RETURNING key) SELECT * FROM x",
    "COPY sample_thing TO '{path}/out.csv'",
    "SELECT * FROM read_text('{path}/secret')",
    "SELECT * FROM read_csv('{path}/secret')",
    "SELECT * FROM '{path}/secret'",
    "SELECT * FROM glob('{path}/*')",
    "ATTACH '{path}/other'",
    "EXPORT DATABASE '{path}/out'",
    "INSTALL httpfs",
    "LOAD '{path}/secret'",
    "SET enable_external_access = true",
    "SET threads = 9",
    "PRAGMA enable_profiling",
    "CHECKPOINT",
    "BEGIN",
    "CALL pragma_version()",
    "EXPLAIN ANALYZE DELETE FROM sample_thing",
    "PREPARE x AS DELETE FROM sample_thing",
    "SELECT 1) AS asked; DELETE FROM sample_thing; --",
)


async def test_nothing_but_a_select_over_the_tables_is_answered(tmp_path: Path) -> None:
    write = Writer()
    (tmp_path / "secret").write_text("secret")
    async with tables(write, tmp_path / "tables") as projector:
        await write.make("a")
        await projector.fold.reach(1)
        for question in REFUSED:
            with pytest.raises(Invalid):
                await query(projector, question.format(path=tmp_path))
        assert (await query(projector, "SELECT count(*) FROM sample_thing")).rows == [(1,)]
        assert projector.store.bookmark().sequence == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret", "tables"]


async def test_a_question_may_take_so_long() -> None:
    async with tables(Writer()) as projector:
        with pytest.raises(Invalid, match="longer than"):
            await query(projector, "SELECT count(*) FROM range(100000000000) a, range(1000000) b", seconds=0.2)


async def test_a_long_question_keeps_nobody_from_writing() -> None:
    write = Writer()
    async with tables(write) as projector:
        slow = "SELECT count(*) FROM range(100000000000) a, range(1000000) b"
        asking = asyncio.create_task(query(projector, slow, seconds=3.0))
        await asyncio.sleep(0.1)
        await write.make("a")
        await projector.fold.reach(1)
        async with asyncio.timeout(2.5):
            assert await projector.ask("SELECT count(*) FROM sample_thing") == [(1,)]
        assert not asking.done()
        with pytest.raises(Invalid):
            await asking


async def test_a_question_is_answered_while_the_store_rests(tmp_path: Path) -> None:
    write = Writer()
    async with tables(write, tmp_path / "tables") as projector:
        await write.make("a")
        await projector.fold.reach(1)
        await projector.flush()
        connection = await projector.another()
        await projector._call(projector.store.rest)
        assert connection.execute("SELECT key FROM sample_thing").fetchall() == [("a",)]
        assert await projector.ask("SELECT current_setting('TimeZone')") == [("UTC",)]
        connection.close()
