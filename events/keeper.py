"""The keeper of a journal's disk: nothing is written while less than a reserve is free.

A stream whose file could not be written takes no further write until its server is started anew (events/nats_disk.py
sees to that); it is better not to come so far, and to say at once why nothing can be changed.
"""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

from events import metrics
from events.watched import WatchedJournal

EVERY = 0.5  # seconds between two looks

log = logging.getLogger("cumulog.keeper")


class Keeper:
    """Looks at one disk, and tells one journal when nothing may be written."""

    def __init__(self, directory: Path, journal: WatchedJournal, reserve: int) -> None:
        self._directory = directory
        self._journal = journal
        self._reserve = reserve  # bytes
        metrics.gauge("cumulog_journal_disk_free_bytes", "Free on the journal's disk", self.free)

    def free(self) -> int:
        """Bytes that may still be written."""
        found = os.statvfs(self._directory)
        return found.f_bavail * found.f_frsize

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            try:
                self.look()
            except OSError as fault:
                log.warning("the journal's disk cannot be looked at: %s", fault)
            await asyncio.sleep(EVERY)

    def look(self) -> None:
        free, journal = self.free(), self._journal
        if free < self._reserve:
            if not journal.closed:
                log.critical("the journal's disk is full: %d bytes are free. Nothing is written.", free)
            journal.closed = f"The journal's disk is full: {free >> 10} KiB are left. Nothing can be changed now."
        elif journal.closed:
            log.warning("the journal can be written to again")
            journal.closed = journal.failure = ""
            journal.unanswered = 0
