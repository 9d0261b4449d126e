"""A network: a segment of layer 2 on which ports are, and the subnets whose addresses they have.

    ACTIVE -> leaving -> DELETED;   leaving -> ACTIVE if it turns out to be in use

It holds its subnets, so that no two overlap and none is added to a network on its way out. Its ports it does not hold:
a port's claim on its MAC address lies in the same journal. Whoever deletes marks first and then looks for claims;
whoever creates claims first and then looks for the mark; one of them sees the other.
Source: Networking API reference, "Networks".
"""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_network
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
from events.refusals import Conflict, Invalid, NotFound

INDEXES = ("project", "name", "open", "due")


class Place(Struct, frozen=True, gc=False):
    """A subnet on a network, from before it exists."""

    subnet: str
    cidr: str
    claim: str
    until: datetime


class Network(Standard, frozen=True, gc=False, kw_only=True):
    admin_state_up: bool = True
    mtu: int = 1450
    shared: bool = False
    external: bool = False
    is_default: bool = False
    port_security_enabled: bool = True
    network_type: str = "vxlan"
    physical_network: str | None = None
    segmentation_id: int | None = None
    availability_zone_hints: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    leaving: str | None = None  # the attempt that is about to delete it
    leaving_until: datetime | None = None

    @property
    def open(self) -> bool | None:
        """True if other projects may see it."""
        return True if self.shared or self.external else None

    @property
    def due(self) -> tuple[int, ...]:
        """The minutes in which something of it may have been left behind."""
        due = {minute(place.until) for place in self.places}
        if self.leaving_until is not None:
            due.add(minute(self.leaving_until))
        return tuple(sorted(due))


class NetworkCreated(Event, frozen=True, gc=False, kw_only=True):
    id: str
    project: str
    claim: str
    name: str = ""
    description: str = ""
    admin_state_up: bool = True
    mtu: int = 1450
    shared: bool = False
    external: bool = False
    is_default: bool = False
    port_security_enabled: bool = True
    network_type: str = "vxlan"
    physical_network: str | None = None
    segmentation_id: int | None = None
    availability_zone_hints: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class NetworkChanged(Event, frozen=True, gc=False, kw_only=True):
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    mtu: int | UnsetType = UNSET
    shared: bool | UnsetType = UNSET
    external: bool | UnsetType = UNSET
    is_default: bool | UnsetType = UNSET
    port_security_enabled: bool | UnsetType = UNSET


class SubnetPlaced(Event, frozen=True, gc=False, kw_only=True):
    subnet: str
    cidr: str
    claim: str
    until: datetime


class SubnetRemoved(Event, frozen=True, gc=False, kw_only=True):
    subnet: str


class NetworkLeaving(Event, frozen=True, gc=False, kw_only=True):
    claim: str
    until: datetime


class NetworkKept(Event, frozen=True, gc=False, kw_only=True):
    pass


class NetworkDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = (
    NetworkCreated
    | NetworkChanged
    | SubnetPlaced
    | SubnetRemoved
    | NetworkLeaving
    | NetworkKept
    | NetworkDeleted
    | TagsSet
    | Swept
)


class CreateNetwork(Command, frozen=True, gc=False, kw_only=True):
    id: str
    project: str
    claim: str
    name: str = ""
    description: str = ""
    admin_state_up: bool = True
    mtu: int = 1450
    shared: bool = False
    external: bool = False
    is_default: bool = False
    port_security_enabled: bool = True
    network_type: str = "vxlan"
    physical_network: str | None = None
    segmentation_id: int | None = None
    availability_zone_hints: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class ChangeNetwork(Command, frozen=True, gc=False, kw_only=True):
    id: str
    expected: int | None = None  # the revision that it must have
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    mtu: int | UnsetType = UNSET
    shared: bool | UnsetType = UNSET
    external: bool | UnsetType = UNSET
    is_default: bool | UnsetType = UNSET
    port_security_enabled: bool | UnsetType = UNSET


class PlaceSubnet(Command, frozen=True, gc=False, kw_only=True):
    subnet: str
    cidr: str
    claim: str
    until: datetime


class RemoveSubnet(Command, frozen=True, gc=False, kw_only=True):
    subnet: str


class UseNetwork(Command, frozen=True, gc=False, kw_only=True):
    """Changes nothing; refused if it is deleted or being deleted. What was claimed before that stands."""


class LeaveNetwork(Command, frozen=True, gc=False, kw_only=True):
    """Mark it: from now on nothing new is put on it."""

    claim: str
    until: datetime
    expected: int | None = None


class KeepNetwork(Command, frozen=True, gc=False, kw_only=True):
    """Take the mark away again."""

    claim: str


class DeleteNetwork(Command, frozen=True, gc=False, kw_only=True):
    claim: str  # the attempt that marked it


Commands = (
    CreateNetwork
    | ChangeNetwork
    | PlaceSubnet
    | RemoveSubnet
    | UseNetwork
    | LeaveNetwork
    | KeepNetwork
    | DeleteNetwork
    | AddTag
    | RemoveTag
    | SetTags
    | Sweep
)


def not_found(id: Any) -> NotFound:
    return NotFound(f"Network {id} could not be found.", kind="NetworkNotFound")


def decide(network: Network | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict, Invalid, Busy."""
    match command:
        case Sweep():
            return list(sweep(network, command))
        case CreateNetwork():
            listen(network, command.claim)
            return [NetworkCreated(**asdict(command))] if network is None or network.deleted else []
    if network is None or network.deleted:
        if isinstance(command, RemoveSubnet):
            return []  # it went with its network
        raise not_found(command.id)
    match command:
        case ChangeNetwork():
            at_revision(network, command.expected)
            values = differences(network, command)
            return [NetworkChanged(**values)] if values else []
        case PlaceSubnet():
            return _place(network, command)
        case RemoveSubnet(subnet=subnet):
            placed = any(place.subnet == subnet for place in network.places)
            return [SubnetRemoved(subnet=subnet)] if placed else []
        case UseNetwork():
            if network.leaving:
                raise Leaving(f"Network {network.id} is being deleted.")
            return []
        case LeaveNetwork():
            at_revision(network, command.expected)
            if network.leaving not in (None, command.claim):
                raise Leaving(f"Network {network.id} is being deleted.")
            return [] if network.leaving else [NetworkLeaving(claim=command.claim, until=command.until)]
        case KeepNetwork(claim=claim):
            return [NetworkKept()] if network.leaving == claim else []
        case DeleteNetwork(claim=claim):
            if network.leaving != claim:
                raise Conflict("The deletion took too long and was given up. Try again.")
            return [NetworkDeleted()]
        case AddTag() | RemoveTag() | SetTags():
            return list(tagging(network, command, "networks"))
    assert_never(command)


def _place(network: Network, command: PlaceSubnet) -> list[Events]:
    if network.leaving:
        raise Leaving(f"Network {network.id} is being deleted.")
    new = ip_network(command.cidr)
    for place in network.places:
        if place.subnet == command.subnet:
            return []
        if _overlap(new, ip_network(place.cidr)):
            raise Invalid(
                f"Invalid input for operation: Requested subnet with cidr: {command.cidr} for network: {network.id} "
                "overlaps with another subnet.",
                kind="InvalidInput",
            )
    return [SubnetPlaced(subnet=command.subnet, cidr=command.cidr, claim=command.claim, until=command.until)]


def _overlap(one: Any, other: Any) -> bool:
    return bool(one.version == other.version and one.overlaps(other))


def evolve(network: Network | None, event: Events, at: datetime) -> Network:
    """The network after `event`."""
    if isinstance(event, NetworkCreated):
        old = network.swept if network else ()
        return Network(**asdict(event), revision=1, created_at=at, updated_at=at, swept=old)
    if isinstance(event, Swept):
        nothing = Network(id=event.id, project="", created_at=at, updated_at=at, deleted=True)
        return swept(network or nothing, event)
    assert network is not None, f"{event!r} before NetworkCreated"
    match event:
        case NetworkChanged() | TagsSet():
            return changed(network, event, at)
        case SubnetPlaced():
            place = Place(event.subnet, event.cidr, event.claim, event.until)
            return replace(network, places=(*network.places, place), revision=network.revision + 1, updated_at=at)
        case SubnetRemoved(subnet=subnet):
            places = tuple(place for place in network.places if place.subnet != subnet)
            return replace(network, places=places, revision=network.revision + 1, updated_at=at)
        case NetworkLeaving(claim=claim, until=until):
            return replace(network, leaving=claim, leaving_until=until)
        case NetworkKept():
            return replace(network, leaving=None, leaving_until=None)
        case NetworkDeleted():
            return replace(network, deleted=True)
    assert_never(event)
