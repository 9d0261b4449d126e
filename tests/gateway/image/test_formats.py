"""What the bytes of an image say they are."""

from __future__ import annotations

from struct import pack

import pytest

from gateway.image.formats import Found, inspect, mismatch, virtual_size
from tests.gateway.image.calls import Images, said

GIB = 1 << 30


def qcow2(version: int = 3, backing: int = 0, features: int = 0) -> bytes:
    head = b"QFI\xfb" + pack(">IQIIQ", version, backing, 0, 16, GIB)
    return head.ljust(72, b"\0") + pack(">Q", features) + bytes(512)


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (qcow2(), Found("qcow2", GIB)),
        (qcow2(version=2), Found("qcow2", GIB)),
        (qcow2(backing=600), Found("qcow2", GIB, False)),
        (qcow2(features=4), Found("qcow2", GIB, False)),
        (qcow2(version=9), Found("qcow2", GIB, False)),
        (b"QFI\xfb", Found("raw")),
        (b"KDMV" + pack("<IIQ", 1, 3, 2048) + bytes(512), Found("vmdk", GIB >> 10)),
        (b"# Disk DescriptorFile\nversion=1", Found("vmdk", None, False)),
        (b"conectix".ljust(48, b"\0") + pack(">Q", GIB) + bytes(512), Found("vhd", GIB)),
        (b"vhdxfile", Found("vhdx")),
        ((bytes(64) + b"\x7f\x10\xda\xbe").ljust(0x170, b"\0") + pack("<Q", GIB), Found("vdi", GIB)),
        ((bytes(32769) + b"CD001").ljust(32848, b"\0") + pack("<I", 10) + bytes(44) + pack("<H", 2048) + bytes(9),
         Found("iso", 20480)),
        (b"", Found("raw")),
        (b"anything else", Found("raw")),
    ],
)  # fmt: skip
def test_bytes_are_known_by_their_beginning(head: bytes, found: Found) -> None:
    assert inspect(head) == found


def test_formats_that_cannot_be_told_are_believed() -> None:
    assert mismatch("ami", Found("raw")) is None
    assert mismatch("raw", Found("qcow2", GIB)) is None
    assert virtual_size("raw", Found("qcow2", GIB), 7) == 7
    assert virtual_size("ami", Found("raw"), 7) is None
    assert virtual_size("raw", Found("raw"), 0) is None


async def test_a_qcow2_image_has_the_size_of_its_disk(images: Images) -> None:
    id = await images.make("member", qcow2(), disk_format="qcow2")
    image = await images.show(id)
    assert (image["size"], image["virtual_size"]) == (len(qcow2()), GIB)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"not a qcow2", "Image disk_format qcow2 does not match stream data raw"),
        (qcow2(backing=600), "Image failed safety checks"),
    ],
)
async def test_bytes_that_are_something_else_are_refused(images: Images, data: bytes, words: str) -> None:
    id = await images.make("member", disk_format="qcow2")
    answer = await images.send("PUT", f"/images/{id}/file", data, "member")
    assert answer.status_code == 415
    assert words in said(answer)
    assert (await images.show(id))["status"] == "queued"
    assert images.store.listing() == ([], [])
