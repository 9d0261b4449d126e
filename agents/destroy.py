"""Everything of a cloud on this host: listed, and removed. Works after a crash and without the cloud running.

It goes by the cloud's id, which all things bear, not by anybody's memory.
"""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
from pathlib import Path

from msgspec import Struct

from agents import names
from agents.network import leftovers

FOLDERS = ("servers", "images", "libvirt")  # of the state folder: what the hypervisor keeps there


class Belongings(Struct, frozen=True, kw_only=True):
    """What there is of a cloud."""

    domains: list[str]
    devices: list[str]
    namespaces: list[str]
    processes: list[int]
    tables: list[str]
    folders: list[Path]

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return any((self.domains, self.devices, self.namespaces, self.processes, self.tables, self.folders))


async def belongings(cloud: str, state: Path, uri: str = "qemu:///system") -> Belongings:
    """What there is of `cloud` on this host. Raises HostError."""
    domains = []
    if _has_libvirt():
        from agents.compute import leftovers as compute

        domains = await compute.domains(cloud, state, uri)
    folders = [folder for folder in (names.RUN / cloud, *(state / name for name in FOLDERS)) if folder.exists()]
    return Belongings(
        domains=domains,
        devices=leftovers.devices(cloud),
        namespaces=leftovers.namespaces(cloud),
        processes=await leftovers.processes(cloud) if leftovers.namespaces(cloud) else [],
        tables=await leftovers.tables(cloud) if shutil.which("nft") else [],
        folders=folders,
    )


async def destroy(cloud: str, state: Path, uri: str = "qemu:///system") -> Belongings:
    """Remove everything of `cloud` from this host; what it was. Raises HostError."""
    found = await belongings(cloud, state, uri)
    if not found:
        return found
    if _has_libvirt():
        from agents.compute import leftovers as compute

        await compute.remove(cloud, state, uri)
    if found.devices or found.namespaces or found.tables:
        await leftovers.remove(cloud)
    for folder in found.folders:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return found


def _has_libvirt() -> bool:
    """Without the extra `libvirt` the cloud cannot have had domains."""
    return importlib.util.find_spec("libvirt") is not None
