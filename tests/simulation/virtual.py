"""Time that costs nothing: a loop whose clock jumps to the next timer whenever nobody has anything to do."""

from __future__ import annotations

import asyncio
import gc
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 1, 1, tzinfo=UTC)


class Stuck(Exception):
    """Everybody waits for somebody, and no timer is set."""


class _Selector(selectors.DefaultSelector):
    """Waits for nobody outside: in a simulation there is nobody."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise Stuck
        self._loop.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop of one simulation."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.now


class LoopClock:
    """The wall clock of a simulation: the loop's."""

    def now(self) -> datetime:
        return START + timedelta(seconds=asyncio.get_running_loop().time())


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do `work` in virtual time."""
    gc.disable()  # a history is short, and its garbage small
    try:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(work())
    finally:
        gc.enable()
