"""Passwords and secrets: bcrypt, in threads; a wrong one takes as long as one of nobody.

Source: bcrypt reads 72 bytes, what comes after does not count.
"""

from __future__ import annotations

import asyncio
import os

import bcrypt

LONGEST = 72  # bytes


class Passwords:
    """Makes hashes and compares with them."""

    def __init__(self, cost: int) -> None:
        self._cost = cost
        self._room = asyncio.Semaphore(max(2, os.cpu_count() or 2))  # the threads are not for logins alone
        self._nobodys = bcrypt.gensalt(cost) + b"." * 31  # the form of a hash; hardly that of any password

    async def hash(self, password: str) -> str:
        """The hash to be kept, about a quarter of a second later at cost 12."""
        data = password.encode("utf-8", "surrogatepass")[:LONGEST]
        async with self._room:
            return (await asyncio.to_thread(bcrypt.hashpw, data, bcrypt.gensalt(self._cost))).decode()

    async def match(self, password: str, hash: str | None) -> bool:
        """Whether the password is the one of the hash; never if there is none, which takes as long to say."""
        data = password.encode("utf-8", "surrogatepass")[:LONGEST]
        kept = hash.encode() if hash is not None else self._nobodys
        async with self._room:
            same = await asyncio.to_thread(bcrypt.checkpw, data, kept)
        return same and hash is not None
