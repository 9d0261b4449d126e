"""Poison: a resource about which a plan, a rule or an order raises. It is left alone for a while; all others go on.

It is reported once, when it begins, and tried again after pauses that grow, until it goes well.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from msgspec import Struct

from events import metrics

log = logging.getLogger("cumulog.poison")

PAUSES = (5, 15, 60, 300)  # seconds until the next attempt; the last repeats
MOST = 10_000  # that are remembered

T = TypeVar("T")


class Held(Struct, gc=False):
    """What fails, since when, and when it is tried again."""

    why: str
    since: datetime
    until: datetime
    count: int = 0


class Poison:
    """What fails in this process."""

    def __init__(self) -> None:
        self.held: dict[str, Held] = {}

    def apart(self, id: str, now: datetime, work: Callable[..., Iterable[T]], *arguments: Any) -> list[T]:
        """What `work` yields about one resource; nothing if it raises, or did so lately."""
        if self.held and self.rests(_name(work, id), now):
            return []
        try:
            found = list(work(*arguments))
        except Exception as fault:  # a mistake of ours, whatever it is
            self.failed(_name(work, id), fault, now)
            return []
        if self.held:
            self.well(_name(work, id))
        return found

    def rests(self, name: str, now: datetime) -> bool:
        """Whether it failed lately and is to be left alone."""
        held = self.held.get(name)
        return held is not None and now < held.until

    def failed(self, name: str, fault: Exception, now: datetime, about: str = "") -> None:
        """It failed, perhaps again. `about` says what it was: a request, a command."""
        held = self.held.get(name)
        if held is None:
            log.error("%s failed, and is left alone for a while. %s", name, about, exc_info=fault)
            held = self.held[name] = Held(repr(fault), now, now)
            if len(self.held) > MOST:
                del self.held[next(iter(self.held))]
        metrics.PLAN_FAULTS.labels(_kind(name)).inc()
        held.why = repr(fault)
        held.until = now + timedelta(seconds=PAUSES[min(held.count, len(PAUSES) - 1)])
        held.count += 1

    def well(self, name: str) -> None:
        """It went well."""
        if self.held.pop(name, None) is not None:
            log.warning("%s goes well again", name)

    def told(self) -> dict[str, str]:
        """What fails, and why: for whoever asks how the cloud does."""
        return {name: held.why for name, held in self.held.items()}


def _name(work: Callable[..., object], id: str) -> str:
    return f"{work.__module__}.{work.__name__} of {id}"


def _kind(name: str) -> str:
    """What failed, without whom it failed at."""
    return name.partition(" about ")[0].removeprefix("a wish of ").partition(" of ")[0]
