"""Base images, kept once per host and never written to, and the overlays that servers write to instead.

    missing -> fetched under a passing name -> checked -> renamed: there for good

A base bears the image's checksum as its name. An image is a stranger's file: nothing in it may name another file.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from agents.commands import HostError, run
from agents.compute.hypervisor import DriverError, Guest

FORMATS = ("qcow2", "raw")
GIB = 1024**3
# qemu-img reads a stranger's file: what it may use at most.
LIMITS = ("prlimit", "--cpu=30", f"--as={GIB}")

FetchImage = Callable[[str, Path], Awaitable[None]]  # (image, destination): streams its bytes; raises DriverError


class Images:
    """The bases in a folder."""

    def __init__(self, folder: Path, fetch: FetchImage) -> None:
        self._folder = folder
        self._fetch = fetch
        self._sizes: dict[Path, int] = {}  # bytes the guest sees, of bases checked since the start
        self._locks: defaultdict[Path, asyncio.Lock] = defaultdict(asyncio.Lock)

    def open(self) -> None:
        """Make the folder; throw away what a crash left half fetched."""
        make_passable(self._folder)
        for part in self._folder.glob("*.part"):
            part.unlink()

    def path(self, guest: Guest) -> Path:
        """Where the base of `guest` is, or would be. Raises DriverError if it cannot have one."""
        if guest.image is None:
            raise DriverError("A server without an image cannot boot here.", permanent=True)
        if guest.image_format not in FORMATS:
            raise DriverError(f"Disk format {guest.image_format} is not supported.", permanent=True)
        name = guest.image_checksum or guest.image
        if not all(letter.isalnum() or letter == "-" for letter in name):
            raise DriverError(f"{name!r} names no image.", permanent=True)
        return self._folder / f"{name}.{guest.image_format}"

    async def base(self, guest: Guest) -> Path:
        """The base of `guest`, fetched if it is not here; once, whoever else waits for it. Raises DriverError."""
        path = self.path(guest)
        async with self._locks[path]:
            if path not in self._sizes:
                if not path.exists():
                    await self._fetch_to(path, guest)
                self._sizes[path] = await _virtual_size(path, guest.image_format)
        if guest.disk and guest.disk * GIB < self._sizes[path]:
            need = -(-self._sizes[path] // GIB)
            reason = f"The flavor's disk of {guest.disk} GiB is smaller than the image, which needs {need} GiB."
            raise DriverError(reason, permanent=True)
        return path

    async def _fetch_to(self, path: Path, guest: Guest) -> None:
        assert guest.image is not None
        part = path.with_name(f"{uuid.uuid4()}.part")
        try:
            await self._fetch(guest.image, part)
            if guest.image_checksum:
                await asyncio.to_thread(_verify, part, guest.image_checksum)
            await _virtual_size(part, guest.image_format)
            part.chmod(0o444)
            part.rename(path)
        except OSError as error:
            raise DriverError(f"Image {guest.image} could not be stored: {error}.") from error
        finally:
            part.unlink(missing_ok=True)


def make_passable(folder: Path) -> None:
    """Make `folder`, through which QEMU's user may pass to what it knows by name; nobody may look around."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)


async def overlay(base: Path, base_format: str, path: Path, disk: int) -> None:
    """A disk at `path` over `base`, of `disk` GiB; as large as the base if that is 0. Raises DriverError."""
    free = shutil.disk_usage(path.parent).free
    if free < GIB // 16:
        raise DriverError(f"The host's disk is full: {free // 1024**2} MiB left.")
    size = (f"{disk}G",) if disk else ()
    try:
        await run("qemu-img", "create", "-q", "-f", "qcow2", "-F", base_format, "-b", str(base), str(path), *size)
    except HostError as error:
        raise DriverError(str(error)) from error
    path.chmod(0o600)  # libvirt gives it to the user QEMU runs as


def _verify(path: Path, checksum: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha512").hexdigest()
    if found != checksum.lower():
        raise DriverError("The image arrived damaged: its checksum is another.")


async def _virtual_size(path: Path, format: str) -> int:
    """Bytes the guest sees. Raises DriverError if the image is broken or names other files."""
    try:
        output = await run(*LIMITS, "qemu-img", "info", "--output=json", "-f", format, str(path))
    except HostError as error:
        raise DriverError(f"The image is no {format} that QEMU can read: {error}", permanent=True) from error
    info = msgspec.json.decode(output)
    data = info.get("format-specific", {}).get("data", {})
    if info.get("backing-filename") or info.get("full-backing-filename") or data.get("data-file"):
        raise DriverError("The image names another file as its backing or data; that is refused.", permanent=True)
    if info.get("encrypted"):
        raise DriverError("The image is encrypted; that is not supported.", permanent=True)
    return int(info["virtual-size"])
