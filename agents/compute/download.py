"""The bytes of an image that is on another machine: over HTTP, from a gateway, into a file.

In a thread and by the standard library: an agent fetches an image once, and then keeps it.
"""

from __future__ import annotations

import asyncio
import http.client
import logging
import threading
import urllib.request
from pathlib import Path

from agents.compute.hypervisor import DriverError
from events.compute.guest import ImageSource

CHUNK = 1 << 20  # bytes
IDLE = 60.0  # seconds that nothing may come

log = logging.getLogger("cumulog.agent")


async def download(image: str, source: ImageSource, destination: Path) -> None:
    """All bytes of an image in a file, as many as there must be. Raises DriverError; who keeps it checks the hash."""
    reason = "no gateway that has its bytes is there now"
    cancelled = threading.Event()
    try:
        for url in source.urls:
            try:
                await asyncio.to_thread(_fetch, url, source.size, destination, cancelled)
                return
            except (OSError, http.client.HTTPException) as fault:
                reason = str(fault) or type(fault).__name__
                log.warning("image %s cannot be fetched from one gateway: %s", image, reason)
    finally:
        cancelled.set()  # a thread cannot be cancelled, it must be told
    raise DriverError(f"Image {image} could not be fetched: {reason}.")


def _fetch(url: str, size: int, destination: Path, cancelled: threading.Event) -> None:
    got = 0
    with urllib.request.urlopen(url, timeout=IDLE) as answer, destination.open("wb") as file:
        while chunk := answer.read(CHUNK):
            got += file.write(chunk)
            if got > size or cancelled.is_set():
                break
    if got != size:
        raise OSError(f"{got} bytes came instead of {size}")
