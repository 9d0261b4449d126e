"""Where an agent elsewhere finds the bytes of an image: links to gateways that have them, for a while.

Told to a host that has, or is to have, a server of this image, and to no other.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

import msgspec

from events.clock import Clock
from events.compute import server as servers
from events.compute.guest import ImageSource
from events.fold import Fold
from events.image import image as images
from events.nats.gateways import Announced, Links

LIFE = timedelta(minutes=10)  # in which the agent must have begun to fetch


class Gateways(Protocol):
    """Who has stores of images."""

    async def all(self) -> list[Announced]: ...


class Sources:
    """Answers agents' questions for images."""

    def __init__(self, fold: Fold, clock: Clock, gateways: Gateways, links: Links) -> None:
        self._fold = fold
        self._clock = clock
        self._gateways = gateways
        self._links = links

    async def document(self, host: str, id: str) -> bytes:
        """An ImageSource in JSON; nothing if the image is none of this host's. Raises Unavailable."""
        image = self._fold.get(images, id)
        wanted = any(server.image == id for server in self._fold.by(servers, "host", host))
        if image is None or image.bytes is None or not wanted:
            return b""
        until = int((self._clock.now() + LIFE).timestamp())
        link = self._links.make(id, until)
        urls = [one.url + link for one in await self._gateways.all() if one.store == image.store]
        return msgspec.json.encode(ImageSource(urls=tuple(urls), size=image.bytes.size))
