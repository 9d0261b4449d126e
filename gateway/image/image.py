"""Images over HTTP. Source: Image API reference, "Images", "Image actions", "Image tags"."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from events.fold import Known
from events.ids import new_id
from events.image import image as images
from events.image import member as members
from events.image.image import (
    CreateImage,
    DeactivateImage,
    DeleteImage,
    Image,
    ReactivateImage,
    TagImage,
    UntagImage,
    UpdateImage,
)
from events.image.member import DropMembers
from events.refusals import Forbidden, NotFound
from gateway.image import access, patch
from gateway.image.bodies import read_object, refuse_any, validate
from gateway.image.data import METHODS, STORE
from gateway.image.fields import FIELDS, READ_ONLY, checked, is_reserved
from gateway.image.schema import IMAGE
from gateway.image.store import ImageStore
from gateway.serving import Answer, Call

View = dict[str, Any]

NOT_FOUND = "Image {id} not found."


def moment(at: datetime) -> str:
    """To the second, as this service tells times."""
    return f"{at:%Y-%m-%dT%H:%M:%S}Z"


def view(known: Known[Image]) -> View:
    """An image as a client sees it: its own properties first, beside its fields."""
    image = known.state
    found = image.bytes
    ready = image.status in images.WITH_BYTES and found is not None
    whole = found if ready else None
    result: View = {
        **image.properties,
        "name": image.name,
        "disk_format": image.disk_format,
        "container_format": image.container_format,
        "visibility": image.visibility,
        "size": image.size,
        "virtual_size": whole.virtual_size if whole else None,
        "status": image.status,
        "checksum": whole.checksum if whole else None,
        "protected": image.protected,
        "min_ram": image.min_ram,
        "min_disk": image.min_disk,
        "owner": image.project,
        "os_hidden": image.hidden,
        "os_hash_algo": "sha512" if whole else None,
        "os_hash_value": whole.hash if whole else None,
        "id": image.id,
        "created_at": moment(known.created_at),
        "updated_at": moment(known.updated_at),
        "tags": image.tags,
        "self": f"/v2/images/{image.id}",
        "file": f"/v2/images/{image.id}/file",
        "schema": "/v2/schemas/image",
    }
    if ready:
        result["stores"] = STORE
    return result


def _shown(call: Call, id: str) -> View:
    known = call.fold.known(images, id)
    assert known is not None, id
    return view(known)


async def create(call: Call) -> Answer:
    """A new image without bytes. Raises Invalid, Forbidden, Conflict if its id was ever used."""
    body = await read_object(call)
    validate("image", IMAGE, body)
    for name in body:
        if name in READ_ONLY:
            raise Forbidden(f"Attribute '{name}' is read-only.")
        if name == "locations":
            raise Forbidden(f"Attribute '{name}' is reserved.")
        if is_reserved(name):
            raise Forbidden(f"Attribute '{name}' is reserved.", kind="detail")
    id = body.pop("id", None) or new_id()
    fields: dict[str, Any] = {"project": call.who.project}
    properties: dict[str, str] = {}
    for name, value in body.items():
        own, value = checked(call, name, value)
        (fields if name in FIELDS else properties)[own] = value
    if fields["project"] != call.who.project and not call.is_admin:
        raise Forbidden(f"You are not permitted to create images owned by '{fields['project']}'", kind="detail")
    call.enforce({"project_id": fields["project"], "tenant_id": fields["project"], "owner": fields["project"]})
    await call.do(images, CreateImage(id=id, properties=properties, **fields))
    headers = {
        "location": f"{call.root}/v2/images/{id}",
        "openstack-image-import-methods": ",".join(METHODS),
        "openstack-image-store-ids": STORE,
    }
    return Answer(body=_shown(call, id), headers=headers)


async def show(call: Call) -> View:
    """One image. Raises NotFound."""
    return _shown(call, access.seen(call).id)


async def update(call: Call) -> View:
    """The image after all changes of a patch, or none. Raises NotFound, Forbidden, Conflict, Invalid."""
    changes = await patch.changes(call)
    image = access.seen(call)
    if not call.is_admin and any(change.field and change.name == "project" for change in changes):
        raise Forbidden("Owner can't be updated by non admin.", kind="detail")
    await call.do(images, UpdateImage(id=image.id, changes=changes))
    return _shown(call, image.id)


async def delete(call: Call) -> Answer:
    """Its bytes go after it. Raises NotFound, Forbidden if it is protected."""
    image = access.seen(call, "Failed to find image {id} to delete")
    try:
        await call.do(images, DeleteImage(id=image.id))
    except NotFound as gone:
        raise NotFound(f"Failed to find image {image.id} to delete") from gone
    await call.cloud.execute(members, DropMembers(id=image.id), call.origin)
    store = call.cloud.part(ImageStore)
    if image.store == store.id:  # else another store's process sees that it is gone
        await store.remove(image.id)
        if image.staged and image.upload is not None:
            await store.discard(image.upload)
    return access.DONE


async def deactivate(call: Call) -> Answer:
    """Nobody but an admin gets its bytes any more. Raises NotFound, Forbidden."""
    await refuse_any(call)
    image = access.seen(call)
    await call.do(images, DeactivateImage(id=image.id))
    return access.DONE


async def reactivate(call: Call) -> Answer:
    """Its bytes are there for all who see it. Raises NotFound, Forbidden."""
    await refuse_any(call)
    image = access.seen(call)
    await call.do(images, ReactivateImage(id=image.id))
    return access.DONE


async def tag(call: Call) -> Answer:
    """The image has the tag. Raises NotFound, TooLarge."""
    image = access.seen(call, NOT_FOUND)
    text = call.path["tag"]
    validate("image", IMAGE, {"tags": [text]})
    await call.do(images, TagImage(id=image.id, tag=text))
    return access.DONE


async def untag(call: Call) -> Answer:
    """The image has the tag no more. Raises NotFound."""
    image = access.seen(call, NOT_FOUND)
    await call.do(images, UntagImage(id=image.id, tag=call.path["tag"]))
    return access.DONE
