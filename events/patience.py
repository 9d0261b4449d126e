"""Patience: how long to wait before something is tried again, when many try it."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random


def growing(random: Random, first: float, most: float) -> Iterator[float]:
    """Seconds before each further attempt: twice as long every time, up to a bound, give or take a half by dice.

    So those who failed together do not come again together, and come the less often the longer it lasts.
    """
    while True:
        yield first * (0.5 + random.random())
        first = min(first * 2, most)
