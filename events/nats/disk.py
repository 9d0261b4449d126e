"""A NATS server whose disk was full: it stores nothing more for good, and is to be started anew once there is room.

A write that failed leaves a stream closed to writes until the server restarts, and in a cluster all of JetStream off
(nats-server 2.15.1); what can still be read is, so the server is left alone until its disk has room.
Source: NATS documentation, "Monitoring", /healthz.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from events.nats.monitoring import ask

EVERY = 1.0  # seconds
ROOM = 8 << 20  # bytes that are free again
SIGN = "write error"  # in what the server says of its health
QUESTIONS = ("/healthz", "/healthz?js-enabled-only=true")

log = logging.getLogger("cumulog.nats")


async def nurse(directory: Path, port: Callable[[], int], restart: Callable[[], Awaitable[None]]) -> None:
    """Call `restart` whenever writes failed and there is room again, until cancelled; `port` is where it tells."""
    told = False
    while True:
        await asyncio.sleep(EVERY)
        if not port() or not (fault := await ailment(port())):
            told = False
        elif shutil.disk_usage(directory).free > ROOM:
            log.warning("the NATS server's disk has room again: it is started anew")
            try:
                await restart()
            except Exception as why:  # its watcher tries on
                log.warning("it does not start: %s", why)
        elif not told:
            log.critical("the NATS server cannot write, and nothing can be changed until its disk has room: %s", fault)
            told = True


async def ailment(port: int) -> str:
    """What the server says of a failed write, or of JetStream being off; empty if it does not."""
    whole, enabled = [(await ask(port, question, EVERY))[1] for question in QUESTIONS]
    if SIGN in whole:
        return whole
    return enabled if "unavailable" in enabled else ""
