"""The vault: secrets that must be read back - user data, generated passwords, token keys. The journal holds none.

A bucket of entries encrypted with AES-256-GCM under `DIR/keys/master`; the associated data is the entry's name, so that
no entry can be passed off as another. An event carries the name and a hash.
Source: DESIGN, "Hard cases, decided", 8; NIST SP 800-38D for the length of a nonce.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from events.envelope import Key
from events.journal import Stale
from events.keys import is_kept, kept
from events.nats.bucket import Bucket
from events.nats.wire import Wire
from events.subjects import key_of

BUCKET = "vault"
FORMAT = b"\x01"  # AES-256-GCM: nonce, then text and tag
NONCE = 12  # bytes
MASTER = "master"  # the file of the key
CANARY = "vault-canary"  # an entry that tells whether the key is the vault's


class WrongKey(Exception):
    """The master key does not open this vault, or an entry was tampered with."""


def has_key(keys: Path) -> bool:
    """Whether a vault's key is in this directory: then the cloud has been up before."""
    return is_kept(keys / MASTER)


class Vault(Protocol):
    """Secrets by name: a string or a tuple of strings, such as (service, resource, id, what)."""

    async def put(self, name: Key, secret: bytes) -> None:
        """Keep a secret, in place of the one of this name. Raises Unavailable."""

    async def get(self, name: Key) -> bytes | None:
        """The secret; None if there is none. Raises WrongKey, Unavailable."""

    async def first(self, name: Key, secret: bytes) -> bytes:
        """What stands under the name: `secret`, unless another was there before. Raises WrongKey, Unavailable."""

    async def delete(self, name: Key) -> None:
        """Keep it no longer. Raises Unavailable."""

    async def keys(self) -> list[str]:
        """The names of all secrets as `key_of` makes them, also of some that were deleted. Raises Unavailable."""

    async def delete_key(self, key: str) -> None:
        """Delete by what `keys` told. Raises Unavailable."""


class Cipher:
    """What makes secrets unreadable without the key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, name: str, secret: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE)
        return FORMAT + nonce + self._cipher.encrypt(nonce, secret, name.encode())

    def unseal(self, name: str, sealed: bytes) -> bytes:
        """Raises WrongKey."""
        start = len(FORMAT) + NONCE
        if not sealed.startswith(FORMAT) or len(sealed) < start:
            raise WrongKey(f"the vault's entry {name} is of no known format")
        try:
            return self._cipher.decrypt(sealed[len(FORMAT) : start], sealed[start:], name.encode())
        except InvalidTag as fault:
            raise WrongKey(f"the master key does not open the vault's entry {name}") from fault


class NatsVault:
    """The vault in a bucket."""

    def __init__(self, bucket: Bucket, cipher: Cipher) -> None:
        self._bucket = bucket
        self._cipher = cipher

    @classmethod
    async def open(cls, wire: Wire, keys: Path, *, replicas: int = 1, deadline: float = 10.0) -> NatsVault:
        """The vault under the key in directory `keys`, made if there is none. Raises WrongKey, Unavailable."""
        bucket = await Bucket.open(wire, BUCKET, replicas=replicas, deadline=deadline)
        file = keys / MASTER
        if await bucket.get(CANARY) is None:
            sealed = Cipher(kept(file)).seal(CANARY, secrets.token_bytes(16))
            with suppress(Stale):  # another process was first
                await bucket.put(CANARY, sealed, expected=0)
        elif not is_kept(file):
            raise WrongKey(f"the vault has entries, but its key is missing: {file}")
        vault = cls(bucket, Cipher(kept(file)))
        await vault.get(CANARY)
        return vault

    async def put(self, name: Key, secret: bytes) -> None:
        key = key_of(name)
        await self._bucket.put(key, self._cipher.seal(key, secret), expected=None)

    async def get(self, name: Key) -> bytes | None:
        key = key_of(name)
        found = await self._bucket.get(key)
        return self._cipher.unseal(key, found.value) if found is not None and found.value is not None else None

    async def first(self, name: Key, secret: bytes) -> bytes:
        key = key_of(name)
        revision = 0
        while True:
            with suppress(Stale):  # another was there before, or was just removed
                await self._bucket.put(key, self._cipher.seal(key, secret), expected=revision)
                return secret
            found = await self._bucket.get(key)
            if found is not None and found.value is not None:
                return self._cipher.unseal(key, found.value)
            revision = found.revision if found is not None else 0

    async def delete(self, name: Key) -> None:
        await self.delete_key(key_of(name))

    async def keys(self) -> list[str]:
        return await self._bucket.keys()

    async def delete_key(self, key: str) -> None:
        found = await self._bucket.get(key)
        if found is not None and found.value is not None:
            await self._bucket.purge(key, expected=None)


class MemoryVault:
    """The vault's meaning, in memory: for tests and simulations."""

    def __init__(self, key: bytes | None = None) -> None:
        self._cipher = Cipher(key or secrets.token_bytes(32))
        self.entries: dict[str, bytes] = {}

    async def put(self, name: Key, secret: bytes) -> None:
        key = key_of(name)
        self.entries[key] = self._cipher.seal(key, secret)

    async def get(self, name: Key) -> bytes | None:
        key = key_of(name)
        sealed = self.entries.get(key)
        return None if sealed is None else self._cipher.unseal(key, sealed)

    async def first(self, name: Key, secret: bytes) -> bytes:
        found = await self.get(name)
        if found is None:
            await self.put(name, secret)
        return secret if found is None else found

    async def delete(self, name: Key) -> None:
        await self.delete_key(key_of(name))

    async def keys(self) -> list[str]:
        return sorted(self.entries)

    async def delete_key(self, key: str) -> None:
        self.entries.pop(key, None)
