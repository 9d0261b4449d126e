"""The whole cloud in one process, beside the NATS server that it starts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from msgspec import Struct

from events.nats.server import StartFault
from events.nats.wire import Wire
from events.settings import Settings
from gateway import consumers, demo, http
from gateway.clouds import Clouds
from gateway.composition import ground, journals, part_agents, part_gateway, part_handlers
from gateway.composition.directory import Directory
from gateway.composition.hosts import Hosts
from gateway.composition.journals import Servers
from gateway.composition.part_agents import Driver
from gateway.composition.parts import CannotStart, Parts


class Options(Struct, frozen=True, kw_only=True):
    """What `cumulog up` was asked for."""

    host: str = "127.0.0.1"
    port: int = 8774
    driver: Driver = "auto"
    hosts: int = 1  # simulated ones
    nodes: int = 1  # NATS servers; with several, every part is a process of its own
    demo: bool = False
    stop_guests: bool = False


class Up:
    """A running cloud."""

    def __init__(self, directory: Directory, settings: Settings, options: Options) -> None:
        self.directory = directory
        self.settings = settings
        self.options = options
        self.parts = Parts()

    async def run(self, ready: Callable[[str], None]) -> None:
        """Start, say that it is ready, and go on until SIGINT or SIGTERM. Raises CannotStart."""
        await self.parts.run(self.start, ready)

    async def start(self) -> str:
        """The cloud's URL, once its first request would succeed. Raises CannotStart."""
        parts, options, path = self.parts, self.options, self.directory.path
        listening, url = http.listen(parts, options.host, options.port)
        journal = start_journal(parts, self.directory, journals.servers(path, self.settings, 1))
        base = await ground.lay(parts, self.settings, path, path, journal)
        cloud = await part_gateway.assemble(base)
        await part_gateway.mind_others(base, cloud)
        await part_gateway.begin(cloud, self.directory, url)
        await part_handlers.start(base)
        hosts = Hosts(self.directory, self.settings, path)
        await part_agents.start_all(
            parts, base.wire, self.settings, hosts, options.driver, options.hosts, stop_guests=options.stop_guests
        )
        await part_gateway.serve(parts, cloud, listening, path)
        if options.demo:
            await make_demo(self.directory, self.settings, url)
        return url


async def start_journal(parts: Parts, directory: Directory, servers: Servers) -> Wire:
    """A connection to NATS servers of our own, once they have started. Raises CannotStart."""
    parts.later("NATS servers", servers.stop)
    try:
        await servers.start()
    except StartFault as fault:
        raise CannotStart(str(fault)) from fault
    parts.background("consumers", consumers.admit(directory, servers))
    wire = await Wire.connect(servers.urls, servers.cloud, name="cumulog up")
    parts.later("wire", wire.close)
    return wire


async def make_demo(directory: Directory, settings: Settings, url: str) -> None:
    """What a first visit needs, made over HTTP."""
    clouds = Clouds(directory)
    image = demo.guest_image(os.environ)
    if not image.exists():
        print(f"demo: no guest image in {image}; `make guest` builds it", flush=True)
    password = clouds.password("cumulog") or ""
    made = await asyncio.to_thread(demo.make, url, password, directory.path, image)
    clouds.write(
        settings.gateway.public_url or url,
        settings.identity.region,
        {"cumulog": password, "demo": made["password"]},
    )


__all__ = ["CannotStart", "Options", "Up", "make_demo", "start_journal"]
