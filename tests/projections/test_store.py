"""The store by itself: how much it holds."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from events.fold import Known
from projections.store import Batch, Bookmark, Store
from projections.tables import BORN, table
from tests.projections import things
from tests.projections.things import NOW, Thing

THINGS = table(things.thing)


def test_a_table_may_be_larger_than_the_memory_that_it_is_written_with(tmp_path: Path) -> None:
    store = Store(tmp_path / "tables", [THINGS], memory="16MB")
    store.open()
    for begin in range(0, 24_000, 2_000):
        rows = []
        for n in range(begin, begin + 2_000):
            at = NOW + timedelta(seconds=n)
            state = Thing(key=str(n), project=f"{n:064}" * 16)
            rows.append((*THINGS.row(Known(state, str(n), at, at, n + 1, 1, "h")), n))
        store.write([Batch(THINGS.name, (*THINGS.columns, BORN), rows, "insert")], Bookmark(begin + 1, None))
    assert store.ask("SELECT count(*), min(born), max(born) FROM sample_thing") == [(24_000, 0, 23_999)]
    store.close()
    assert [file.name for file in tmp_path.iterdir()] == ["tables"]
