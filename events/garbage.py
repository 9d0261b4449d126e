"""The collector of garbage, where very much is made that stays: its passes would take most of the time."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

COLLECT = (20_000, 20, 50)  # when it passes: most of what is made is gone at once, and what stays is no garbage

_frozen = False


def seldom() -> None:
    """It passes seldom, and looks at nothing again that it has once found alive: a pass costs what is new."""
    gc.set_threshold(*COLLECT)
    gc.callbacks.append(_after)


def _after(phase: str, about: dict[str, int]) -> None:
    if phase == "stop" and about["generation"] == 2:
        leave_alone()


def leave_alone() -> None:
    """What is there now is not looked at again: most of it stays as long as the process."""
    global _frozen
    gc.freeze()
    if not _frozen:
        _frozen = True
        atexit.register(_thaw)


def _thaw() -> None:
    """At the end everything goes: else DuckDB's binding complains of leaks."""
    if _after in gc.callbacks:
        gc.callbacks.remove(_after)
    gc.unfreeze()


@contextmanager
def resting() -> Iterator[None]:
    """It collects nothing while the context lasts, and leaves alone for good what was made."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        leave_alone()
        if collecting:
            gc.enable()
