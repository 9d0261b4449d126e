"""The keeper of a NATS server of our own: sees that its disk has room, and that it goes on once there is room again.

A stream whose file could not be written answers no further write, for ever, though it is read as before (nats-server
2.15.1): only a new start mends it. So nothing is written while less than a reserve is free; and once there is room, the
server is started anew if its disk was full, which takes some 50 ms in which questions wait.
"""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

from events import metrics
from events.nats_server import NatsServer, StartFault
from events.watched import WatchedJournal

EVERY = 0.5  # seconds between two looks
STUCK = 2  # writes in a row without an answer, though questions are answered, after which it counts as stuck
COMPLAINT = b"no space left on device"

log = logging.getLogger("cumulog.keeper")


class Keeper:
    """Looks after one server, and tells one journal when nothing may be written."""

    def __init__(self, server: NatsServer, journal: WatchedJournal, reserve: int) -> None:
        self._server = server
        self._journal = journal
        self._reserve = reserve
        self._read = _size(server.log_file)  # bytes of its log that were looked at
        self._was_full = False
        metrics.gauge("cumulog_journal_disk_free_bytes", "Free on the journal's disk", self.free)

    def free(self) -> int:
        """Bytes that may still be written."""
        found = os.statvfs(self._server.directory)
        return found.f_bavail * found.f_frsize

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            try:
                await self.look()
            except (OSError, StartFault) as fault:  # its watcher tries on
                log.warning("the keeper of the journal: %s", fault)
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        free, journal = self.free(), self._journal
        self._was_full |= self._complains()
        if free < self._reserve:
            if not journal.closed:
                log.critical("the journal's disk is full: %d bytes are free. Nothing is written.", free)
            journal.closed = f"The journal's disk is full: {free >> 10} KiB are left. Nothing can be changed now."
            return
        if self._was_full or await self._is_stuck():
            log.warning("there is room on the journal's disk: starting the NATS server anew")
            self._was_full = False
            journal.unanswered = 0
            await self._server.restart()
        if journal.closed:
            log.warning("the journal can be written to again")
            journal.closed = journal.failure = ""

    def _complains(self) -> bool:
        """Whether the server has said since the last look that its disk is full."""
        size = _size(self._server.log_file)
        if size == self._read:
            return False
        with self._server.log_file.open("rb") as file:
            file.seek(self._read if size > self._read else 0)
            said = file.read(1 << 20)
        self._read = size
        return COMPLAINT in said

    async def _is_stuck(self) -> bool:
        """Whether writes are not answered while questions are."""
        if self._journal.unanswered < STUCK:
            return False
        try:
            async with asyncio.timeout(EVERY):
                await self._journal.last()
        except Exception:  # it is away, not stuck: its watcher sees to that
            return False
        return True


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
