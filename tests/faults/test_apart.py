"""Gateways, handlers, agents and three NATS servers, each on a machine of its own, while faults befall them."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

from tests.faults.apart import Apart
from tests.faults.checks import all_is_well
from tests.faults.people import COLLECTIONS, crowd
from tests.faults.seeds import apart

SEEDS = 2
SPAN = 2.5  # seconds in which faults begin


async def test_what_was_acknowledged_survives_and_everything_rests(seed: int, tmp_path: Path) -> None:
    await apart(seed, tmp_path / "cloud", SPAN)


async def test_without_a_quorum_everything_is_refused_honestly_and_goes_on_by_itself(tmp_path: Path) -> None:
    async with Apart(tmp_path / "cloud") as cloud:
        (person,) = await crowd(cloud, Random(0), 1)
        for node in cloud.nats[:2]:
            node.pause()
        begin = time.monotonic()
        answer = await person.call("POST", COLLECTIONS["project"], {"project": {"name": "refused"}})
        assert answer is not None
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "journal" in answer.text
        assert time.monotonic() - begin < 10
        for node in cloud.nats[:2]:
            node.resume()
        while not await person.make(COLLECTIONS["project"], "project", {"name": "taken"}):
            assert time.monotonic() - begin < 60
        await all_is_well(cloud, person)
        await person.close()
