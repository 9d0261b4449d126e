"""One seed: people live in a cloud, faults befall it, they are healed, and everything is looked at."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.faults.checks import Broken, all_is_well
from tests.faults.harms import SPAN, Fault, befall, draw
from tests.faults.people import Person, crowd
from tests.faults.together import SIMULATED, Together

PEOPLE = 4
LONGEST = 240.0  # seconds that a seed may take in all

# What a log may say while such a thing happens.
NATS_DIES = r"the NATS server died with status|the NATS server (?:ended|does not answer)"


class Failed(AssertionError):
    """A seed that failed: what, what had befallen the cloud, and what its log says of the resource concerned."""


async def together(seed: int, state: Path, *, kind: Callable[..., Person] = Person) -> None:
    """One seed with `cumulog up`. Raises Failed."""
    random = Random(seed)
    async with Together(state, *SIMULATED, faulty=True) as cloud:
        await run(seed, cloud, random, kind)


async def run(seed: int, cloud: Together, random: Random, kind: Callable[..., Person]) -> None:
    faults = draw(random, cloud.harms, random.randint(2, 6))
    jumps = any(fault.harm.kind == "clock" for fault in faults)
    people = await crowd(cloud, random, PEOPLE, forgetful=jumps, kind=kind)
    begin = time.monotonic()
    try:
        async with asyncio.timeout(LONGEST):
            await _live(people, faults, begin)
            await all_is_well(cloud, people[0], failures=jumps, known=NATS_DIES)
    except Exception as fault:
        raise Failed(await _story(seed, cloud, faults, fault)) from fault
    finally:
        for person in people:
            await person.close()
    assert people[0].promises.things


async def _live(people: list[Person], faults: list[Fault], begin: float) -> None:
    lives = [asyncio.create_task(person.live()) for person in people]
    try:
        await befall(faults, begin)
        await asyncio.sleep(max(0.0, begin + SPAN - time.monotonic()) + 0.5)
    finally:
        for person in people:
            person.done = True
        await asyncio.gather(*lives)


async def _story(seed: int, cloud: Together, faults: list[Fault], fault: Exception) -> str:
    lines = [f"seed {seed}: {fault or type(fault).__name__}", "what befell it:", *(f"  {one}" for one in faults)]
    lines += [f"{process.name}: {line}" for process in cloud.processes for line in process.troubles]
    resource = fault.resource if isinstance(fault, Broken) else ""
    if resource:
        _, told = await cloud.ask("trace", resource)
        lines += [f"cumulog trace {resource}:", told]
    for process in cloud.processes:
        lines += [f"the end of {process.log}:", *process.log.read_text(errors="replace").splitlines()[-40:]]
    return "\n".join(lines)
