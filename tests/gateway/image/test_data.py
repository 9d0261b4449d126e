"""The bytes of images as a client sends and gets them."""

from __future__ import annotations

import hashlib
import os
import resource
from collections.abc import AsyncIterator, Iterator

import pytest

from events.settings import Gateway, Settings
from gateway.image.store import CHUNK, ImageStore
from tests.gateway.image.calls import Images, said
from tests.worlds import world

DATA = os.urandom(2 * CHUNK + 12345)


async def pieces(data: bytes, size: int = 70_001) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def test_what_goes_up_comes_down(images: Images) -> None:
    id = await images.make("member")
    assert (await images.call("GET", f"/images/{id}/file", as_="member")).status_code == 204
    put = await images.send("PUT", f"/images/{id}/file", pieces(DATA), "member", Accept="")
    assert put.status_code == 204
    assert put.content == b""
    image = await images.show(id, "member")
    md5, sha512 = hashlib.md5(DATA).hexdigest(), hashlib.sha512(DATA).hexdigest()
    assert (image["status"], image["size"], image["virtual_size"]) == ("active", len(DATA), len(DATA))
    assert (image["checksum"], image["os_hash_algo"], image["os_hash_value"]) == (md5, "sha512", sha512)
    assert image["stores"] == "local"
    got = await images.call("GET", f"/images/{id}/file", as_="member")
    assert got.content == DATA
    assert got.headers["content-md5"] == md5
    assert got.headers["content-length"] == str(len(DATA))
    assert got.headers["content-type"] == "application/octet-stream"
    head = await images.call("HEAD", f"/images/{id}/file", as_="member")
    assert (head.headers["content-length"], head.content) == (str(len(DATA)), b"")


async def test_an_image_may_be_empty(images: Images) -> None:
    id = await images.make("member", b"")
    image = await images.show(id)
    assert (image["status"], image["size"], image["virtual_size"]) == ("active", 0, None)
    got = await images.call("GET", f"/images/{id}/file")
    assert (got.status_code, got.content, got.headers["content-length"]) == (200, b"", "0")


@pytest.mark.parametrize(
    ("asked", "status", "content", "told"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=5-", 206, b"56789", "bytes 5-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-100", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=9-100", 206, b"9", "bytes 9-9/10"),
        ("bytes=10-", 416, None, None),
        ("bytes=3-1", 416, None, None),
        ("bytes=-", 416, None, None),
        ("items=0-3", 416, None, None),
        ("bytes=0-1,3-4", 400, None, None),
    ],
)
async def test_a_part_is_asked_for(
    images: Images, asked: str, status: int, content: bytes | None, told: str | None
) -> None:
    id = await images.make("member", b"0123456789")
    answer = await images.call("GET", f"/images/{id}/file", Range=asked)
    assert answer.status_code == status
    assert answer.headers.get("content-range") == told
    if content is not None:
        assert answer.content == content
        assert answer.headers["content-length"] == str(len(content))


async def test_the_older_way_to_ask_for_a_part(images: Images) -> None:
    id = await images.make("member", b"0123456789")
    assert (await images.call("GET", f"/images/{id}/file", Content_Range="bytes 0-3/*")).content == b"0123"
    for asked in ("bytes 0-10/10", "bytes 5-3/10", "nonsense"):
        assert (await images.call("GET", f"/images/{id}/file", Content_Range=asked)).status_code == 416


@pytest.mark.parametrize("part", ["file", "stage"])
async def test_bytes_of_another_media_type(images: Images, part: str) -> None:
    id = await images.make("member")
    for media_type in ("application/json", "text/plain", ""):
        answer = await images.send("PUT", f"/images/{id}/{part}", b"x", Content_Type=media_type)
        assert answer.status_code == 415
        assert f"Invalid content type {media_type}".strip() in said(answer)


async def test_bytes_come_once(images: Images) -> None:
    id = await images.make("member", b"first")
    answer = await images.send("PUT", f"/images/{id}/file", b"second", "member")
    assert answer.status_code == 409
    assert "Image status transition from active to saving is not allowed" in said(answer)
    assert (await images.call("GET", f"/images/{id}/file")).content == b"first"
    assert images.store.listing() == ([id], [])


async def test_bytes_need_formats(images: Images) -> None:
    id = (await images.call("POST", "/images", {}, "member")).json()["id"]
    answer = await images.send("PUT", f"/images/{id}/file", b"x", "member")
    assert answer.status_code == 400
    assert "Properties disk_format, container_format must be set prior to saving data." in said(answer)


async def test_too_many_bytes_leave_a_queued_image(store: ImageStore) -> None:
    async with world(parts=[store], settings=Settings(gateway=Gateway(max_image=100_000))) as w:
        images = Images(w, store)
        id = await images.make("member")
        for data in (b"x" * 100_001, pieces(b"x" * 100_001, 9_999)):
            answer = await images.send("PUT", f"/images/{id}/file", data, "member")
            assert answer.status_code == 413
            assert "The provided image is too large." in said(answer)
            assert (await images.show(id))["status"] == "queued"
            assert store.listing() == ([], [])
        assert (await images.send("PUT", f"/images/{id}/file", b"x" * 100_000, "member")).status_code == 204


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file grows beyond a chunk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (CHUNK, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_disk")
async def test_a_full_disk_leaves_a_queued_image(images: Images) -> None:
    id = await images.make("member")
    answer = await images.send("PUT", f"/images/{id}/file", DATA, "member")
    assert answer.status_code == 413
    assert "Image storage media is full" in said(answer)
    assert (await images.show(id))["status"] == "queued"
    assert images.store.listing() == ([], [])


async def test_an_image_deleted_while_its_bytes_come(images: Images) -> None:
    id = await images.make("member")

    async def slow() -> AsyncIterator[bytes]:
        yield b"first"
        assert (await images.show(id))["status"] == "saving"
        assert (await images.send("PUT", f"/images/{id}/file", b"x")).status_code == 409
        assert (await images.call("DELETE", f"/images/{id}")).status_code == 204
        yield b"second"

    answer = await images.send("PUT", f"/images/{id}/file", slow(), "member")
    assert answer.status_code == 410
    assert "The image may have been deleted during the upload." in said(answer)
    assert images.store.listing() == ([], [])


async def test_bytes_are_staged_and_imported(images: Images) -> None:
    id = await images.make("member")
    early = await images.call("POST", f"/images/{id}/import", {"method": {"name": "glance-direct"}}, "member")
    assert early.status_code == 409
    assert "Image needs to be staged before 'glance-direct' method can be used" in said(early)
    assert (await images.send("PUT", f"/images/{id}/stage", DATA, "member")).status_code == 204
    image = await images.show(id)
    assert (image["status"], image["size"], image["checksum"]) == ("uploading", len(DATA), None)
    assert (await images.call("GET", f"/images/{id}/file")).status_code == 204
    assert (await images.send("PUT", f"/images/{id}/stage", b"x", "member")).status_code == 409
    done = await images.call("POST", f"/images/{id}/import", {"method": {"name": "glance-direct"}}, "member")
    assert done.status_code == 202
    image = await images.show(id)
    assert (image["status"], image["checksum"]) == ("active", hashlib.md5(DATA).hexdigest())
    assert (await images.call("GET", f"/images/{id}/file")).content == DATA
    assert images.store.listing() == ([id], [])
    [task] = (await images.call("GET", f"/images/{id}/tasks", as_="member")).json()["tasks"]
    assert (task["status"], task["image_id"]) == ("success", id)
    assert (await images.call("GET", f"/tasks/{task['id']}")).json() == task
    assert [one["id"] for one in (await images.call("GET", "/tasks")).json()["tasks"]] == [task["id"]]
    assert (await images.call("GET", "/tasks", as_="member")).status_code == 403
    again = await images.call("POST", f"/images/{id}/import", {"method": {"name": "glance-direct"}}, "member")
    assert "Image with status active cannot be target for import" in said(again)


async def test_staged_bytes_go_with_the_image(images: Images) -> None:
    id = await images.make("member")
    await images.send("PUT", f"/images/{id}/stage", DATA, "member")
    await images.call("DELETE", f"/images/{id}", as_="member")
    assert images.store.listing() == ([], [])


async def test_staged_bytes_that_are_something_else_are_refused(images: Images) -> None:
    id = await images.make("member", disk_format="qcow2")
    await images.send("PUT", f"/images/{id}/stage", DATA, "member")
    refused = await images.call("POST", f"/images/{id}/import", {"method": {"name": "glance-direct"}}, "member")
    assert refused.status_code == 415
    assert (await images.show(id))["status"] == "queued"
    assert images.store.listing() == ([], [])


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 400, "Import request requires a 'method' field."),
        ({"method": 5}, 400, "Import request requires a 'name' field."),
        ({"method": {}}, 400, "Import request requires a 'name' field."),
        ({"method": {"name": []}}, 400, "Unknown import method name"),
        ({"method": {"name": "web-download", "uri": "http://x/"}}, 400, "Unknown import method name 'web-download'."),
        ({"method": {"name": "copy-image"}}, 400, "Unknown import method name 'copy-image'."),
        ({"method": {"name": "glance-direct"}, "stores": ["other"]}, 409, "Store for identifier other not found"),
        ({"method": {"name": "glance-direct"}, "all_stores": "x"}, 400, "'all_stores' must be boolean value only"),
        ([], 400, "Unexpected body type."),
    ],
)
async def test_an_import_that_is_refused(images: Images, body: object, status: int, words: str) -> None:
    id = await images.make("member")
    answer = await images.call("POST", f"/images/{id}/import", body, "member")
    assert answer.status_code == status
    assert words in said(answer)


async def test_bytes_that_are_lost_are_no_mistake_of_the_caller(images: Images) -> None:
    id = await images.make("member", b"data")
    await images.store.remove(id)
    answer = await images.call("GET", f"/images/{id}/file")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
