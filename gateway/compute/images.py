"""What compute needs to know of images."""

from __future__ import annotations

from msgspec import Struct

from events.image import image as images
from events.image import member as members
from gateway.serving import Call

FACTS = ("disk_format", "container_format", "os_hash_value")


class Image(Struct, frozen=True, kw_only=True):
    """An image that the caller may boot from."""

    id: str
    status: str = "active"
    min_ram: int = 0  # MiB
    min_disk: int = 0  # GiB
    size: int = 0  # bytes
    facts: dict[str, str] = {}  # FACTS: what a host must know of it
    properties: dict[str, str] = {}  # what its owner says of it


def find(call: Call, id: str) -> Image | None:
    """The image, if there is one and the caller may see it."""
    image = call.fold.get(images, id)
    if image is None or not _sees(call, image):
        return None
    found = image.bytes
    facts = {
        "disk_format": image.disk_format,
        "container_format": image.container_format,
        "os_hash_value": found.hash if found else None,
    }
    return Image(
        id=image.id,
        status=image.status,
        min_ram=image.min_ram,
        min_disk=image.min_disk,
        size=max(found.size, found.virtual_size or 0) if found else 0,
        facts={name: value for name, value in facts.items() if value is not None},
        properties=image.properties,
    )


def _sees(call: Call, image: images.Image) -> bool:
    if call.is_admin or image.visibility in ("public", "community") or image.project == call.project:
        return True
    group = call.fold.get(members, image.id) if image.visibility == "shared" else None
    return group is not None and call.project in group.members
