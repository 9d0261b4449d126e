"""Uploads over real sockets: cut off, chunked, refused in the middle, and large ones in little memory."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn

from events.refusals import Invalid
from gateway.application import application
from gateway.image.store import ImageStore
from tests.gateway.image.calls import Images
from tests.waiting import PATIENCE
from tests.worlds import faces

HEAD = (
    "PUT /image/v2/images/{id}/file HTTP/1.1\r\nHost: cloud.test\r\nX-Auth-Token: member\r\nAccept:\r\n"
    "Content-Type: application/octet-stream\r\n"
)


@asynccontextmanager
async def listening(images: Images) -> AsyncIterator[int]:
    """A port on which the cloud of `images` answers."""
    bound = socket.create_server(("127.0.0.1", 0))
    app = application(images.world.cloud, faces())
    config = uvicorn.Config(app, http="httptools", ws="none", lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve([bound]))
    while not server.started:
        await asyncio.sleep(0.005)
    yield int(bound.getsockname()[1])
    server.should_exit = True
    await serving
    bound.close()


async def becomes(images: Images, id: str, status: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await images.show(id))["status"] != status:
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("length", ["Content-Length: 5000000", "Transfer-Encoding: chunked"])
async def test_a_cut_upload_leaves_a_queued_image_and_no_bytes(images: Images, length: str) -> None:
    id = await images.make("member")
    async with listening(images) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n" if "chunked" in length else b"x" * 0x10000
        writer.write(f"{HEAD}{length}\r\n\r\n".format(id=id).encode() + piece * 20)
        await writer.drain()
        await becomes(images, id, "saving")
        writer.transport.abort()
        await becomes(images, id, "queued")
    assert images.store.listing() == ([], [])


async def test_an_upload_without_length(images: Images) -> None:
    id = await images.make("member")
    async with listening(images) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"{HEAD}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n".format(id=id).encode())
        for piece in (b"some ", b"bytes"):
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
            await asyncio.sleep(0.01)
        writer.write(b"0\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 204 ")
        writer.close()
    assert (await images.call("GET", f"/images/{id}/file")).content == b"some bytes"


async def test_a_refused_upload_leaves_the_connection_whole(images: Images) -> None:
    id = await images.make("member", b"first")
    async with listening(images) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(f"{HEAD}Content-Length: 3000000\r\n\r\n".format(id=id).encode() + bytes(3_000_000))
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 409 ")
            length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
        writer.close()


async def test_a_download_that_is_broken_off_harms_nobody(images: Images) -> None:
    data = os.urandom(8 << 20)
    id = await images.make("member", data)
    async with listening(images) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /image/v2/images/{id}/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: member\r\n\r\n".encode())
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.transport.abort()
    assert (await images.call("GET", f"/images/{id}/file")).content == data


LARGE = """
import asyncio, resource, sys
from pathlib import Path
from gateway.image.store import ImageStore
async def pieces(count):
    piece = bytes(65536)
    for _ in range(count):
        yield piece
async def main():
    store = ImageStore(Path(sys.argv[1]))
    for count in (64, 4096):
        async with await store.upload() as upload:
            await upload.receive(pieces(count), 1 << 40)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)
asyncio.run(main())
"""


def test_a_large_upload_needs_no_more_memory_than_a_small_one(tmp_path: Path) -> None:
    run = [sys.executable, "-c", LARGE, str(tmp_path)]
    small, large = map(int, subprocess.run(run, capture_output=True, text=True, check=True).stdout.split())
    assert large - small < 8 << 10, "KiB between 4 MiB and 256 MiB"


async def test_an_upload_that_stands_still_is_given_up(store: ImageStore) -> None:
    async def still() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(60)

    with pytest.raises(Invalid, match="Nothing came for"):
        async with await store.upload() as upload:
            await upload.receive(still(), 100, idle=0.01)
    assert store.listing() == ([], [])
