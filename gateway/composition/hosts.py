"""The drivers of the hosts whose agents run here: this machine by libvirt, or simulated ones."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import shutil
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agents.compute.download import download
from agents.compute.hypervisor import DriverError, Hypervisor
from agents.compute.simulated import Memory, SimulatedHypervisor
from events.compute.guest import ImageSource
from events.compute.metadata import Metadata
from events.journal import Unavailable
from events.settings import Settings
from gateway.composition.directory import IMAGES, Directory, stored

if TYPE_CHECKING:
    from agents.compute.libvirt import LibvirtHypervisor

log = logging.getLogger("cumulog.hosts")

AskMetadata = Callable[[str], Awaitable[Metadata | None]]
AskImage = Callable[[str], Awaitable[ImageSource | None]]
HOST = "host"  # the folder in DIR of what the hypervisor keeps
PROGRAMS = ("libvirtd", "virtlogd", "qemu-system-x86_64", "qemu-img", "dnsmasq", "nft", "ip")


class Hosts:
    """Makes the drivers."""

    def __init__(self, directory: Directory, settings: Settings, own: Path) -> None:
        self._directory = directory
        self._settings = settings
        self._own = own  # the folder of this process: what simulated hosts remember
        self._memory: Memory | None = None
        self._real: LibvirtHypervisor | None = None

    def missing(self) -> str:
        """Why this machine cannot run guests by libvirt; empty if it can, as far as is seen without trying."""
        if os.geteuid() != 0:
            return "networks of guests need root"
        if importlib.util.find_spec("libvirt") is None:
            return "the Python package libvirt-python is missing (pip install 'cumulog[libvirt]')"
        absent = [program for program in PROGRAMS if shutil.which(program) is None]
        return f"not installed: {', '.join(absent)} (make install)" if absent else ""

    def simulated(self, names: Sequence[str]) -> list[tuple[str, Hypervisor]]:
        """Hosts of these names, each with its driver."""
        memory = self._memory = Memory(self._own / "simulated.db")
        return [(name, SimulatedHypervisor(name, memory)) for name in names]

    def real(self, ask_metadata: AskMetadata, ask_image: AskImage) -> Hypervisor:
        """This machine."""
        from agents.compute.libvirt import LibvirtSettings
        from agents.machine import libvirt_host

        compute, cloud = self._settings.compute, self._directory.cloud_id
        settings = LibvirtSettings(
            cloud=cloud,
            state=self._directory.path / HOST,
            uri=compute.libvirt_uri,
            virt_type=compute.virt_type,
            shutdown_timeout=compute.shutdown,
        )

        async def fetch(image: str, destination: Path) -> None:
            await self._fetch(image, destination, ask_image)

        self._real = libvirt_host(settings, fetch, ask_metadata)
        return self._real

    async def stop_guests(self) -> None:
        """End the guests of this machine; their servers are found stopped at the next start."""
        if self._real is not None:
            await self._real.end_all()

    async def _fetch(self, image: str, destination: Path, ask: AskImage) -> None:
        """An image's bytes for the host's cache: copied, if the store is on this machine, else fetched."""
        here = stored(self._directory.path / IMAGES, image)
        if here is not None:
            await asyncio.to_thread(shutil.copyfile, here, destination)
            return
        try:
            source = await ask(image)
        except Unavailable as fault:
            raise DriverError(f"Nobody says where image {image} is: {fault}") from fault
        if source is None:
            raise DriverError(f"Image {image} has no bytes.", permanent=True)
        await download(image, source, destination)

    async def close(self) -> None:
        if self._memory is not None:
            self._memory.close()
