"""Virtual time for tests: a history is short and its garbage small, so that it need not be collected."""

from __future__ import annotations

import gc
from collections.abc import Callable, Coroutine
from typing import Any

from events import virtual
from events.virtual import START, LoopClock, Stuck, VirtualLoop


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do `work` in virtual time."""
    gc.disable()
    try:
        virtual.run(work)
    finally:
        gc.enable()


__all__ = ["START", "LoopClock", "Stuck", "VirtualLoop", "run"]
