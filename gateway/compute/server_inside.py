"""What a server is made of, for a client: addresses, interfaces, security groups, volumes, consoles.

Source: Compute API reference, "Servers IPs", "Port interfaces", "Servers with volume attachments", "Server consoles".
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Struct, UnsetType

from events.refusals import Conflict, Invalid, NotFound, NotImplementedHere
from gateway.compute import networks, server_views
from gateway.compute.server import find, find_unlocked
from gateway.microversions import since
from gateway.serving import Call


class PlainAddress(Struct):
    version: int
    addr: str


class AddressesAnswer(Struct):
    addresses: dict[str, list[PlainAddress]]


def _plain(found: list[server_views.AddressView]) -> list[PlainAddress]:
    return [PlainAddress(one.version, one.addr) for one in found]


async def ips(call: Call) -> AddressesAnswer:
    """A server's addresses by network."""
    found = server_views.addresses(networks.ports_of(call.fold, find(call).state))
    return AddressesAnswer({name: _plain(some) for name, some in found.items()})


async def ips_of(call: Call) -> dict[str, list[PlainAddress]]:
    """A server's addresses on one network. Raises NotFound."""
    name = call.path["network"]
    found = server_views.addresses(networks.ports_of(call.fold, find(call).state))
    if name not in found:
        raise NotFound("Instance is not a member of specified network")
    return {name: _plain(found[name])}


class FixedIp(Struct):
    subnet_id: str
    ip_address: str


class InterfaceView(Struct, kw_only=True):
    net_id: str
    port_id: str
    mac_addr: str
    port_state: str
    fixed_ips: list[FixedIp]
    tag: Annotated[str | UnsetType | None, since(2, 70)] = UNSET


class InterfaceList(Struct):
    interfaceAttachments: list[InterfaceView]


class InterfaceAnswer(Struct):
    interfaceAttachment: InterfaceView


def _interface(port: networks.PortFacts) -> InterfaceView:
    return InterfaceView(
        net_id=port.network,
        port_id=port.id,
        mac_addr=port.mac,
        port_state=port.status,
        fixed_ips=[FixedIp(subnet, ip) for subnet, ip in port.fixed_ips],
        tag=None,
    )


async def interfaces(call: Call) -> InterfaceList:
    return InterfaceList([_interface(port) for port in networks.ports_of(call.fold, find(call).state)])


async def interface(call: Call) -> InterfaceAnswer:
    """One interface. Raises NotFound."""
    wanted = call.path["port"]
    for port in networks.ports_of(call.fold, find(call).state):
        if port.id == wanted:
            return InterfaceAnswer(_interface(port))
    raise NotFound(f"Instance {call.path['id']} does not have a port with id {wanted[:255]}")


async def attach_interface(call: Call, body: dict[str, Any]) -> None:
    """Raises NotImplementedHere: interfaces are those the server was made with."""
    _refuse_building(call, "attach_interface")
    raise NotImplementedHere("This cloud cannot attach interfaces to a server yet.")


async def detach_interface(call: Call) -> None:
    _refuse_building(call, "detach_interface")
    raise NotImplementedHere("This cloud cannot detach interfaces from a server yet.")


def _refuse_building(call: Call, action: str) -> None:
    server = find_unlocked(call).state
    if server.status == "BUILD":
        raise Conflict(f"Cannot '{action}' instance {server.id} while it is in vm_state building")


class GroupView(Struct):
    id: str
    name: str
    description: str
    rules: list[Any]
    tenant_id: str


class GroupList(Struct):
    security_groups: list[GroupView]


async def security_groups(call: Call) -> GroupList:
    """The security groups of a server's ports. Their rules are the network service's to tell."""
    found = networks.ports_of(call.fold, find(call).state)
    every = [networks.group(call.fold, id) for id in dict(one for port in found for one in port.groups)]
    return GroupList([GroupView(one.id, one.name, one.description, [], one.project) for one in every if one])


class VolumeList(Struct):
    volumeAttachments: list[Any]


async def volumes(call: Call) -> VolumeList:
    find(call)
    return VolumeList([])


async def volume(call: Call) -> None:
    find(call)
    raise NotFound(f"Volume attachment {call.path['volume'][:255]} could not be found.")


async def attach_volume(call: Call, body: dict[str, Any]) -> None:
    _refuse_building(call, "attach_volume")
    raise NotImplementedHere("This cloud has no volumes.")


class Password(Struct):
    password: str


async def password(call: Call) -> Password:
    """What a guest has left here; guests have no way to."""
    find(call)
    return Password("")


async def clear_password(call: Call) -> None:
    find(call)


class Topology(Struct):
    nodes: list[Any]
    pagesize_kb: int | None


async def topology(call: Call) -> Topology:
    find(call)
    return Topology([], None)


class MigrationList(Struct):
    migrations: list[Any]


async def migrations(call: Call) -> MigrationList:
    find(call)
    return MigrationList([])


async def diagnostics(call: Call) -> None:
    """Raises Conflict before the server has a host, NotImplementedHere after."""
    server = find(call).state
    if server.host is None:
        raise Conflict(f"Instance {server.id} is not ready")
    raise NotImplementedHere("The requested functionality is not supported.")


class WantedConsole(Struct, forbid_unknown_fields=True):
    protocol: Literal["vnc", "spice", "serial", "mks"]
    type: Literal["novnc", "xvpvnc", "spice-html5", "spice-direct", "serial", "webmks"]


class ConsoleBody(Struct, forbid_unknown_fields=True):
    remote_console: WantedConsole


async def console(call: Call, body: ConsoleBody) -> None:
    """Graphical consoles there are none. Raises Conflict, Invalid."""
    server = find(call).state
    if server.host is None:
        raise Conflict(f"Instance {server.id} is not ready")
    raise Invalid(f"Unavailable console type {body.remote_console.type}.")
