"""The keeper of the journal's disk: nothing is written while less than a reserve is free.

So who asks for a change is told at once, and why, instead of after a deadline; and a disk is not filled to the last
byte, which would close NATS' streams to writes until the server is started anew (`disk.py` sees to that).
"""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

from events import metrics
from events.watched import WatchedJournal

EVERY = 0.5  # seconds between two looks
PART = 20  # of a small disk, no more than one in so many bytes is kept in reserve

log = logging.getLogger("cumulog.keeper")


class Keeper:
    """Tells a journal when nothing may be written."""

    def __init__(self, folder: Path, journal: WatchedJournal, reserve: int) -> None:
        self._folder = folder
        self._journal = journal
        self._reserve = reserve
        metrics.gauge("cumulog_journal_disk_free_bytes", "Free on the journal's disk", lambda: self.free()[0])

    def free(self) -> tuple[int, int]:
        """Bytes that may still be written, and the least that must be."""
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize, min(self._reserve, found.f_blocks * found.f_frsize // PART)

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            try:
                self.look()
            except OSError as fault:
                log.warning("the journal's disk cannot be looked at: %s", fault)
            await asyncio.sleep(EVERY)

    def look(self) -> None:
        free, least = self.free()
        if free >= least:
            if self._journal.closed:
                log.warning("the journal's disk has room again")
                self._journal.reopen()
            return
        if not self._journal.closed:
            log.critical("the journal's disk is full: %d bytes are free. Nothing is written.", free)
        self._journal.closed = f"The journal's disk is full, {free >> 10} KiB are free: nothing can be changed now."
