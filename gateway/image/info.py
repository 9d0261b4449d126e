"""What the service tells of itself, and what it has none of. Source: Image API reference, "Image service info"."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from events.image import image as images
from events.image.image import Image, Task
from events.refusals import Conflict, Forbidden, Invalid, NotFound
from gateway.image import access
from gateway.image.bodies import read_object
from gateway.image.data import METHODS, STORE
from gateway.image.image import NOT_FOUND, moment
from gateway.image.store import CHUNK, ImageStore
from gateway.serving import Call

View = dict[str, Any]

TASK_SHOWN = timedelta(hours=48)


async def methods(call: Call) -> View:
    """The ways of importing."""
    values = {"description": "Import methods available.", "type": "array", "value": METHODS}
    return {"import-methods": values}


async def stores(call: Call) -> View:
    """The only store."""
    return {"stores": [{"id": STORE, "default": "true"}]}


async def stores_in_detail(call: Call) -> View:
    """The only store, and where it is."""
    store = call.cloud.part(ImageStore)
    properties = {"data_dir": store.place, "chunk_size": CHUNK, "thin_provisioning": False}
    if store.kind == "s3":
        properties = {"s3_store_bucket": store.place}
    return {"stores": [{"id": STORE, "default": "true", "type": store.kind, "properties": properties, "weight": 0}]}


async def usage(call: Call) -> View:
    """Of no quota: there are none by size."""
    return {"usage": {}}


async def locations(call: Call) -> list[View]:
    """Where the bytes are, for those who may reach them. Raises NotFound."""
    image = access.seen(call, NOT_FOUND)
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


def _task(image: Image, task: Task) -> View:
    """An import as what it is to clients; it was done by the time that it was answered."""
    return {
        "id": task.id,
        "type": "api_image_import",
        "status": "success",
        "owner": image.project,
        "created_at": moment(task.at),
        "updated_at": moment(task.at),
        "expires_at": moment(task.at + TASK_SHOWN),
        "image_id": image.id,
        "request_id": task.request,
        "user_id": task.user,
        "input": {"image_id": image.id, "import_req": {"method": {"name": METHODS[0]}}, "backend": [STORE]},
        "result": None,
        "message": "",
        "self": f"/v2/tasks/{task.id}",
        "schema": "/v2/schemas/task",
    }


async def image_tasks(call: Call) -> View:
    """The import that it came by, if it did. Raises NotFound."""
    image = access.seen(call)
    return {"tasks": [_task(image, image.task)] if image.task else []}


async def tasks(call: Call) -> View:
    """The imports of images that there are, the newest first."""
    ids = list(call.fold.values(images, "task_id"))
    found = [image for id in reversed(ids) for image in call.fold.by(images, "task_id", id)]
    limit = call.cloud.settings.gateway.page
    shown = [_task(image, image.task) for image in found[:limit] if image.task]
    for view in shown:
        del view["input"], view["result"], view["message"]
    return {"tasks": shown, "first": "/v2/tasks", "schema": "/v2/schemas/tasks"}


async def task(call: Call) -> View:
    """One of them. Raises NotFound."""
    for image in call.fold.by(images, "task_id", call.path["id"]):
        if image.task:
            return _task(image, image.task)
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
