"""A host: where servers run. Its room is a resource of its own (host_room).

    JOINED -> UP <-> DOWN;   ENABLED <-> DISABLED by an admin;   each of them -> deleted

Source: Compute API reference, "Hypervisors (os-hypervisors)" and "Compute services (os-services)".
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from msgspec import Struct
from msgspec.structs import asdict, replace

from events.envelope import Command, Event, State
from events.refusals import NotFound

INDEXES = ("zone",)


class Capacity(Struct, frozen=True, gc=False, kw_only=True):
    """What a host has, as its agent found it."""

    vcpus: int
    ram: int  # MiB
    disk: int  # GiB
    hypervisor_type: str = "QEMU"
    hypervisor_version: int = 0
    hypervisor_hostname: str = ""
    cpu_info: str = ""


class Host(State, frozen=True, gc=False, kw_only=True):
    id: str  # its name
    zone: str
    capacity: Capacity
    up: bool = True
    disabled: bool = False
    disabled_reason: str | None = None
    forced_down: bool = False

    @property
    def owner(self) -> str | None:
        return None

    @property
    def alive(self) -> bool:
        return self.up and not self.forced_down


class HostJoined(Event, frozen=True, gc=False, kw_only=True):
    id: str
    zone: str
    capacity: Capacity


class HostCapacityChanged(Event, frozen=True, gc=False, kw_only=True):
    capacity: Capacity


class HostWentDown(Event, frozen=True, gc=False, kw_only=True):
    pass


class HostCameUp(Event, frozen=True, gc=False, kw_only=True):
    pass


class HostDisabled(Event, frozen=True, gc=False, kw_only=True):
    reason: str | None = None


class HostEnabled(Event, frozen=True, gc=False, kw_only=True):
    pass


class HostForcedDown(Event, frozen=True, gc=False, kw_only=True):
    forced: bool


class HostDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = (
    HostJoined
    | HostCapacityChanged
    | HostWentDown
    | HostCameUp
    | HostDisabled
    | HostEnabled
    | HostForcedDown
    | HostDeleted
)


class JoinHost(Command, frozen=True, gc=False, kw_only=True):
    """Its agent started, or says again what the host has."""

    zone: str
    capacity: Capacity


class MissHost(Command, frozen=True, gc=False, kw_only=True):
    """Its agent has been silent for too long."""


class DisableHost(Command, frozen=True, gc=False, kw_only=True):
    reason: str | None = None


class EnableHost(Command, frozen=True, gc=False, kw_only=True):
    pass


class ForceHostDown(Command, frozen=True, gc=False, kw_only=True):
    forced: bool


class DeleteHost(Command, frozen=True, gc=False, kw_only=True):
    pass


Commands = JoinHost | MissHost | DisableHost | EnableHost | ForceHostDown | DeleteHost


def decide(host: Host | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound."""
    if isinstance(command, JoinHost):
        if host is None or host.deleted:
            return [HostJoined(id=command.id, zone=command.zone, capacity=command.capacity)]
        events: list[Events] = [] if host.up else [HostCameUp()]
        if host.capacity != command.capacity:
            events.append(HostCapacityChanged(capacity=command.capacity))
        return events
    if host is None or host.deleted:
        raise NotFound(f"Compute host {command.id} could not be found.")
    match command:
        case MissHost():
            return [HostWentDown()] if host.up else []
        case DisableHost(reason=reason):
            return [] if host.disabled and host.disabled_reason == reason else [HostDisabled(reason=reason)]
        case EnableHost():
            return [HostEnabled()] if host.disabled else []
        case ForceHostDown(forced=forced):
            return [] if host.forced_down == forced else [HostForcedDown(forced=forced)]
        case DeleteHost():
            return [HostDeleted()]
    assert_never(command)


def evolve(host: Host | None, event: Events, at: datetime) -> Host:
    """The host after `event`."""
    if isinstance(event, HostJoined):
        return Host(**asdict(event))
    assert host is not None, f"{event!r} before HostJoined"
    match event:
        case HostCapacityChanged(capacity=capacity):
            return replace(host, capacity=capacity)
        case HostWentDown():
            return replace(host, up=False)
        case HostCameUp():
            return replace(host, up=True)
        case HostDisabled(reason=reason):
            return replace(host, disabled=True, disabled_reason=reason)
        case HostEnabled():
            return replace(host, disabled=False, disabled_reason=None)
        case HostForcedDown(forced=forced):
            return replace(host, forced_down=forced)
        case HostDeleted():
            return replace(host, deleted=True)
    assert_never(event)
