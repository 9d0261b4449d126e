"""Base images: fetched once, kept unharmed, and a stranger's tricks refused."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from agents.compute.hypervisor import DriverError, Guest
from agents.compute.images import Images, overlay

GUEST = Guest(id="s1", name="n", hostname="n", project="p", wanted="on", generation=1, ram=64, image="i1", disk=1)


def qemu_img(*arguments: object) -> None:
    subprocess.run(["qemu-img", *map(str, arguments)], check=True, capture_output=True)


class Store:
    """Where images come from: a folder; counts what was fetched."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "source"
        self.fetched = 0
        self.images = Images(folder / "images", self.fetch)
        self.images.open()

    async def fetch(self, image: str, destination: Path) -> None:
        self.fetched += 1
        await asyncio.sleep(0.05)
        destination.write_bytes(self.source.read_bytes())

    def kept(self) -> list[Path]:
        return list(self.source.with_name("images").iterdir())


@pytest.fixture
def store(tmp_path: Path, real_host: None) -> Store:
    return Store(tmp_path)


async def refusal(store: Store, guest: Guest = GUEST) -> DriverError:
    with pytest.raises(DriverError) as refused:
        await store.images.base(guest)
    return refused.value


async def test_servers_created_at_once_fetch_their_image_once(store: Store) -> None:
    qemu_img("create", "-q", "-f", "qcow2", store.source, "10M")
    paths = await asyncio.gather(*(store.images.base(GUEST) for _ in range(5)))
    assert store.fetched == 1
    assert [path.name for path in store.kept()] == [paths[0].name] == ["i1.qcow2"]


async def test_a_checksum_names_the_base_and_is_checked(store: Store) -> None:
    store.source.write_bytes(b"\0" * 1024**2)
    checksum = hashlib.sha512(store.source.read_bytes()).hexdigest()
    raw = replace(GUEST, image_format="raw", image_checksum=checksum)
    assert (await store.images.base(raw)).name == f"{checksum}.raw"
    damaged = await refusal(store, replace(raw, image_checksum="0" * 128))
    assert "damaged" in str(damaged)
    assert not damaged.permanent  # on the way, perhaps; it is fetched again
    assert len(store.kept()) == 1


async def test_a_broken_image_is_refused_for_good(store: Store) -> None:
    store.source.write_bytes(b"no disk at all" * 100)
    assert (await refusal(store)).permanent
    assert store.kept() == []


async def test_an_image_that_names_a_backing_file_is_refused(store: Store) -> None:
    qemu_img("create", "-q", "-f", "qcow2", "-u", "-b", "/etc/shadow", "-F", "raw", store.source, "10M")
    refused = await refusal(store)
    assert refused.permanent
    assert "another file" in str(refused)


async def test_an_image_that_names_a_data_file_is_refused(store: Store) -> None:
    data = store.source.with_name("data")
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={data},data_file_raw=on", store.source, "10M")
    refused = await refusal(store)
    assert refused.permanent
    assert store.kept() == []


async def test_a_flavor_smaller_than_the_image_is_refused_with_the_size_it_needs(store: Store) -> None:
    qemu_img("create", "-q", "-f", "qcow2", store.source, "2500M")
    refused = await refusal(store)
    assert refused.permanent
    assert "needs 3 GiB" in str(refused)
    await store.images.base(replace(GUEST, disk=3))
    await store.images.base(replace(GUEST, disk=0))


@pytest.mark.parametrize("guest", [replace(GUEST, image=None), replace(GUEST, image_format="vmdk"),
                                   replace(GUEST, image="../../etc/passwd")])  # fmt: skip
async def test_what_is_no_image_for_us_is_refused(store: Store, guest: Guest) -> None:
    assert (await refusal(store, guest)).permanent


async def test_what_a_crash_left_half_fetched_is_thrown_away(store: Store) -> None:
    (store.source.with_name("images") / "x.part").write_bytes(b"half")
    store.images.open()
    assert store.kept() == []


async def test_an_overlay_is_as_large_as_asked_and_never_writes_to_its_base(store: Store, tmp_path: Path) -> None:
    qemu_img("create", "-q", "-f", "qcow2", store.source, "10M")
    base = await store.images.base(GUEST)
    before = base.read_bytes()
    disk = tmp_path / "disk.qcow2"
    await overlay(base, "qcow2", disk, 1)
    subprocess.run(["qemu-io", "-c", "write 0 64k", disk], check=True, capture_output=True)
    assert base.read_bytes() == before
    assert base.stat().st_mode & 0o222 == 0
    info = subprocess.run(["qemu-img", "info", disk], check=True, capture_output=True, text=True).stdout
    assert "virtual size: 1 GiB" in info
