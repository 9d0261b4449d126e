"""`cumulog up` while it, or NATS beneath it, is killed or stopped, disks fill and clocks jump."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from random import Random

from tests.faults.checks import all_is_well
from tests.faults.people import COLLECTIONS, crowd
from tests.faults.seeds import together
from tests.faults.together import SIMULATED, Together

SEEDS = 3
SPAN = 2.5  # seconds in which faults begin


async def test_what_was_acknowledged_survives_and_everything_rests(seed: int, tmp_path: Path) -> None:
    await together(seed, tmp_path / "cloud", SPAN)


async def test_while_nats_stands_still_one_can_be_read_and_nothing_is_lost(tmp_path: Path) -> None:
    async with Together(tmp_path / "cloud", *SIMULATED, "--set", "journal.deadline=2") as cloud:
        person, other = await crowd(cloud, Random(0), 2)
        url = await person.make(COLLECTIONS["server"], "server", person.server("before"))
        await other.call("GET", url)
        cloud.nats.pause()
        try:
            write = asyncio.create_task(person.make(COLLECTIONS["project"], "project", {"name": "late"}))
            await asyncio.sleep(0.2)
            begin = time.monotonic()
            answer = await other.call("GET", url)
            assert answer is not None
            assert answer.status_code == 200
            assert time.monotonic() - begin < 1.0
            await asyncio.sleep(4)
        finally:
            cloud.nats.resume()
        late = await write
        assert late or person.promises.answers["POST 503"] == 1
        assert await person.make(COLLECTIONS["project"], "project", {"name": "after"})
        await all_is_well(cloud, person)
        await person.close()
        await other.close()
