"""Images in a bucket, on a real S3-compatible server: what came in at one machine is there at every other."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from events.envelope import CLOUD
from events.image import image as images_
from events.image.image import DeleteImage, StartUpload
from events.journal import MemoryJournal
from gateway.composition.directory import IMAGES
from gateway.image.bucket import BucketStore, store
from gateway.image.recovery import recover
from gateway.image.store import ImageStore
from tests.gateway.image.calls import Images
from tests.worlds import world

BIG = bytes(range(256)) * (9 << 12)  # 9 MiB: more than one part


@pytest.fixture
async def two(elsewhere: tuple[BucketStore, BucketStore]) -> AsyncIterator[tuple[Images, Images]]:
    """Gateways of one cloud on two machines."""
    journal, found = MemoryJournal(), []
    async with AsyncExitStack() as stack:
        for one in elsewhere:
            w = await stack.enter_async_context(world(journal=journal))
            w.cloud.put(one, ImageStore)
            found.append(Images(w, one))
        yield found[0], found[1]


async def fence(images: Images) -> None:
    await images.world.fold.fence(images.world.execute.journal)


@pytest.mark.parametrize("data", [b"", b"data", BIG])
async def test_what_goes_up_here_comes_down_there(two: tuple[Images, Images], data: bytes) -> None:
    here, there = two
    id = await here.make("member", data)
    await fence(there)
    answer = await there.call("GET", f"/images/{id}/file", as_="member")
    assert answer.content == data
    shown = await there.show(id, "member")
    assert (shown["checksum"], shown["os_hash_value"]) == (
        hashlib.md5(data, usedforsecurity=False).hexdigest(),
        hashlib.sha512(data).hexdigest(),
    )
    if len(data) > 4:
        part = await there.call("GET", f"/images/{id}/file", as_="member", Range="bytes=3000000-3000099")
        assert (part.status_code, part.content) == (206, data[3000000:3000100])
        tail = await there.call("GET", f"/images/{id}/file", as_="member", Range="bytes=-7")
        assert tail.content == data[-7:]
    assert (await there.call("DELETE", f"/images/{id}", as_="member")).status_code == 204
    assert there.store.listing() == ([], [])


async def test_what_was_staged_here_is_imported_there(two: tuple[Images, Images]) -> None:
    here, there = two
    id = await here.make("member")
    assert (await here.send("PUT", f"/images/{id}/stage", b"data", "member")).status_code == 204
    await fence(there)
    body = {"method": {"name": "glance-direct"}}
    asked = await there.call("POST", f"/images/{id}/import", body, "member")
    assert asked.status_code == 202, asked.text
    await fence(here)
    assert (await here.call("GET", f"/images/{id}/file", as_="member")).content == b"data"
    await recover(here.world.cloud)
    assert here.store.listing() == ([id], [])


async def test_each_machine_judges_its_own_uploads(two: tuple[Images, Images]) -> None:
    here, there = two
    id = await here.make("member")
    async with await here.store.upload() as coming:
        await here.world.execute(images_, StartUpload(id=id, upload=coming.id, store=here.store.id), CLOUD)
        await fence(there)
        for one in two:
            await recover(one.world.cloud)
            assert (await one.show(id))["status"] == "saving"
    await recover(there.world.cloud)
    assert (await there.show(id))["status"] == "saving", "its machine will say"
    await recover(here.world.cloud)
    assert (await here.show(id))["status"] == "queued"


async def test_bytes_of_the_deleted_go(two: tuple[Images, Images]) -> None:
    here, there = two
    id = await here.make("member", b"data")
    await here.world.execute(images_, DeleteImage(id=id), CLOUD)  # and then the process died
    await fence(there)
    await recover(there.world.cloud)
    assert here.store.listing() == ([], [])


async def test_bytes_that_are_lost_are_no_mistake_of_the_caller(two: tuple[Images, Images]) -> None:
    here, _ = two
    id = await here.make("member", b"data")
    await here.store.remove(id)
    assert (await here.call("GET", f"/images/{id}/file", as_="member")).status_code == 503


async def test_a_bucket_that_is_away_is_no_mistake_of_the_caller(bucket: str, tmp_path: Path) -> None:
    away = BucketStore(tmp_path / "store", "s3://nosuch/part")
    async with world() as w:
        w.cloud.put(away, ImageStore)
        images = Images(w, away)
        id = await images.make("member")
        assert (await images.send("PUT", f"/images/{id}/file", b"data", "member")).status_code == 503
        await recover_from(images, bucket, tmp_path)
        assert (await images.show(id))["status"] == "queued"
    away.close()


async def recover_from(images: Images, bucket: str, path: Path) -> None:
    """The bucket is there again."""
    assert isinstance(images.store, BucketStore)
    again = BucketStore(path / "again", bucket)
    images.store._bucket = again._bucket
    again.close()
    await recover(images.world.cloud)


async def test_it_is_one_store_wherever_it_is_set(two: tuple[Images, Images], tmp_path: Path) -> None:
    here, there = two
    assert here.store.id == there.store.id
    details = (await here.call("GET", "/info/stores/detail")).json()["stores"]
    assert [one["type"] for one in details] == ["s3"]
    one = store(f"file://{tmp_path / 'files'}", tmp_path / IMAGES)
    assert (type(one), one.directory) == (ImageStore, tmp_path / "files")
    one.close()
