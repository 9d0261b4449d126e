"""An image's bytes over HTTP. Source: Image API reference, "Image data", "Interoperable image import"."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

from msgspec.structs import replace

from events.ids import derived
from events.image import image as images
from events.image.image import Bytes, FinishUpload, Image, ImportStaged, StartUpload, Task
from events.refusals import (
    Busy,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    Refusal,
    TooLarge,
    UnsupportedMedia,
)
from gateway.composition.progress import Progress
from gateway.image import access, formats
from gateway.image.bodies import read_object
from gateway.image.recovery import give_up
from gateway.image.store import ImageStore, Upload
from gateway.serving import Answer, Call

OCTETS = "application/octet-stream"
METHODS = ("glance-direct",)
STORE = "local"  # what answers call the store

_RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)\Z")


class OutOfRange(Refusal):
    """There are no such bytes."""


async def upload(call: Call) -> Answer:
    """The image becomes active with the bytes of the body. Raises NotFound, Conflict, UnsupportedMedia, TooLarge."""
    _media_type(call)
    image = access.seen(call)
    await _take(call, image, staging=False)
    return access.DONE


async def stage(call: Call) -> Answer:
    """The bytes of the body wait to be imported. Raises NotFound, Conflict, UnsupportedMedia, TooLarge."""
    _media_type(call)
    image = access.seen(call)
    await _take(call, image, staging=True)
    return access.DONE


def _media_type(call: Call) -> None:
    essence = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if essence != OCTETS:
        raise UnsupportedMedia(f"Invalid content type {essence}", kind=essence)
    declared = call.request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > call.cloud.settings.gateway.max_image:
        raise TooLarge("The provided image is too large.")


async def _take(call: Call, image: Image, *, staging: bool) -> None:
    store = call.cloud.part(ImageStore)
    async with await store.upload() as coming:
        await call.do(images, StartUpload(id=image.id, upload=coming.id, store=store.id, staging=staging))
        try:
            declared = None if staging else image.disk_format
            bytes_, found = await coming.receive(_told(call, image), call.cloud.settings.gateway.max_image)
            if not staging:
                bytes_ = _checked(bytes_, found, declared)
            await _finish(call, store, coming, image.id, bytes_, staging)
        except Busy:
            raise  # the journal has it or not: `recover` sees to it
        except BaseException as fault:  # also if the client goes away in the midst of it
            reason = fault.message if isinstance(fault, Refusal) else type(fault).__name__
            await asyncio.shield(give_up(call.cloud, store, image.id, coming.id, reason, call.origin))
            raise


MIB = 1 << 20


async def _told(call: Call, image: Image) -> AsyncIterator[bytes]:
    """The body as it comes, with a word on the log now and then if it takes long."""
    declared = call.request.headers.get("content-length", "")
    total = int(declared) // MIB if declared.isdigit() else None
    progress, size = Progress(f"upload of image {image.id}", total, "MiB"), 0
    async for part in call.request.stream():
        size += len(part)
        progress.at(size // MIB)
        yield part
    progress.done(size // MIB)


def _checked(bytes_: Bytes, found: formats.Found, declared: str | None) -> Bytes:
    """What is known of the bytes of an image of this disk format. Raises UnsupportedMedia."""
    lie = formats.mismatch(declared, found)
    if lie is not None:
        raise UnsupportedMedia(lie, kind=OCTETS)
    return replace(bytes_, virtual_size=formats.virtual_size(declared, found, bytes_.size))


async def _finish(call: Call, store: ImageStore, coming: Upload, id: str, bytes_: Bytes, staging: bool) -> None:
    if staging:
        await coming.keep()
    else:
        await store.link(coming.id, id)
    try:
        await call.do(images, FinishUpload(id=id, upload=coming.id, bytes=bytes_))
    except NotFound as gone:
        raise Gone(
            f"Image {id} could not be found after upload. The image may have been deleted during the upload."
        ) from gone


async def import_(call: Call) -> Answer:
    """What was staged becomes the image's bytes. Raises NotFound, Conflict, Invalid."""
    method = _method(await read_object(call))
    image = access.find(call, call.path["id"])
    if image.status not in ("queued", "uploading"):
        raise Conflict(f"Image with status {image.status} cannot be target for import")
    if not image.staged or image.upload is None or image.bytes is None:
        raise Conflict(f"Image needs to be staged before '{method}' method can be used")
    for name in ("container_format", "disk_format"):
        if getattr(image, name) is None:
            raise Conflict(f"'{name}' needs to be set before import")
    access.ask(call, image)
    store = call.cloud.part(ImageStore)
    try:
        found = formats.inspect(await store.head(image.upload))
        bytes_ = _checked(image.bytes, found, image.disk_format)
    except UnsupportedMedia as lie:
        await give_up(call.cloud, store, image.id, image.upload, lie.message, call.origin)
        raise
    await store.link(image.upload, image.id)
    task = Task(id=derived(image.upload, "task"), user=call.who.user, request=call.id, at=call.cloud.clock.now())
    await call.do(images, ImportStaged(id=image.id, upload=image.upload, bytes=bytes_, task=task))
    await store.discard(image.upload)
    return Answer(status=202, media_type=access.PAGE)


def _method(body: dict[str, Any]) -> str:
    if "method" not in body:
        raise Invalid("Import request requires a 'method' field.")
    if not isinstance(body["method"], dict) or "name" not in body["method"]:
        raise Invalid("Import request requires a 'name' field.")
    name = body["method"]["name"]
    if name not in METHODS:
        raise Invalid(f"Unknown import method name '{name}'.")
    every, stores = body.get("all_stores", False), body.get("stores")
    if not isinstance(every, bool):
        raise Invalid("'all_stores' must be boolean value only")
    if every and stores:
        raise Invalid("All_stores parameter can't be used with x-image-meta-store header or stores parameter")
    for store in stores if isinstance(stores, list) else [] if stores is None else [stores]:
        if store != STORE:
            raise Conflict(f"Store for identifier {store} not found")
    return str(name)


async def download(call: Call) -> Answer:
    """The image's bytes, or those that `Range` names; nothing yet if it has none. Raises NotFound, Forbidden."""
    image = access.seen(call)
    if image.status == "deactivated" and not call.is_admin:
        raise Forbidden("The requested image has been deactivated. Image data download is forbidden.")
    if image.status not in images.WITH_BYTES or image.bytes is None:
        return Answer(status=204)
    size, part = image.bytes.size, _range(call, image.bytes.size)
    start, end = part or (0, size - 1)
    headers = {"content-length": str(end + 1 - start), "content-md5": image.bytes.checksum}
    if part is not None:
        headers["content-range"] = f"bytes {start}-{end}/{size}"
    answer = Answer(status=206 if part else 200, headers=headers, media_type=OCTETS)
    if call.request.method != "HEAD":
        answer.stream = await _open(call, image, start, end + 1 - start)
    return answer


async def _open(call: Call, image: Image, start: int, length: int) -> AsyncIterator[bytes]:
    store = call.cloud.part(ImageStore)
    try:
        return await store.open(image.id, start, length)
    except NotFound as lost:
        raise Busy(f"The bytes of image {image.id} are out of reach now.") from lost


def _range(call: Call, size: int) -> tuple[int, int] | None:
    """The first and the last byte that are asked for; None: all of them. Raises Invalid, OutOfRange."""
    text = call.request.headers.get("range")
    if text is None:
        return _content_range(call.request.headers.get("content-range"), size)
    if "," in text:
        raise Invalid(
            "Requests with multiple ranges are not supported in Glance. You may make multiple single-range requests "
            "instead."
        )
    match = _RANGE.match(text)
    if match is None or match[1] == match[2] == "":
        raise OutOfRange("Invalid Range header.", kind="detail")
    if not match[1]:
        length = min(int(match[2]), size) or size
        return size - length, size - 1
    start, end = int(match[1]), min(int(match[2] or size), size - 1)
    if start >= size:
        raise OutOfRange(
            f"Invalid start position in Range header. Start position MUST be in the inclusive range [0, {size - 1}].",
            kind="detail",
        )
    if end < start:
        raise OutOfRange("Invalid Range header.", kind="detail")
    return start, end


def _content_range(text: str | None, size: int) -> tuple[int, int] | None:
    """The older way to ask."""
    if text is None:
        return None
    match = _CONTENT_RANGE.match(text)
    if match is None or not int(match[1]) <= int(match[2]) < size:
        raise OutOfRange("Invalid Content-Range header.", kind="detail")
    return int(match[1]), int(match[2])
