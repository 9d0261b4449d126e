"""What a process that died left behind: images that wait for bytes, bytes that no image waits for.

Runs at the start and now and then, in any number of processes at once. Each judgement stands on a fenced fold: what is
looked at on the disk is older than what is known of it.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import timedelta

from events.envelope import CLOUD, Origin
from events.image import image as images
from events.image import member as members
from events.image.image import FailUpload, Image
from events.image.member import DropMembers
from events.journal import Unavailable
from events.refusals import Busy, NotFound
from gateway.cloud import Cloud
from gateway.image.store import NEW, ImageStore

EVERY = 60.0  # seconds
LONGEST = timedelta(days=1)  # of an upload: one that takes longer, or whose store never comes back, has failed
NEWBORN = 3600.0  # seconds that a file may need from its making to its lock


async def recover(cloud: Cloud) -> None:
    """Return images of dead uploads to `queued`, remove bytes and members that belong to no live image.

    Of all processes that share a store one does it at a time: another could remove what has come anew since it looked.
    """
    store = cloud.part(ImageStore)
    with store.alone() as alone:
        if alone:
            await _recover(cloud, store)


async def _recover(cloud: Cloud, store: ImageStore) -> None:
    files, uploads = await store.run(store.listing)
    waiting = [image for status in ("saving", "uploading") for image in cloud.fold.by(images, "status", status)]
    dead = [image for image in waiting if await _is_dead(store, image)]
    late = [image for image in waiting if not store.is_of(image) and _is_late(cloud, image)]
    await cloud.fold.fence(cloud.execute.journal)
    for image in dead:
        if _still_waits(cloud, image):
            await give_up(cloud, store, image.id, str(image.upload), "The process that took the upload died.")
    for image in late:
        if _still_waits(cloud, image):
            fail = FailUpload(id=image.id, upload=str(image.upload), reason="The upload took too long.")
            await cloud.execute(images, fail, CLOUD)  # its bytes are seen to by whoever has that store
    for upload, made_at in uploads:
        await _sweep_upload(cloud, store, upload, made_at)
    for id in files:
        if cloud.fold.get(images, id) is None and await _was(cloud, id):
            await store.remove(id)
    for group in cloud.fold.all(members):
        if cloud.fold.get(images, group.id) is None:
            await cloud.execute(members, DropMembers(id=group.id), CLOUD)


def _still_waits(cloud: Cloud, image: Image) -> bool:
    """Whether it is still the same upload, and nothing has come of it."""
    now = cloud.fold.get(images, image.id)
    return now is not None and (now.upload, now.status, now.bytes) == (image.upload, image.status, None)


def _is_late(cloud: Cloud, image: Image) -> bool:
    known = cloud.fold.known(images, image.id)
    return image.bytes is None and known is not None and cloud.clock.now() - known.updated_at > LONGEST


async def _is_dead(store: ImageStore, image: Image) -> bool:
    if not store.is_of(image) or image.bytes is not None or image.upload is None:
        return False
    return await store.run(store.is_dead, image.upload)


async def give_up(cloud: Cloud, store: ImageStore, id: str, upload: str, reason: str, origin: Origin = CLOUD) -> None:
    """Remove what an upload left, then return its image to `queued`: in this order, or a new one could be hit."""
    now = cloud.fold.get(images, id)
    if now is None or now.upload == upload:
        await store.remove(id)
    await store.discard(upload)
    with suppress(NotFound):  # the image is deleted
        await cloud.execute(images, FailUpload(id=id, upload=upload, reason=reason), origin)


async def _sweep_upload(cloud: Cloud, store: ImageStore, name: str, made_at: float) -> None:
    upload = name.removesuffix(NEW)
    if upload != name:
        if time.time() - made_at > NEWBORN:
            await store.discard(name)
    elif not cloud.fold.count(images, "upload", upload) and await store.run(store.is_dead, upload):
        await store.discard(upload)


async def _was(cloud: Cloud, id: str) -> bool:
    """Whether the journal knows an image of this id, a deleted one; what it does not know is left alone."""
    return await cloud.fold.exhume(images, id, cloud.execute.journal) is not None


async def watch(cloud: Cloud) -> None:
    """Recover now and then, until cancelled."""
    while True:
        with suppress(Busy, Unavailable, TimeoutError):  # the journal is away; the next turn sees it again
            await recover(cloud)
        await asyncio.sleep(EVERY)
