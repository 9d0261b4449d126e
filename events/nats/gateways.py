"""Which gateways there are now, and the links to images that they answer without a token.

A bucket, `gateways`: each gateway says again and again where it is reached and which store it has; who is not heard of
for a minute is gone. A link is signed with a key that gateways and handlers find in the vault, and holds for minutes.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable

import msgspec
from msgspec import Struct

from events.nats.bucket import Bucket
from events.nats.vault import Vault
from events.nats.wire import Message, Subscription, Wire
from events.subjects import token

BUCKET = "gateways"
SAID = "gateways.announced"
AGAIN = 20.0  # seconds between two words of a gateway
GONE = "60s"  # without a word
LINKS = ("gateway", "links", "key")  # the key's name in the vault
PATH = "/bytes"


class Announced(Struct, frozen=True, kw_only=True):
    """One gateway."""

    name: str
    url: str
    store: str  # the id of the store of images that it has


class Gateways:
    """Those that are there."""

    def __init__(self, wire: Wire, bucket: Bucket) -> None:
        self._wire = wire
        self._bucket = bucket

    @classmethod
    async def open(cls, wire: Wire, *, replicas: int = 1) -> Gateways:
        """Raises Unavailable."""
        return cls(wire, await Bucket.open(wire, BUCKET, replicas=replicas))

    async def announce(self, one: Announced) -> None:
        """It is there, for a minute, and is heard at once by who listens. Raises Unavailable."""
        await self._bucket.put(_key(one), msgspec.json.encode(one), {"Nats-TTL": GONE}, expected=None)
        await self._wire.cast(SAID, b"")

    async def listen(self, hear: Callable[[], None]) -> Subscription:
        """Have `hear` called whenever one announces itself."""

        async def take(message: Message) -> None:
            hear()

        return await self._wire.listen(SAID, take)

    async def withdraw(self, one: Announced) -> None:
        """It is there no longer. Raises Unavailable."""
        await self._bucket.purge(_key(one), expected=None)

    async def all(self) -> list[Announced]:
        """Raises Unavailable."""
        return [msgspec.json.decode(item.value or b"", type=Announced) for item in await self._bucket.items()]


def _key(one: Announced) -> str:
    return f"{token(one.store)}.{token(one.name)}"


class Links:
    """Makes links to the bytes of images, and tells which hold."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    async def open(cls, vault: Vault) -> Links:
        """With the key that all processes of the cloud share. Raises Unavailable."""
        return cls(await vault.first(LINKS, secrets.token_bytes(32)))

    def make(self, image: str, until: int) -> str:
        """The path and query of a link that holds until a second since 1970."""
        return f"{PATH}/{image}?until={until}&signature={self._sign(image, until)}"

    def holds(self, image: str, until: str, signature: str, now: float) -> bool:
        """Whether it is one of ours, and not too old."""
        if not until.isascii() or not until.isdigit() or len(until) > 12 or int(until) < now:
            return False
        return hmac.compare_digest(self._sign(image, int(until)).encode(), signature.encode())

    def _sign(self, image: str, until: int) -> str:
        return hmac.digest(self._key, f"{image} {until}".encode(), "sha256").hex()
