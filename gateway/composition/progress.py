"""What a person who waits is told: on the server's log, whatever else it says."""

from __future__ import annotations

import logging
import time

log = logging.getLogger("cumulog.progress")

FIRST = 1.0  # seconds that are not worth a word
EVERY = 2.0  # seconds between two words


class Progress:
    """Tells how far something is that has a known size, or how much of it there was."""

    def __init__(self, what: str, total: int | None, unit: str = "") -> None:
        self._what = what
        self._total = total
        self._unit = unit
        self._began = time.monotonic()
        self._next = self._began + FIRST

    def at(self, done: int) -> None:
        """So much is done."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + EVERY
        of = f" of {self._total}" if self._total else ""
        log.info("%s: %d%s%s", self._what, done, of, f" {self._unit}" if self._unit else "")

    def done(self, done: int) -> None:
        """All of it; said only if it took long enough to be asked about."""
        took = time.monotonic() - self._began
        if took >= FIRST:
            log.info("%s: done, %d %s in %.1f s", self._what, done, self._unit, took)
