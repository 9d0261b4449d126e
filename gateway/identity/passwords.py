"""Passwords and secrets: bcrypt, in threads of its own; a wrong one takes as long as one of nobody.

The threads step back behind everything else that runs (`NICE`), so that logins cost others no time; one process has one
pool of them, and a line that is not endless. Source: bcrypt reads 72 bytes, what comes after does not count.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import bcrypt

from events.refusals import Busy

T = TypeVar("T")

LONGEST = 72  # bytes
NICE = 10  # of the threads, if they may be given one: a tenth of the processor is theirs even if others want all of it
THREADS = max(2, os.cpu_count() or 2)
WAITING = 256  # hashes that may wait for a thread: half a minute at cost 12 on two processors


def _step_back() -> None:
    if hasattr(os, "setpriority"):  # on Linux it is a thread's own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


class _Line:
    """The threads of this process, and who waits for them."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, "passwords", initializer=_step_back)
        self._waiting = 0

    async def run(self, function: Callable[..., T], *arguments: bytes) -> T:
        """Raises Busy."""
        if self._waiting >= WAITING + THREADS:
            raise Busy("Too many passwords are being looked at; try again.", retry_after=5)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)
        finally:
            self._waiting -= 1


_LINE = _Line()


class Passwords:
    """Makes hashes and compares with them."""

    def __init__(self, cost: int) -> None:
        self._cost = cost
        self._nobodys = bcrypt.gensalt(cost) + b"." * 31  # the form of a hash; hardly that of any password

    async def hash(self, password: str) -> str:
        """The hash to be kept, about a quarter of a second later at cost 12. Raises Busy."""
        return (await _LINE.run(bcrypt.hashpw, _read(password), bcrypt.gensalt(self._cost))).decode()

    async def match(self, password: str, hash: str | None) -> bool:
        """Whether the password is the one of the hash; never if there is none, which takes as long to say.

        Raises Busy.
        """
        kept = hash.encode() if hash is not None else self._nobodys
        same = await _LINE.run(bcrypt.checkpw, _read(password), kept)
        return same and hash is not None


def _read(password: str) -> bytes:
    """What of a password counts."""
    return password.encode("utf-8", "surrogatepass")[:LONGEST]
