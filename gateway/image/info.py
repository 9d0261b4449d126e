"""What the service tells of itself, and what it has none of. Source: Image API reference, "Image service info"."""

from __future__ import annotations

from typing import Any

from events.refusals import Conflict, Forbidden, Invalid, NotFound
from gateway.image import access
from gateway.image.bodies import read_object
from gateway.image.data import METHODS, STORE
from gateway.image.image import NOT_FOUND
from gateway.image.store import CHUNK, ImageStore
from gateway.serving import Call

View = dict[str, Any]


async def methods(call: Call) -> View:
    """The ways of importing."""
    values = {"description": "Import methods available.", "type": "array", "value": METHODS}
    return {"import-methods": values}


async def stores(call: Call) -> View:
    """The only store."""
    return {"stores": [{"id": STORE, "default": "true"}]}


async def stores_in_detail(call: Call) -> View:
    """The only store, and where it is."""
    folder = str(call.cloud.part(ImageStore).images)
    properties = {"data_dir": folder, "chunk_size": CHUNK, "thin_provisioning": False}
    return {"stores": [{"id": STORE, "default": "true", "type": "file", "properties": properties, "weight": 0}]}


async def usage(call: Call) -> View:
    """Of no quota: there are none by size."""
    return {"usage": {}}


async def locations(call: Call) -> list[View]:
    """Where the bytes are, for those who may reach them. Raises NotFound."""
    image = access.find(call, call.path["id"], NOT_FOUND)
    path = call.cloud.part(ImageStore).path(image.id)
    return [] if path is None else [{"url": f"file://{path}", "metadata": {"store": STORE}}]


async def add_location(call: Call) -> None:
    """Bytes come by upload or import only. Raises NotFound, Invalid, Forbidden."""
    body = await read_object(call)
    if not isinstance(body.get("url"), str):
        raise Invalid("'url' is a required property")
    access.find(call, call.path["id"], NOT_FOUND)
    raise Forbidden("You are not authorized to complete add_image_location action.")


async def remove_from_store(call: Call) -> None:
    """The only store keeps what it has. Raises NotFound, Conflict, Forbidden."""
    if call.path["store"] != STORE:
        raise Conflict(f"The selected store {call.path['store']} is not available on this node.")
    image = access.find(call, call.path["id"])
    if image.status != "active":
        raise Conflict("It's not allowed to remove image data from store if image status is not 'active'")
    raise Forbidden(f"Cannot delete image data from the only store containing it. Delete image {image.id} instead.")


async def image_tasks(call: Call) -> View:
    """An import is done by the time that it is answered. Raises NotFound."""
    access.find(call, call.path["id"])
    return {"tasks": []}


async def tasks(call: Call) -> View:
    """None, for the same reason."""
    return {"tasks": [], "first": "/v2/tasks", "schema": "/v2/schemas/tasks"}


async def task(call: Call) -> None:
    """Raises NotFound."""
    raise NotFound(f"Could not find task {call.path['id']}")


async def namespaces(call: Call) -> View:
    """No definitions of metadata."""
    return {"namespaces": [], "schema": "/v2/schemas/metadefs/namespaces", "first": "/v2/metadefs/namespaces"}


async def namespace(call: Call) -> None:
    """Raises NotFound."""
    raise NotFound(f"Metadata definition namespace={call.path['id']} was not found.")


async def resource_types(call: Call) -> View:
    """None."""
    return {"resource_types": []}


async def cache(call: Call) -> None:
    """Raises NotFound."""
    raise NotFound("Caching via API is not supported at this site.")
