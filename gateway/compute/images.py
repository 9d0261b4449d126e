"""What compute needs to know of images: one function."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from gateway.serving import Call


class Image(Struct, frozen=True, kw_only=True):
    """An image that the caller may boot from."""

    id: str
    status: str = "active"
    min_ram: int = 0  # MiB
    min_disk: int = 0  # GiB
    size: int = 0  # bytes
    virtual_size: int | None = None  # bytes
    facts: dict[str, str] = {}  # disk_format, os_hash_value: what a host must know of it
    properties: dict[str, str] = {}  # what its owner says of it


FACTS = ("disk_format", "container_format", "os_hash_value")


class Images(Protocol):
    """Knows the images."""

    def find(self, call: Call, id: str) -> Image | None:
        """The image, if there is one and the caller may see it."""


def find(call: Call, id: str) -> Image | None:
    """The image, if there is one and the caller may see it."""
    images: Images | None = call.cloud.parts.get(Images)
    return images.find(call, id) if images else None
