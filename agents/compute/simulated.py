"""A simulated hypervisor: the whole protocol, no machine. Dice decide on failures and delays.

A host's memory outlives its agent, as a real host's does: guests are kept in a small SQLite file, if one is given.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from random import Random

from msgspec import Struct

from agents.compute.hypervisor import Capacity, DriverError, Found, Guest

CAPACITY = Capacity(vcpus=64, ram=256 * 1024, disk=4096, hypervisor_type="simulated", hypervisor_version=1)


class Dice(Struct, kw_only=True):
    """How the host behaves."""

    random: Random = Random(0)
    delay: float = 0.0  # seconds a step takes at most
    failures: float = 0.0  # probability that a step fails half-way
    hopeless: float = 0.0  # probability that a failure is permanent
    deaths: float = 0.0  # probability that a guest dies right after its start


class Memory:
    """The guests of all simulated hosts of a process."""

    def __init__(self, file: Path | None = None) -> None:
        self.guests: dict[str, dict[str, Found]] = {}
        self._database: sqlite3.Connection | None = None
        if file is not None:
            self._database = sqlite3.connect(file, isolation_level=None)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=OFF")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS guest"
                " (host TEXT, server TEXT, running INTEGER, generation INTEGER, PRIMARY KEY (host, server))"
            )
            for host, server, running, generation in self._database.execute("SELECT * FROM guest"):
                self.guests.setdefault(host, {})[server] = Found(running=bool(running), generation=generation)

    def put(self, host: str, server: str, found: Found | None) -> None:
        """Keep a guest, or forget it. Raises DriverError: the file cannot be written; nothing has changed."""
        try:
            self._write(host, server, found)
        except sqlite3.Error as fault:
            raise DriverError(f"The host cannot keep its guests: {fault}") from fault
        guests = self.guests.setdefault(host, {})
        if found is None:
            guests.pop(server, None)
        else:
            guests[server] = found

    def _write(self, host: str, server: str, found: Found | None) -> None:
        if self._database is None:
            return
        if found is None:
            self._database.execute("DELETE FROM guest WHERE host = ? AND server = ?", (host, server))
        else:
            self._database.execute(
                "INSERT OR REPLACE INTO guest VALUES (?, ?, ?, ?)", (host, server, found.running, found.generation)
            )

    def close(self) -> None:
        if self._database is not None:
            self._database.close()


class SimulatedHypervisor:
    """One simulated host."""

    def __init__(self, host: str, memory: Memory, dice: Dice | None = None, capacity: Capacity = CAPACITY) -> None:
        self.host = host
        self._memory = memory
        self._dice = dice or Dice()
        self._capacity = capacity
        self._changed: Callable[[str], None] = lambda server: None

    async def open(self, changed: Callable[[str], None]) -> None:
        self._changed = changed

    async def close(self) -> None:
        return

    async def capacity(self) -> Capacity:
        return self._capacity

    async def guests(self) -> dict[str, Found]:
        return dict(self._memory.guests.get(self.host, {}))

    async def find(self, server: str) -> Found | None:
        return self._memory.guests.get(self.host, {}).get(server)

    async def create(self, guest: Guest) -> None:
        await self._roll(guest.id)
        self._put(guest.id, Found(running=True, generation=guest.generation))
        if self._dice.deaths and self._dice.random.random() < self._dice.deaths:
            self.die(guest.id)

    async def start(self, guest: Guest) -> None:
        await self._roll(guest.id)
        self._put(guest.id, Found(running=True, generation=guest.generation))

    async def stop(self, guest: Guest) -> None:
        await self._roll(guest.id)
        self._put(guest.id, Found(running=False, generation=guest.generation))

    async def reboot(self, guest: Guest) -> None:
        await self.start(guest)

    async def refresh(self, guest: Guest) -> None:
        return

    async def remove(self, server: str) -> None:
        await self._roll(server)
        self._memory.put(self.host, server, None)

    async def console(self, server: str, lines: int | None) -> str:
        if await self.find(server) is None:
            return ""
        text = [f"[    0.000000] simulated guest {server} on {self.host}", "login: "]
        return "\n".join(text if lines is None else text[-lines:] if lines else [])

    def die(self, server: str) -> None:
        """The guest ends by itself."""
        found = self._memory.guests.get(self.host, {}).get(server)
        if found is not None and found.running:
            self._put(server, Found(running=False, generation=found.generation))
            self._changed(server)

    def _put(self, server: str, found: Found) -> None:
        self._memory.put(self.host, server, found)

    async def _roll(self, server: str) -> None:
        dice = self._dice
        if dice.delay:
            await asyncio.sleep(dice.random.random() * dice.delay)
        if dice.failures and dice.random.random() < dice.failures:
            hopeless = dice.random.random() < dice.hopeless
            raise DriverError(f"The dice fell badly for {server}.", permanent=hopeless)
