"""What a cloud's networks have put on this host, found by its id alone: in the kernel, whatever became of the files."""

from __future__ import annotations

import msgspec

from agents import names
from agents.commands import end, run
from agents.network.links import LINKS, NAMESPACES


def devices(cloud: str) -> list[str]:
    """The cloud's interfaces."""
    return sorted(path.name for path in LINKS.glob("*") if path.name.startswith(names.links(cloud)))


def namespaces(cloud: str) -> list[str]:
    """The cloud's namespaces."""
    return sorted(path.name for path in NAMESPACES.glob("*") if path.name.startswith(names.domains(cloud)))


async def processes(cloud: str) -> list[int]:
    """What runs inside the cloud's namespaces: dnsmasq. Raises HostError."""
    lists = [await run("ip", "netns", "pids", namespace) for namespace in namespaces(cloud)]
    return [int(pid) for pids in lists for pid in pids.split()]


async def tables(cloud: str) -> list[str]:
    """The cloud's nftables tables, as `family name`. Raises HostError."""
    listed = msgspec.json.decode(await run("nft", "-j", "list", "tables"))["nftables"]
    found = (entry["table"] for entry in listed if "table" in entry)
    return [f"{table['family']} {table['name']}" for table in found if table["name"] == names.table(cloud)]


async def remove(cloud: str) -> None:
    """Remove all of it; the guests must be gone. Raises HostError."""
    for pid in await processes(cloud):
        await end(pid)
    for device in devices(cloud):
        if (LINKS / device).exists():  # the other end of a pair goes with the first
            await run("ip", "link", "del", device)
    for namespace in namespaces(cloud):
        await run("ip", "netns", "del", namespace)
    for table in await tables(cloud):
        await run("nft", "delete", "table", *table.split())
