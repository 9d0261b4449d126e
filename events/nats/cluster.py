"""A cluster of NATS servers on this machine: to try what is otherwise run on several.

    DIR/nats.secret         from which all their credentials are derived
    DIR/n1, DIR/n2, …       one server each, as if it stood alone

Source: NATS documentation, "Configuration", section Clustering; JetStream API, STREAM.INFO, "cluster".
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from random import SystemRandom
from typing import Any

from events.keys import kept
from events.nats.access import Access
from events.nats.server import SECRET, Member, NatsServer, StartFault
from events.nats.wire import ApiError, Credentials, NoAnswer, Wire

PORTS = range(20_000, 32_000)  # below those that Linux gives to outgoing connections (ip_local_port_range)

log = logging.getLogger("cumulog.nats")


class NatsCluster:
    """So many servers, started, watched and stopped together; restarted one by one."""

    def __init__(
        self,
        directory: Path,
        nodes: int,
        *,
        sync: str = "always",
        hosts: Iterable[str] = (),
        consumers: Iterable[str] = (),
    ) -> None:
        self.directory = directory
        self._secret = directory / SECRET
        ports = _free_ports(2 * nodes)
        clients, routes = ports[:nodes], ports[nodes:]
        self.nodes = [
            NatsServer(
                directory / name,
                sync=sync,
                hosts=hosts,
                consumers=consumers,
                port=port,
                secret=self._secret,
                member=Member(name=name, port=route, others=tuple(set(routes) - {route})),
            )
            for name, port, route in zip(names(nodes), clients, routes, strict=True)
        ]

    @property
    def access(self) -> Access:
        """Everybody's credentials."""
        return Access(kept(self._secret))

    @property
    def cloud(self) -> Credentials:
        """Of whoever started it."""
        return self.access.cloud

    @property
    def urls(self) -> list[str]:
        return [url for node in self.nodes for url in node.urls]

    async def start(self) -> None:
        """Return once each of them lets clients in; they agree on a leader some time later. Raises StartFault."""
        self.access  # noqa: B018  # the secret is made once, before all ask for it
        started = await asyncio.gather(*(node.start() for node in self.nodes), return_exceptions=True)
        if fault := next((one for one in started if isinstance(one, BaseException)), None):
            await self.stop()
            raise fault

    def attach(self) -> None:
        """Know the addresses of those that another process runs here. Raises StartFault: there is none."""
        for node in self.nodes:
            try:
                node.attach()
            except StartFault as fault:
                log.info("%s", fault)
        if not self.urls:
            raise StartFault(f"no NATS server runs in {self.directory}")

    async def admit(self, hosts: Iterable[str], consumers: Iterable[str] | None = None) -> None:
        """Let the agents of further hosts in, and these consumers alone."""
        wanted, heard = list(hosts), None if consumers is None else list(consumers)
        for node in self.nodes:
            await node.admit(wanted, heard)

    async def stop(self) -> None:
        """Stop all of them cleanly."""
        await asyncio.gather(*(node.stop() for node in self.nodes))

    async def restart(self, wire: Wire) -> None:
        """One after the other, each when the one before has caught up; `wire` is of the cloud. Raises StartFault."""
        for node in self.nodes:
            await self._until_well(wire)
            await node.restart()
            log.info("%s is restarted", node.directory.name)
        await self._until_well(wire)

    async def _until_well(self, wire: Wire) -> None:
        """Return once every node says that it has caught up, and every stream's leader says so of all."""
        for node in self.nodes:
            await node.well()
        await settled(wire, len(self.nodes))


def names(nodes: int) -> list[str]:
    """The names of so many servers."""
    return [f"n{n}" for n in range(1, nodes + 1)]


def size(directory: Path) -> int:
    """How many servers were ever started in a directory; 0: none, or one that stands alone."""
    return sum(1 for _ in directory.glob("n[0-9]/"))


async def settled(wire: Wire, nodes: int) -> None:
    """Return once every stream has a leader and all its replicas have caught up."""
    while True:
        try:
            if all([await _is_settled(wire, name, nodes) for name in await _streams(wire)]):
                return
        except (NoAnswer, ApiError) as fault:
            log.debug("the cluster does not answer yet: %s", fault)
        await asyncio.sleep(0.1)


async def _streams(wire: Wire) -> list[str]:
    return (await wire.api("STREAM.NAMES")).get("streams") or []


async def _is_settled(wire: Wire, stream: str, nodes: int) -> bool:
    info = await wire.api(f"STREAM.INFO.{stream}")
    cluster: dict[str, Any] = info.get("cluster") or {}
    replicas = cluster.get("replicas") or []
    wanted = min(info["config"]["num_replicas"], nodes) - 1
    if not cluster.get("leader") or len(replicas) < wanted:
        return False
    return all(one.get("current") and not one.get("offline") for one in replicas)


def _free_ports(number: int) -> list[int]:
    """Ports that nobody has this moment, and that no outgoing connection is given before they are used."""
    ports: list[int] = []
    for port in SystemRandom().sample(PORTS, len(PORTS)):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            ports.append(port)
        if len(ports) == number:
            break
    return ports
