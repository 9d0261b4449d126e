"""The keeper of a journal on a NATS server of our own: nothing is written while its disk has less room than a reserve.

What happens if the disk runs full all the same, `events/nats_disk.py` says.
"""

from __future__ import annotations

import asyncio
import logging
import os

from events import metrics
from events.nats_server import NatsServer
from events.watched import WatchedJournal

EVERY = 0.5  # seconds between two looks

log = logging.getLogger("cumulog.keeper")


class Keeper:
    """Looks after one server, and tells one journal when nothing may be written."""

    def __init__(self, server: NatsServer, journal: WatchedJournal, reserve: int) -> None:
        self._server = server
        self._journal = journal
        self._reserve = reserve
        metrics.gauge("cumulog_journal_disk_free_bytes", "Free on the journal's disk", self.free)

    def free(self) -> int:
        """Bytes that may still be written."""
        found = os.statvfs(self._server.directory)
        return found.f_bavail * found.f_frsize

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            self.look()
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
