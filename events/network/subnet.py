"""A subnet: a block of addresses on a network, and what hosts on it are told by DHCP.

    ACTIVE -> leaving -> DELETED;   leaving -> ACTIVE if addresses of it turn out to be in use

Which addresses are in use is told by the claims on them (events/network/address.py), not here: see network.py for how
marking and claiming exclude each other. Source: Networking API reference, "Subnets".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, assert_never

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict, replace

from events.envelope import Command, Event
from events.network.standard import (
    AddTag,
    Leaving,
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
    minute,
    sweep,
    swept,
    tagging,
)
from events.refusals import Conflict, NotFound

INDEXES = ("project", "network", "name", "due")


class Pool(Struct, frozen=True, gc=False):
    """Addresses that are given out, the first and the last of them included."""

    start: str
    end: str


class HostRoute(Struct, frozen=True, gc=False):
    destination: str
    nexthop: str


class Subnet(Standard, frozen=True, gc=False, kw_only=True):
    network: str
    cidr: str
    ip_version: int
    gateway_ip: str | None = None
    pools: tuple[Pool, ...] = ()
    enable_dhcp: bool = True
    ipv6_ra_mode: str | None = None
    ipv6_address_mode: str | None = None
    dns_nameservers: tuple[str, ...] = ()
    host_routes: tuple[HostRoute, ...] = ()
    service_types: tuple[str, ...] = ()
    leaving: str | None = None
    leaving_until: datetime | None = None

    @property
    def automatic(self) -> bool:
        """True if hosts make their addresses of their MAC addresses."""
        return self.ipv6_address_mode in ("slaac", "dhcpv6-stateless")

    @property
    def due(self) -> int | None:
        return None if self.leaving_until is None else minute(self.leaving_until)


class SubnetCreated(Event, frozen=True, gc=False, kw_only=True):
    id: str
    project: str
    claim: str
    network: str
    cidr: str
    ip_version: int
    name: str = ""
    description: str = ""
    gateway_ip: str | None = None
    pools: tuple[Pool, ...] = ()
    enable_dhcp: bool = True
    ipv6_ra_mode: str | None = None
    ipv6_address_mode: str | None = None
    dns_nameservers: tuple[str, ...] = ()
    host_routes: tuple[HostRoute, ...] = ()
    service_types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class SubnetChanged(Event, frozen=True, gc=False, kw_only=True):
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    gateway_ip: str | UnsetType | None = UNSET
    pools: tuple[Pool, ...] | UnsetType = UNSET
    enable_dhcp: bool | UnsetType = UNSET
    dns_nameservers: tuple[str, ...] | UnsetType = UNSET
    host_routes: tuple[HostRoute, ...] | UnsetType = UNSET
    service_types: tuple[str, ...] | UnsetType = UNSET


class SubnetLeaving(Event, frozen=True, gc=False, kw_only=True):
    claim: str
    until: datetime


class SubnetKept(Event, frozen=True, gc=False, kw_only=True):
    pass


class SubnetDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = SubnetCreated | SubnetChanged | SubnetLeaving | SubnetKept | SubnetDeleted | TagsSet | Swept


class CreateSubnet(Command, frozen=True, gc=False, kw_only=True):
    id: str
    project: str
    claim: str
    network: str
    cidr: str
    ip_version: int
    name: str = ""
    description: str = ""
    gateway_ip: str | None = None
    pools: tuple[Pool, ...] = ()
    enable_dhcp: bool = True
    ipv6_ra_mode: str | None = None
    ipv6_address_mode: str | None = None
    dns_nameservers: tuple[str, ...] = ()
    host_routes: tuple[HostRoute, ...] = ()
    service_types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class ChangeSubnet(Command, frozen=True, gc=False, kw_only=True):
    id: str
    expected: int | None = None  # the revision that it must have
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    gateway_ip: str | UnsetType | None = UNSET
    pools: tuple[Pool, ...] | UnsetType = UNSET
    enable_dhcp: bool | UnsetType = UNSET
    dns_nameservers: tuple[str, ...] | UnsetType = UNSET
    host_routes: tuple[HostRoute, ...] | UnsetType = UNSET
    service_types: tuple[str, ...] | UnsetType = UNSET


class UseSubnet(Command, frozen=True, gc=False, kw_only=True):
    """Changes nothing; refused if it is deleted or being deleted. What was claimed before that stands."""


class LeaveSubnet(Command, frozen=True, gc=False, kw_only=True):
    """Mark it: from now on no address of it is given out."""

    claim: str
    until: datetime
    expected: int | None = None


class KeepSubnet(Command, frozen=True, gc=False, kw_only=True):
    claim: str


class DeleteSubnet(Command, frozen=True, gc=False, kw_only=True):
    claim: str  # the attempt that marked it


Commands = (
    CreateSubnet
    | ChangeSubnet
    | UseSubnet
    | LeaveSubnet
    | KeepSubnet
    | DeleteSubnet
    | AddTag
    | RemoveTag
    | SetTags
    | Sweep
)


def not_found(id: Any) -> NotFound:
    return NotFound(f"Subnet {id} could not be found.", kind="SubnetNotFound")


def decide(subnet: Subnet | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict, Busy."""
    match command:
        case Sweep():
            return list(sweep(subnet, command))
        case CreateSubnet():
            listen(subnet, command.claim)
            return [SubnetCreated(**asdict(command))] if subnet is None or subnet.deleted else []
    if subnet is None or subnet.deleted:
        raise not_found(command.id)
    match command:
        case ChangeSubnet():
            at_revision(subnet, command.expected)
            values = differences(subnet, command)
            return [SubnetChanged(**values)] if values else []
        case UseSubnet():
            if subnet.leaving:
                raise Leaving(f"Subnet {subnet.id} is being deleted.")
            return []
        case LeaveSubnet():
            at_revision(subnet, command.expected)
            if subnet.leaving not in (None, command.claim):
                raise Leaving(f"Subnet {subnet.id} is being deleted.")
            return [] if subnet.leaving else [SubnetLeaving(claim=command.claim, until=command.until)]
        case KeepSubnet(claim=claim):
            return [SubnetKept()] if subnet.leaving == claim else []
        case DeleteSubnet(claim=claim):
            if subnet.leaving != claim:
                raise Conflict("The deletion took too long and was given up. Try again.")
            return [SubnetDeleted()]
        case AddTag() | RemoveTag() | SetTags():
            return list(tagging(subnet, command, "subnets"))
    assert_never(command)


def evolve(subnet: Subnet | None, event: Events, at: datetime) -> Subnet:
    """The subnet after `event`."""
    if isinstance(event, SubnetCreated):
        old = subnet.swept if subnet else ()
        values = {name: getattr(event, name) for name in event.__struct_fields__}
        return Subnet(**values, created_at=at, updated_at=at, swept=old)
    if isinstance(event, Swept):
        nothing = Subnet(
            id=event.id, project="", network="", cidr="", ip_version=4, created_at=at, updated_at=at, deleted=True
        )
        return swept(subnet or nothing, event)
    assert subnet is not None, f"{event!r} before SubnetCreated"
    match event:
        case SubnetChanged() | TagsSet():
            return changed(subnet, event, at)
        case SubnetLeaving(claim=claim, until=until):
            return replace(subnet, leaving=claim, leaving_until=until)
        case SubnetKept():
            return replace(subnet, leaving=None, leaving_until=None)
        case SubnetDeleted():
            return replace(subnet, deleted=True)
    assert_never(event)
