"""A port: where a server, a router or a DHCP service is attached to a network, with its MAC address and addresses.

    DOWN <-> BUILD <-> ACTIVE;   each of them -> DELETED

A server's port is told to be ACTIVE once the server has run: projections/network/port.py, `status_of`.
It is made and changed in steps (projections/network/port.py): what it needs is claimed first, under the name of the
attempt, `claim`; with each address stands the attempt that claimed it. Source: Networking API reference, "Ports".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, assert_never

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict, replace

from events.envelope import Command, Event
from events.network.standard import (
    AddTag,
    RemoveTag,
    SetTags,
    Standard,
    Sweep,
    Swept,
    TagsSet,
    at_revision,
    changed,
    differences,
    listen,
    sweep,
    swept,
    tagging,
)
from events.refusals import Busy, NotFound

INDEXES = ("project", "name", "network", "device_id", "host", "groups", "subnets", "ips", "mac")
SHARED = ("project", "network", "host", "device_owner", "security_groups", "profile")

Status = Literal["DOWN", "BUILD", "ACTIVE", "ERROR"]


class Address(Struct, frozen=True, gc=False):
    """A fixed address of a port."""

    subnet: str
    ip: str
    claim: str  # the attempt that claimed it


class Pair(Struct, frozen=True, gc=False):
    """A further address, or a block of them, that may send from the port."""

    ip: str
    mac: str


class DhcpOption(Struct, frozen=True, gc=False):
    name: str
    value: str
    version: int = 4


class Port(Standard, frozen=True, gc=False, kw_only=True):
    network: str
    mac: str
    mac_claim: str  # the attempt that claimed it; empty: it follows from an address of the port
    addresses: tuple[Address, ...] = ()
    ip_allocation: str = "immediate"
    admin_state_up: bool = True
    status: Status = "DOWN"
    device_id: str = ""
    device_owner: str = ""
    host: str = ""
    vnic_type: str = "normal"
    profile: dict[str, Any] = {}
    security_groups: tuple[str, ...] = ()
    port_security_enabled: bool = True
    pairs: tuple[Pair, ...] = ()
    dhcp_options: tuple[DhcpOption, ...] = ()

    @property
    def groups(self) -> tuple[str, ...]:
        return self.security_groups

    @property
    def subnets(self) -> tuple[str, ...]:
        """Each of its subnets once."""
        return tuple(dict.fromkeys(address.subnet for address in self.addresses))

    @property
    def ips(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(address.ip for address in self.addresses))


class PortCreated(Event, frozen=True, gc=False, kw_only=True):
    id: str
    project: str
    claim: str
    network: str
    mac: str
    name: str = ""
    description: str = ""
    addresses: tuple[Address, ...] = ()
    ip_allocation: str = "immediate"
    admin_state_up: bool = True
    device_id: str = ""
    device_owner: str = ""
    host: str = ""
    vnic_type: str = "normal"
    profile: dict[str, Any] = {}
    security_groups: tuple[str, ...] = ()
    port_security_enabled: bool = True
    pairs: tuple[Pair, ...] = ()
    dhcp_options: tuple[DhcpOption, ...] = ()
    tags: tuple[str, ...] = ()
    mac_made: bool = False  # it follows from the first IPv4 address, and nobody claimed it


class PortChanged(Event, frozen=True, gc=False, kw_only=True):
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    mac: str | UnsetType = UNSET
    mac_claim: str | UnsetType = UNSET
    addresses: tuple[Address, ...] | UnsetType = UNSET
    ip_allocation: str | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    device_id: str | UnsetType = UNSET
    device_owner: str | UnsetType = UNSET
    host: str | UnsetType = UNSET
    vnic_type: str | UnsetType = UNSET
    profile: dict[str, Any] | UnsetType = UNSET
    security_groups: tuple[str, ...] | UnsetType = UNSET
    port_security_enabled: bool | UnsetType = UNSET
    pairs: tuple[Pair, ...] | UnsetType = UNSET
    dhcp_options: tuple[DhcpOption, ...] | UnsetType = UNSET


class PortReported(Event, frozen=True, gc=False, kw_only=True):
    status: Status


class PortDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = PortCreated | PortChanged | PortReported | PortDeleted | TagsSet | Swept


class CreatePort(Command, frozen=True, gc=False, kw_only=True):
    id: str
    project: str
    claim: str
    network: str
    mac: str
    name: str = ""
    description: str = ""
    addresses: tuple[Address, ...] = ()
    ip_allocation: str = "immediate"
    admin_state_up: bool = True
    device_id: str = ""
    device_owner: str = ""
    host: str = ""
    vnic_type: str = "normal"
    profile: dict[str, Any] = {}
    security_groups: tuple[str, ...] = ()
    port_security_enabled: bool = True
    pairs: tuple[Pair, ...] = ()
    dhcp_options: tuple[DhcpOption, ...] = ()
    tags: tuple[str, ...] = ()
    mac_made: bool = False


class ChangePort(Command, frozen=True, gc=False, kw_only=True):
    """Change attributes; of addresses and MAC address only with what `claim` has claimed."""

    id: str
    claim: str = ""
    seen: int | None = None  # the revision that the new addresses were worked out from
    expected: int | None = None  # the revision that the caller asks for
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    mac: str | UnsetType = UNSET
    mac_claim: str | UnsetType = UNSET
    addresses: tuple[Address, ...] | UnsetType = UNSET
    ip_allocation: str | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    device_id: str | UnsetType = UNSET
    device_owner: str | UnsetType = UNSET
    host: str | UnsetType = UNSET
    vnic_type: str | UnsetType = UNSET
    profile: dict[str, Any] | UnsetType = UNSET
    security_groups: tuple[str, ...] | UnsetType = UNSET
    port_security_enabled: bool | UnsetType = UNSET
    pairs: tuple[Pair, ...] | UnsetType = UNSET
    dhcp_options: tuple[DhcpOption, ...] | UnsetType = UNSET


class DropSubnet(Command, frozen=True, gc=False, kw_only=True):
    """Take away its addresses of a subnet that is being deleted."""

    subnet: str


class DropGroup(Command, frozen=True, gc=False, kw_only=True):
    """Take it out of a security group that has been deleted."""

    group: str


class ReportPort(Command, frozen=True, gc=False, kw_only=True):
    """What its host sees of it; a word from another host is late."""

    host: str
    status: Status


class DeletePort(Command, frozen=True, gc=False, kw_only=True):
    expected: int | None = None


Commands = (
    CreatePort | ChangePort | DropSubnet | DropGroup | ReportPort | DeletePort | AddTag | RemoveTag | SetTags | Sweep
)


class ChangedMeanwhile(Busy):
    """It is not any more what the command was worked out from: to be worked out anew."""


def not_found(id: Any) -> NotFound:
    return NotFound(f"Port {id} could not be found.", kind="PortNotFound")


def decide(port: Port | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, PreconditionFailed, Busy."""
    match command:
        case Sweep():
            return list(sweep(port, command))
        case CreatePort():
            listen(port, command.claim)
            if port is None or not port.network:  # a tombstone of an attempt that was given up has none
                return [PortCreated(**asdict(command))]
            if port.deleted:  # an attempt that is late does not bring back what somebody has deleted
                raise not_found(port.id)
            if port.claim != command.claim:  # another attempt was faster: this one's claims are to be given back
                raise ChangedMeanwhile("The port has been made meanwhile.")
            return []
    if port is None or port.deleted:
        raise not_found(command.id)
    match command:
        case ChangePort():
            return _change(port, command)
        case DropSubnet(subnet=subnet):
            rest = tuple(address for address in port.addresses if address.subnet != subnet)
            return [PortChanged(addresses=rest)] if rest != port.addresses else []
        case DropGroup(group=group):
            groups = tuple(one for one in port.security_groups if one != group)
            return [PortChanged(security_groups=groups)] if groups != port.security_groups else []
        case ReportPort(host=host, status=status):
            return [PortReported(status=status)] if port.host == host and port.status != status else []
        case DeletePort(expected=expected):
            at_revision(port, expected)
            return [PortDeleted()]
        case AddTag() | RemoveTag() | SetTags():
            return list(tagging(port, command, "ports"))
    assert_never(command)


def _change(port: Port, command: ChangePort) -> list[Events]:
    at_revision(port, command.expected)
    if command.claim:
        listen(port, command.claim)
    if command.seen is not None and command.seen != port.revision:
        raise ChangedMeanwhile("The port is changing too fast.")
    values = differences(port, command)
    values.pop("claim", None)
    return [PortChanged(**values)] if values else []


def evolve(port: Port | None, event: Events, at: datetime) -> Port:
    """The port after `event`."""
    if isinstance(event, PortCreated):
        old, values = port.swept if port else (), asdict(event)
        claim = "" if values.pop("mac_made") else event.claim
        return Port(**values, mac_claim=claim, revision=1, created_at=at, updated_at=at, swept=old)
    if isinstance(event, Swept):
        nothing = Port(
            id=event.id, project="", network="", mac="", mac_claim="", created_at=at, updated_at=at, deleted=True
        )
        return swept(port or nothing, event)
    assert port is not None, f"{event!r} before PortCreated"
    match event:
        case PortChanged() | TagsSet():
            after = changed(port, event, at)
            moved = isinstance(event, PortChanged) and event.host is not UNSET
            return replace(after, status="DOWN") if moved else after
        case PortReported(status=status):
            return replace(port, status=status, revision=port.revision + 1, updated_at=at)
        case PortDeleted():
            return replace(port, deleted=True)
    assert_never(event)
