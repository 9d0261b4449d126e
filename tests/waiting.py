"""Waiting until something is so, on a machine of any speed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

PATIENCE = 30.0  # seconds; only what never comes to be takes as long


async def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Return once `condition()` holds. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


def wait_until(condition: Callable[[], Any], *, seconds: float = PATIENCE, said: object = "") -> Any:
    """The first true value of `condition()`. Fails, with what was `said`, if there is none in time."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"still {value!r} after {seconds} s {said}"
        time.sleep(0.05)
    return value
