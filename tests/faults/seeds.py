"""One seed: people live in a cloud, faults befall it, they are healed, and everything is looked at."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from tests.faults.apart import Apart
from tests.faults.checks import Broken, all_is_well
from tests.faults.harms import SPAN, Fault, befall, draw
from tests.faults.people import Person, crowd
from tests.faults.together import SIMULATED, Together

PEOPLE = 4
LONGEST = 300.0  # seconds that a seed may take in all

# What a log may say while such a thing happens.
EXPECTED = (
    r"died with status -9|[Tt]he tables could not be written|did not stop cleanly"
    r"|the NATS server (?:died|ended|does not answer|cannot be started|cannot write)"
)
FULL = (  # the same of a disk that is full
    r"|the journal's disk is full|the NATS server could not write"
    r"|No space left on device"  # a traceback that does not end in this is another's
    r"|died with status 1; starting it again"  # it could not start there
)


class Failed(AssertionError):
    """A seed that failed: what, what had befallen the cloud, and what its log says of the resource concerned."""


async def together(seed: int, state: Path, span: float = SPAN, kind: Callable[..., Person] = Person) -> float:
    """One seed with `cumulog up`; the seconds until all rested. Raises Failed."""
    async with Together(state, *SIMULATED, faulty=True) as cloud:
        return await run(seed, cloud, span, kind)


async def nodes(seed: int, state: Path, span: float = SPAN) -> float:
    """One seed with `cumulog up --nodes 3`; as above. Raises Failed."""
    async with Together(state, *SIMULATED, nodes=3, faulty=True) as cloud:
        return await run(seed, cloud, span)


async def apart(seed: int, state: Path, span: float = SPAN) -> float:
    """One seed with each part on a machine of its own; as above. Raises Failed."""
    async with Apart(state) as cloud:
        return await run(seed, cloud, span)


KINDS = {"together": together, "nodes": nodes, "apart": apart}


async def run(seed: int, cloud: Together | Apart, span: float, kind: Callable[..., Person] = Person) -> float:
    """One seed in a running cloud: faults begin within `span` seconds; the seconds until all rested. Raises Failed."""
    random = Random(seed)
    faults = draw(random, cloud.harms, random.randint(2, 1 + round(span)), span)
    kinds = {fault.harm.kind for fault in faults}
    jumps = "clock" in kinds
    known = EXPECTED + (FULL if "full" in kinds else "")
    people = await crowd(cloud, random, PEOPLE, forgetful=jumps, kind=kind)
    begin = time.monotonic()
    try:
        async with asyncio.timeout(LONGEST):
            await _live(people, faults, begin, span)
            return await all_is_well(cloud, people[0], failures=jumps, known=known)
    except Exception as fault:  # whatever it is, it is told with all that had happened
        raise Failed(await _story(seed, cloud, people[0], faults, fault)) from fault
    finally:
        for person in people:
            await person.close()


async def _live(people: list[Person], faults: list[Fault], begin: float, span: float) -> None:
    lives = [asyncio.create_task(person.live()) for person in people]
    try:
        await befall(faults, begin)
        await asyncio.sleep(max(0.0, begin + span - time.monotonic()) + 0.5)
    finally:
        for person in people:
            person.done = True
        await asyncio.gather(*lives)


async def _story(seed: int, cloud: Together | Apart, person: Person, faults: Sequence[Fault], fault: Exception) -> str:
    lines = [f"seed {seed}: {fault or type(fault).__name__}", "what befell it:", *(f"  {one}" for one in faults)]
    lines.append(f"what was answered: {dict(sorted(person.promises.answers.items()))}")
    lines += [f"{process.name}: {line}" for process in cloud.processes for line in process.troubles]
    resource = fault.resource if isinstance(fault, Broken) else ""
    if resource:
        _, told = await cloud.ask("trace", resource)
        lines += [f"cumulog trace {resource}:", told]
    for process in cloud.processes:
        lines += [f"the end of {process.log}:", *process.log.read_text(errors="replace").splitlines()[-40:]]
    return "\n".join(lines)
