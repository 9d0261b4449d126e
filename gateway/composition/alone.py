"""One part of a cloud as a process of its own, any number of each: gateway, handlers, agent.

Those of one machine share a directory: keys, images, settings. Each has a folder there with its lock, its tables, and
its number as a process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

from msgspec import Struct

from agents.compute.hypervisor import DriverError
from events import process
from events.journal import Unavailable
from events.nats.wire import Wire
from events.refusals import Busy
from events.settings import Settings
from gateway.composition import journals
from gateway.composition.directory import Directory
from gateway.composition.parts import CannotStart, Parts
from gateway.health import Health

DRAIN = 1.0  # seconds in which the clients of a gateway that stops find another one
PAUSE = 1.0  # seconds until a start that failed begins anew
PID = "pid"  # the file in a process's folder

log = logging.getLogger("cumulog")

Role = Literal["gateway", "handlers", "agent"]


class Options(Struct, frozen=True, kw_only=True):
    """What `cumulog gateway`, `handlers` or `agent` was asked for."""

    role: Role
    name: str
    credentials: Path | None = None
    listen: str = "127.0.0.1:8774"  # of a gateway: HOST:PORT, or fd:N
    metrics: str = ""  # HOST:PORT of /metrics and /healthcheck, beside all else
    hosts: tuple[str, ...] = ()  # of agents
    driver: Literal["auto", "libvirt", "simulated"] = "auto"


class Alone:
    """The process."""

    def __init__(self, directory: Directory, settings: Settings, options: Options) -> None:
        self.directory = directory
        self.settings = settings
        self.options = options
        self.parts = Parts()
        self.own = directory.path  # until it has its folder
        self.health = Health()  # of an agent: gateways and handlers have their ground's

    async def run(self, ready: Callable[[str], None]) -> None:
        """Start, tell `ready` what it is, and go on until SIGINT or SIGTERM. Raises CannotStart, DirectoryFault."""
        self.own, lock = self.directory.share(self.options.name)
        who = process.identity(os.getpid())
        assert who is not None, "this very process lives"
        process.remember(self.own / PID, who)
        start: dict[Role, Callable[[], Awaitable[str]]] = {
            "gateway": self._gateway,
            "handlers": self._handlers,
            "agent": self._agent,
        }
        try:
            await self.parts.run(lambda: self._begin(start[self.options.role]), ready)
        finally:
            (self.own / PID).unlink(missing_ok=True)
            lock.release()

    async def _begin(self, start: Callable[[], Awaitable[str]]) -> str:
        """Start, and start over as often as NATS goes away meanwhile."""
        while True:
            try:
                return await start()
            except (Unavailable, Busy, TimeoutError) as fault:
                log.warning("NATS went away at the start, which begins anew: %s", fault)
            await self.parts.stop()
            await asyncio.sleep(PAUSE)

    async def _gateway(self) -> str:
        from gateway import http
        from gateway.composition import ground, part_gateway
        from gateway.fence import Fence

        listening, url = http.listen_on(self.parts, self.options.listen)
        base = await ground.lay(self.parts, self.settings, self.directory.path, self.own, self._connect())
        cloud = await part_gateway.assemble(base)
        cloud.fence = Fence(base.execute, self.settings)
        await part_gateway.begin(cloud, self.directory, url)
        await self._aside(base.health)
        await part_gateway.announce(base, cloud, self.options.name, url)
        await part_gateway.serve(self.parts, cloud, listening, self.directory.path, drain=DRAIN)
        return url

    async def _handlers(self) -> str:
        from gateway.composition import ground, part_handlers

        base = await ground.lay(self.parts, self.settings, self.directory.path, self.own, self._connect())
        await part_handlers.start(base)
        await self._aside(base.health)
        return f"handlers {self.options.name}"

    async def _agent(self) -> str:
        from gateway.composition import part_agents
        from gateway.composition.hosts import Hosts

        await self._aside(self.health)
        hosts = Hosts(self.directory, self.settings, self.own)
        self.parts.later("hosts", hosts.close)
        names = self.options.hosts or (socket.gethostname(),)
        why = "several hosts are asked for" if len(names) > 1 else ""
        if self.options.driver != "simulated":
            why = why or hosts.missing()
            if not why:
                try:
                    wire = await self._connect(names[0])
                    await part_agents.start_real(self.parts, wire, self.settings, hosts, names[0])
                except DriverError as fault:
                    why = str(fault)
                else:
                    return f"agent {names[0]}"
            if self.options.driver == "libvirt":
                raise CannotStart(f"--driver libvirt: {why}")
            print(f"hosts are simulated: {why}", flush=True)
        for name, driver in hosts.simulated(names):
            await part_agents.start(self.parts, await self._connect(name), self.settings, name, driver)
        return f"agent {' '.join(names)}"

    async def _aside(self, health: Health) -> None:
        """Tell Prometheus and whoever looks after processes how this one does."""
        if self.options.metrics:
            from gateway import aside, http

            listening, _ = http.listen(self.parts, *http.address(self.options.metrics))
            await aside.serve(self.parts, health, self.settings.limits, listening)

    async def _connect(self, host: str | None = None) -> Wire:
        """A connection as soon as there is NATS; waiting for it is said."""
        role, file = self.options.role, self.options.credentials
        given = journals.credentials(self.directory, self.settings, role, host, file)
        wire = await journals.reach(self.directory.path, self.settings, given, f"cumulog {self.options.name}")
        self.parts.later("wire", wire.close)
        self.health.checks[f"wire {host}"] = lambda: None if wire.is_connected else "there is no connection to NATS"
        return wire
