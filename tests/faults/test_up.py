"""`kill -9` of the cloud, or of NATS beneath it, at any moment: what was acknowledged is there, everything rests."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from random import Random

from tests.faults.people import Person, Promises, crowd, names
from tests.faults.running import Running

SEEDS = 5
PEOPLE = 4
SIMULATED = ("--driver", "simulated", "--hosts", "3")


async def break_things(cloud: Running, random: Random, times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(random.uniform(0.1, 1.5))
        if random.random() < 0.5:
            cloud.signal_nats(signal.SIGKILL)
        else:
            await cloud.kill()
            await cloud.start()


async def all_is_well(cloud: Running, person: Person, seed: int) -> None:
    """Promises are kept, servers rest and have not failed, log and tables agree."""
    servers = await person.rest()
    broken = await person.broken()
    assert not broken, f"seed {seed}: {broken}"
    failed = [one for one in servers if one["status"] == "ERROR"]
    assert not failed, f"seed {seed}: {list(names(failed))}"
    await cloud.stop()
    await cloud.verify()


async def test_what_was_acknowledged_survives_and_everything_rests(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    async with Running(tmp_path / "cloud", *SIMULATED) as cloud:
        people = await crowd(cloud, random, PEOPLE)
        lives = [asyncio.create_task(person.live()) for person in people]
        await break_things(cloud, random, 3)
        await asyncio.sleep(random.random())
        for person in people:
            person.done = True
        await asyncio.gather(*lives)
        try:
            await all_is_well(cloud, people[0], seed)
        finally:
            for person in people:
                await person.close()
        assert people[0].promises.made


async def test_while_nats_stands_still_one_can_be_read_and_nothing_is_lost(tmp_path: Path) -> None:
    async with Running(tmp_path / "cloud", *SIMULATED, "--set", "journal.deadline=2") as cloud:
        person, other = (await crowd(cloud, Random(0), 2))[:2]
        url = await person.make("/compute/v2.1/servers", "server", person.server("before"))
        assert url
        await other.call("GET", url)
        cloud.signal_nats(signal.SIGSTOP)
        try:
            write = asyncio.create_task(person.make("/identity/v3/projects", "project", {"name": "late"}))
            await asyncio.sleep(0.2)
            begin = time.monotonic()
            answer = await other.call("GET", url)
            assert answer is not None
            assert answer.status_code == 200
            assert time.monotonic() - begin < 1.0
            await asyncio.sleep(4)
        finally:
            cloud.signal_nats(signal.SIGCONT)
        late = await write
        assert late or person.promises.refused.get(503) == 1
        again = await person.make("/identity/v3/projects", "project", {"name": "after"})
        assert again
        await all_is_well(cloud, person, 0)
        await person.close()
        await other.close()


__all__ = ["Promises"]
