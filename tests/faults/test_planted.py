"""The harness is believed because it raises the alarm when something is wrong that was planted."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import httpx
import pytest

from tests.faults.checks import Broken, all_is_well
from tests.faults.people import COLLECTIONS, Person, crowd
from tests.faults.promises import Promises
from tests.faults.seeds import Failed, together
from tests.faults.together import SIMULATED, Together

NOWHERE = "00000000-0000-4000-8000-000000000000"


class Dreamer(Person):
    """Hears an acknowledgement of a network that was never asked for."""

    async def live(self) -> None:
        self.promises.made(f"{COLLECTIONS['network']}/{NOWHERE}", "network", "dream", 1)
        await super().live()


async def test_a_write_that_was_acknowledged_and_never_stored_is_found(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="was made in life 1, and is not found") as caught:
        await together(7, tmp_path / "cloud", 1.0, Dreamer)
    assert "what befell it:" in str(caught.value)
    assert f"cumulog trace {NOWHERE}" in str(caught.value)


async def test_what_was_done_behind_the_clouds_back_is_found(tmp_path: Path) -> None:
    """A rename that the client was told of and that is not there, and a guest that nobody wants."""
    async with Together(tmp_path / "cloud", *SIMULATED) as cloud:
        (person,) = await crowd(cloud, Random(0), 1)
        url = await person.make(COLLECTIONS["project"], "project", {"name": "first"})
        thing = person.promises.things[url]
        thing.names = {"second"}
        with pytest.raises(Broken, match="is named first, not"):
            await all_is_well(cloud, person)
        thing.names = {"first"}
        await cloud.stop()
        with closing(sqlite3.connect(cloud.memories[0], isolation_level=None)) as memory:
            memory.execute("INSERT INTO guest VALUES ('host-1', 'stray', 1, 1)")
        await cloud.start()
        with pytest.raises(Broken, match=r"hosts and cloud do not agree.*stray"):
            await all_is_well(cloud, person, patience=3)
        await person.close()


@pytest.mark.parametrize(
    ("answer", "lie"),
    [
        (httpx.Response(500, text="oh"), "answered 500"),
        (httpx.Response(503), "without Retry-After"),
        (httpx.Response(401), "answered 401"),
    ],
)
async def test_a_dishonest_answer_is_found(answer: httpx.Response, lie: str) -> None:
    person = Person(None, Promises(), Random(0))  # type: ignore[arg-type]
    person._note(answer, "GET /")
    await person.close()
    assert lie in person.promises.lies[0]
