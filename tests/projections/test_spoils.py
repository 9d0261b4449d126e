"""What could not be folded before a stop is folded anew at the start: the tables have too old a state of it."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.projections import things
from tests.projections.things import ThingSized, Writer, tables


async def test_what_was_spoiled_is_looked_at_again_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL + 1)
    write = Writer()
    await write.make("ab", "p")

    async with tables(write, tmp_path / "t") as projector:
        shelf = projector.fold.shelf(things.thing)
        guard = shelf.evolve

        def evolve(state: Any, event: Any, at: datetime) -> Any:
            if getattr(event, "size", None) == 5:
                raise ValueError
            return guard(state, event, at)

        monkeypatch.setattr(shelf, "evolve", evolve)
        await write("a", ThingSized(size=5))
        await write("b", ThingSized(size=7))
        await projector.fold.reach(4)
        assert len(projector.fold.spoiled) == 1
    async with tables(write, tmp_path / "t") as projector:
        assert projector.fold.spoiled == {}
        thing = projector.fold.get(things.thing, "a")
        assert thing is not None
        assert thing.size == 5
        assert await projector.ask("SELECT key, size FROM sample_thing ORDER BY key") == [("a", 5), ("b", 7)]
    async with tables(write, tmp_path / "t") as projector:
        thing = projector.fold.get(things.thing, "a")
        assert thing is not None
        assert thing.size == 5
