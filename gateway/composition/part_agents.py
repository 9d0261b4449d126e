"""Agents as parts of a process: of this machine by libvirt, or of simulated hosts."""

from __future__ import annotations

import socket
from typing import Literal

import msgspec

from agents.compute.hypervisor import DriverError, Hypervisor
from agents.link import WireLink
from agents.runner import Agent
from events.compute.guest import ImageAsked, ImageSource, MetadataAsked
from events.compute.metadata import Metadata
from events.nats.wire import Wire
from events.settings import Settings
from gateway.composition.hosts import Hosts
from gateway.composition.parts import CannotStart, Parts

PATIENCE = 60.0  # seconds in which a report is repeated before the agent tells its log that nobody hears it

Driver = Literal["auto", "libvirt", "simulated"]


async def start_all(
    parts: Parts, wire: Wire, settings: Settings, hosts: Hosts, driver: Driver, number: int, *, stop_guests: bool
) -> None:
    """The agents of a cloud in one process: this machine's, or so many simulated ones. Raises CannotStart."""
    parts.later("hosts", hosts.close)
    why = hosts.missing() if driver != "simulated" else ""
    if driver != "simulated" and not why:
        try:
            await start_real(parts, wire, settings, hosts, socket.gethostname())
        except DriverError as fault:
            why = str(fault)
        else:
            if stop_guests:
                parts.later("guests", hosts.stop_guests)
            return
    if driver == "libvirt":
        raise CannotStart(f"--driver libvirt: {why}")
    if why:
        print(f"hosts are simulated: {why}", flush=True)
    for name, simulated in hosts.simulated(host_names(number)):
        await start(parts, wire, settings, name, simulated)


def host_names(number: int) -> list[str]:
    """What so many simulated hosts are called."""
    return [f"host-{n}" for n in range(1, number + 1)]


async def start_real(parts: Parts, wire: Wire, settings: Settings, hosts: Hosts, name: str) -> None:
    """The agent of this machine, under a name. Raises DriverError."""
    driver = hosts.real(
        lambda server: ask_metadata(wire, name, server),
        lambda image: ask_image(wire, name, image),
    )
    await start(parts, wire, settings, name, driver)


async def start(parts: Parts, wire: Wire, settings: Settings, name: str, driver: Hypervisor) -> None:
    """One host's agent. Raises DriverError."""
    agent = Agent(WireLink(wire, name, PATIENCE), driver, host=name, heartbeat=settings.compute.heartbeat)
    await agent.start()
    parts.later(f"agent of {name}", agent.stop)


async def ask_metadata(wire: Wire, host: str, server: str) -> Metadata | None:
    """What a guest may know of itself, as the host's agent asks for it."""
    asked = msgspec.json.encode(MetadataAsked(server=server))
    answer = await WireLink(wire, host).report(asked)
    return msgspec.json.decode(answer, type=Metadata) if answer else None


async def ask_image(wire: Wire, host: str, image: str) -> ImageSource | None:
    """Where the host's agent finds the bytes of an image; None if it is none of the host's. Raises Unavailable."""
    answer = await WireLink(wire, host).report(msgspec.json.encode(ImageAsked(image=image)))
    return msgspec.json.decode(answer, type=ImageSource) if answer else None
