"""The faults: drawn from a seed, done at their times, and undone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from random import Random
from typing import Protocol

from tests.faults.network import Network
from tests.faults.parts import Part
from tests.faults.surroundings import SteppedClock, Volume

SPAN = 5.0  # seconds in which all faults begin, if nobody says otherwise
LONG = 0.15  # of all faults last four times as long as others: longer than any deadline and any connection's patience


class Harm(Protocol):
    """Something that can go wrong, and be made good."""

    name: str  # what it is and whom it befalls
    kind: str
    longest: float  # seconds

    async def inject(self, random: Random) -> None: ...

    async def heal(self) -> None: ...


class Kill:
    kind = "kill"
    longest = 1.5

    def __init__(self, part: Part) -> None:
        self.name = f"kill -9 {part.name}"
        self._part = part

    async def inject(self, random: Random) -> None:
        await self._part.kill()

    async def heal(self) -> None:
        await self._part.start()


class Pause:
    kind = "pause"
    longest = 4.0

    def __init__(self, part: Part) -> None:
        self.name = f"stop {part.name}"
        self._part = part

    async def inject(self, random: Random) -> None:
        self._part.pause()

    async def heal(self) -> None:
        self._part.resume()


class Full:
    kind = "full"
    longest = 3.0

    def __init__(self, name: str, volume: Volume) -> None:
        self.name = f"full disk of {name}"
        self._volume = volume

    async def inject(self, random: Random) -> None:
        await asyncio.to_thread(self._volume.fill)

    async def heal(self) -> None:
        self._volume.free()


class Jump:
    """The clock jumps by up to two hours, and back again."""

    kind = "clock"
    longest = 3.0

    def __init__(self, name: str, clock: SteppedClock) -> None:
        self.name = f"clock of {name}"
        self._clock = clock

    async def inject(self, random: Random) -> None:
        self._clock.step(random.choice((-7200.0, -30.0, -1.0, 1.0, 30.0, 600.0, 7200.0)))

    async def heal(self) -> None:
        self._clock.step(0)


class Cut:
    """One machine does not hear some others, nor they it, though nothing says so to any of them."""

    kind = "cut"
    longest = 6.0

    def __init__(self, network: Network, one: str, others: Sequence[str]) -> None:
        self.name = f"cut between {one} and {' and '.join(others)}"
        self._network, self._one, self._others = network, one, others

    async def inject(self, random: Random) -> None:
        for other in self._others:
            self._network.cut(self._one, other)

    async def heal(self) -> None:
        for other in self._others:
            self._network.mend(self._one, other)


class Fault:
    """One harm at its time."""

    def __init__(self, harm: Harm, at: float, seconds: float, seed: int) -> None:
        self.harm = harm
        self.at = at
        self.seconds = seconds
        self._random = Random(seed)
        self._done = ""

    def __str__(self) -> str:
        return f"at {self.at:5.2f} s for {self.seconds:4.2f} s: {self.harm.name}{self._done}"

    async def run(self, begin: float) -> None:
        await asyncio.sleep(begin + self.at - time.monotonic())
        started = time.monotonic()
        await self.harm.inject(self._random)
        self._done = f" (done at {started - begin:.2f}"
        await asyncio.sleep(self.seconds)
        await self.harm.heal()
        self._done += f", healed at {time.monotonic() - begin:.2f})"


def draw(random: Random, harms: Sequence[Harm], count: int, span: float = SPAN) -> list[Fault]:
    """So many faults, in the order of their times; no harm is done twice at a time."""
    kinds = sorted({harm.kind for harm in harms})
    free = dict.fromkeys((harm.name for harm in harms), 0.0)
    faults = []
    for at in sorted(random.uniform(0.2, span) for _ in range(count)):
        kind = random.choice(kinds)
        able = [harm for harm in harms if harm.kind == kind and free[harm.name] <= at]
        if able:
            harm = random.choice(able)
            seconds = random.uniform(0.0, harm.longest)
            if span >= SPAN and random.random() < LONG:
                seconds *= 4
            free[harm.name] = at + seconds + 1.0
            faults.append(Fault(harm, at, seconds, random.getrandbits(32)))
    return faults


async def befall(faults: Sequence[Fault], begin: float) -> None:
    """Return once all have happened and are healed."""
    await asyncio.gather(*(fault.run(begin) for fault in faults))
