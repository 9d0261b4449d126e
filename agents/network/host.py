"""The networks of a host: for each that has a port here a bridge, DHCP, the metadata service, and the packet filter.

    no port here -> plugged in -> no port here: nothing of the network is left

What is plugged in lies under /run beside the kernel's devices; an agent that comes back finds both.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from agents import names
from agents.commands import HostError
from agents.network import dhcp, filter, links, ports
from agents.network.metadata import AskMetadata
from agents.network.metadata_server import MetadataServer
from agents.network.ports import Network, Port
from events.compute.guest import Interface

ROUND = 5.0  # s, between looks whether DHCP still runs

log = logging.getLogger(__name__)


class NetworkSettings(Struct, frozen=True, kw_only=True):
    """Where a host's networks are kept."""

    cloud: str  # 8 hexadecimal digits
    run: Path = names.RUN  # must be forgotten when the host restarts, and be readable by dnsmasq's user


class LinuxNetwork:
    """Bridges, namespaces, dnsmasq and nftables. Every call may be repeated; it raises HostError."""

    def __init__(self, settings: NetworkSettings, metadata: AskMetadata) -> None:
        self._cloud = settings.cloud
        self._folder = settings.run / settings.cloud / "networks"
        self._ask = metadata
        self._networks: dict[str, Network] = {}
        self._servers: dict[str, MetadataServer] = {}
        self._ruleset = ""
        self._lock = asyncio.Lock()
        self._keeper: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Take up again what is plugged in."""
        async with self._lock:
            self._folder.mkdir(parents=True, exist_ok=True)  # also says that the cloud is here
            for folder in (self._folder, *self._folder.parents[:2]):
                folder.chmod(0o755)
            self._networks = ports.load(self._folder)
            for id in list(self._networks):
                await self._ensure(id)
            await self._filter()
        self._keeper = asyncio.create_task(self._keep_dhcp(), name="dhcp")

    async def close(self) -> None:
        """Answer no more; devices and DHCP stay as they are."""
        if self._keeper:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        async with self._lock:
            for server in self._servers.values():
                await server.close()
            self._servers.clear()

    def network(self, id: str) -> Network | None:
        """A network with a port here."""
        return self._networks.get(id)

    def ports_of(self, server: str) -> list[Port]:
        """What `server` has plugged in."""
        everything = (port for network in self._networks.values() for port in network.ports.values())
        return [port for port in everything if port.server == server]

    async def plug(self, server: str, hostname: str, interfaces: Sequence[Interface]) -> None:
        """Have everything ready for exactly these interfaces of `server`."""
        async with self._lock:
            wanted = {interface.port: interface for interface in interfaces}
            touched = self._take_out(lambda id, port: port.server == server and id not in wanted)
            for interface in interfaces:
                network = self._networks.get(interface.network, Network(interface.network, {}))
                port = Port(server, hostname, interface)
                if network.ports.get(interface.port) != port:
                    self._networks[network.id] = replace(network, ports=network.ports | {interface.port: port})
                touched.add(interface.network)
            await self._settle(touched)

    async def unplug(self, server: str) -> None:
        """Remove all that was plugged in for `server`."""
        async with self._lock:
            await self._settle(self._take_out(lambda _, port: port.server == server))

    async def keep(self, servers: set[str]) -> None:
        """Remove what was plugged in for others than `servers`."""
        async with self._lock:
            await self._settle(self._take_out(lambda _, port: port.server not in servers))

    def _take_out(self, gone: Callable[[str, Port], bool]) -> set[str]:
        """Forget ports; the networks they were in."""
        touched = set()
        for network in list(self._networks.values()):
            left = {id: port for id, port in network.ports.items() if not gone(id, port)}
            if len(left) < len(network.ports):
                self._networks[network.id] = replace(network, ports=left)
                touched.add(network.id)
        return touched

    async def _settle(self, touched: set[str]) -> None:
        for id in sorted(touched):
            if self._networks[id].ports:
                await self._ensure(id)
        await self._filter()
        for id in [id for id, network in self._networks.items() if not network.ports]:
            await self._remove(id)

    async def _ensure(self, id: str) -> None:
        network = self._networks[id]
        folder, namespace = self._folder / id, names.namespace(self._cloud, id)
        ports.save(self._folder, network)  # first: what is known can be removed
        await links.ensure(self._cloud, network)
        await links.join(self._cloud, network)
        await dhcp.ensure(folder, namespace, network)
        if id not in self._servers:
            server = MetadataServer(id, self, self._ask)
            await server.open(namespace)
            self._servers[id] = server

    async def _remove(self, id: str) -> None:
        if server := self._servers.pop(id, None):
            await server.close()
        await dhcp.stop(self._folder / id)
        await links.remove(self._cloud, id)
        await asyncio.to_thread(shutil.rmtree, self._folder / id, ignore_errors=True)
        del self._networks[id]

    async def _filter(self) -> None:
        wanted = filter.ruleset(self._cloud, [network for network in self._networks.values() if network.ports])
        if wanted != self._ruleset:
            await filter.apply(wanted)
            self._ruleset = wanted

    async def _keep_dhcp(self) -> None:
        """Start a dnsmasq again that somebody ended."""
        while True:
            await asyncio.sleep(ROUND)
            async with self._lock:
                for id, network in self._networks.items():
                    if not dhcp.serves(self._folder / id, network):
                        try:
                            await self._ensure(id)
                        except HostError as error:
                            log.warning("DHCP of network %s: %s", id, error)
