"""The domains of a cloud on this host: listed and removed by libvirt alone, whatever became of the cloud."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import libvirt

from agents import names
from agents.commands import HostError
from agents.compute import daemons
from agents.compute.domains import WITH_ALL
from agents.compute.domains import of_cloud as domains_of


def note(state: Path) -> Path:
    """Where it is noted which daemons the cloud of `state` has started."""
    return state / "libvirt" / "daemons.json"


async def domains(cloud: str, state: Path, uri: str) -> list[str]:
    """The names of the cloud's domains. Raises HostError."""
    if not await _used(state):
        return []
    return await asyncio.to_thread(_with, uri, lambda connection: [one.name() for one in domains_of(connection, cloud)])


async def remove(cloud: str, state: Path, uri: str) -> None:
    """End and remove the cloud's domains; libvirt's daemons too if it started them and nobody else is here."""
    if not await _used(state):
        return

    def do(connection: Any) -> bool:
        for one in domains_of(connection, cloud):
            if one.isActive():
                one.destroy()
            one.undefineFlags(WITH_ALL)
        return bool(connection.listAllDomains())

    others = await asyncio.to_thread(_with, uri, do)
    if not others and not any(path.name != cloud for path in names.RUN.glob("*")):
        await daemons.end_noted(note(state))


async def _used(state: Path) -> bool:
    """Whether there is a libvirtd to be asked; where the cloud has used it, it is started again."""
    if (state / "servers").exists():
        await daemons.ensure(note(state))
        return True
    return await daemons.answers(daemons.SOCKETS["libvirtd"])


def _with(uri: str, do: Any) -> Any:
    libvirt.registerErrorHandler(lambda context, error: None, None)
    try:
        connection = libvirt.open(uri)
        try:
            return do(connection)
        finally:
            connection.close()
    except libvirt.libvirtError as error:
        raise HostError(f"libvirt: {error}") from error
