"""The keys that seal tokens, the same for all gateways: numbered, so that a rotation voids no token that is in use.

They are one entry of the vault, which each gateway reads again now and then. Number 0 is staged: it unseals what
another gateway that has rotated already seals, and is the next primary. The highest number is the primary, which seals;
those between unseal what is older. Source: the Fernet specification; DESIGN, "Hard cases, decided", 8.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from msgspec import Struct

from events.clock import Clock
from events.envelope import Key
from events.journal import Unavailable
from events.nats.vault import Vault
from events.settings import Identity

ZERO = timedelta(0)
TOKENS = ("identity", "token", "keys")  # the vault's entry of the keys of tokens
RECEIPTS = ("identity", "receipt", "keys")  # and of receipts
AGAIN = 20.0  # seconds after which the entry is read again
SETTLED = timedelta(seconds=60)  # after which every gateway has read it

log = logging.getLogger("cumulog.tokens")


class Keys(Struct, frozen=True, kw_only=True):
    """As they stand in the vault."""

    by_number: dict[int, str]
    rotated_at: datetime


class KeyRing:
    """The keys of one purpose as this gateway knows them."""

    def __init__(self, vault: Vault, clock: Clock, name: Key, keys: Keys) -> None:
        self._vault = vault
        self._clock = clock
        self._name = name
        self._hold(keys)

    @classmethod
    async def open(cls, vault: Vault, clock: Clock, former: Path | None = None, name: Key = TOKENS) -> KeyRing:
        """The keys of the vault, made if there are none; those of the directory in which they once were are taken over.

        Raises Unavailable.
        """
        data = await vault.get(name)
        if data is None:
            found = _in_files(former) if former else {}
            keys = Keys(by_number=found or {0: _new(), 1: _new()}, rotated_at=clock.now())
            data = await vault.first(name, msgspec.json.encode(keys))  # of several gateways one is the first
        if former is not None:
            shutil.rmtree(former, ignore_errors=True)
        return cls(vault, clock, name, msgspec.json.decode(data, type=Keys))

    def seal(self, data: bytes) -> str:
        return self._fernet.encrypt(data).decode().rstrip("=")

    def unseal(self, text: str) -> bytes | None:
        """What was sealed; None if by nobody who has a key of ours."""
        data = text.encode("ascii", "replace")
        try:
            return self._fernet.decrypt(data + b"=" * (-len(data) % 4))
        except InvalidToken:
            return None

    async def refresh(self) -> None:
        """Know what other gateways have changed. Raises Unavailable."""
        data = await self._vault.get(self._name)
        if data is not None:
            self._hold(msgspec.json.decode(data, type=Keys))

    async def rotate(self, kept: int, age: timedelta = SETTLED) -> timedelta:
        """The staged key seals from now on, another is staged, and the oldest of `kept` goes; zero, if it was done.

        Else how long until it can be: it was done within `age`, and a gateway has to know the staged key before another
        seals with it. Of two that do it at once both have the same primary, and nothing is lost. Raises Unavailable.
        """
        await self.refresh()
        wait = self.keys.rotated_at + max(age, SETTLED) - self._clock.now()
        if wait > ZERO:
            return wait
        keys = dict(self.keys.by_number)
        keys[max(keys) + 1] = keys[0]
        keys[0] = _new()
        for number in sorted(keys.keys() - {0})[: -(kept - 1)]:
            del keys[number]
        self._hold(Keys(by_number=keys, rotated_at=self._clock.now()))
        await self._vault.put(self._name, msgspec.json.encode(self.keys))
        log.info("%s: sealed with a new key from now on", " ".join(self._name))
        return ZERO

    async def watch(self, settings: Identity) -> None:
        """Read the keys again now and then, and replace the primary in time, until cancelled."""
        while True:
            await asyncio.sleep(AGAIN)
            with suppress(Unavailable):
                await self.mind(settings)

    async def mind(self, settings: Identity) -> None:
        """Know the keys of now, and replace the primary if it is time. Raises Unavailable."""
        if settings.token_key_age:
            await self.rotate(settings.token_keys, timedelta(seconds=settings.token_key_age))
        else:
            await self.refresh()

    def _hold(self, keys: Keys) -> None:
        self.keys = keys
        order = sorted(keys.by_number, reverse=True)  # the primary first, the staged last
        self._fernet = MultiFernet([Fernet(keys.by_number[number]) for number in order])


def _new() -> str:
    return Fernet.generate_key().decode()


def _in_files(directory: Path) -> dict[int, str]:
    """The keys of a directory of numbered files; nothing if it is not there, or another gateway takes it over now."""
    try:
        files = [file for file in directory.iterdir() if file.name.isascii() and file.name.isdigit()]
        keys = {int(file.name): file.read_text() for file in files}
    except FileNotFoundError:
        return {}
    return keys if 0 in keys and len(keys) > 1 else {}
