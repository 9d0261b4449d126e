"""The order for a server: the guest that its host is to hold."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from events import tracing
from events.compute import server as servers
from events.compute.guest import Address, Guest, Interface, Rule
from events.compute.server import Server
from events.fold import Change, Fold
from events.network import network as networks
from events.network import port as ports
from events.network import security_group as groups
from events.network import subnet as subnets
from events.network.port import Port
from events.network.subnet import Subnet
from events.subjects import prefix_of, split
from handlers.orders import Order

KIND = "server"
PURGES = False  # a host reports that a guest is gone, and then its order is taken away
PAUSE = 0.0  # seconds: a server's order is put at once
SERVER, PORT, GROUP, SUBNET = (prefix_of(module.__name__) for module in (servers, ports, groups, subnets))


def touched(fold: Fold, change: Change) -> Iterable[str]:
    """The servers that a change of themselves, their ports, their groups' rules or their subnets is about."""
    prefix, key = split(change.subject)
    if prefix == SERVER:
        return (key,)
    if prefix == PORT:
        both = (one.state for one in (change.before, change.after) if one is not None)
        return dict.fromkeys(port.device_id for port in both if port.host)
    if prefix == GROUP and change.before is not None and change.before.state.rules != change.after.state.rules:
        return _of_ports(fold, "groups", key)
    if prefix == SUBNET and change.before is not None:
        return _of_ports(fold, "subnets", key)
    return ()


def _of_ports(fold: Fold, index: str, value: str) -> Iterable[str]:
    return dict.fromkeys(port.device_id for port in fold.by(ports, index, value) if port.host)


def orders(fold: Fold, key: str) -> list[Order]:
    """What its host is to do about a server; nothing if it has none, or is known to be rid of it."""
    known = fold.known(servers, key)
    if known is None or known.state.host is None or (known.state.removed and not known.state.abandoned):
        return []
    server = known.state
    trace = tracing.of(server.request)
    guest = guest_of(fold, server)
    data = news = msgspec.json.encode(guest)
    if guest.wanted == "gone":
        news = msgspec.json.encode(replace(guest, built=False, interfaces=()))
    elif guest.built:  # its agent has seen that, and asks when it begins anew
        news = msgspec.json.encode(replace(guest, built=False))
    host = server.host or ""
    return [Order(host=host, kind=KIND, id=server.id, data=data, news=news, sequence=fold.position, trace=trace)]


def unsettled(fold: Fold) -> list[str]:
    """The servers that something is being done with, and those that a host which was down may still hold."""
    shelf = fold.shelf(servers)
    return [
        *(
            server.id
            for phase in ("build", "start", "stop", "reboot", "remove")
            for server in fold.by(servers, "phase", phase)
        ),
        *(key for key in shelf.dead if shelf.known[key].state.abandoned),
    ]


def guest_of(fold: Fold, server: Server) -> Guest:
    """The server as its host needs to know it."""
    return Guest(
        id=server.id,
        name=server.name,
        hostname=server.hostname,
        project=server.project,
        wanted=server.wanted,
        generation=server.generation,
        reboot=server.reboot,
        built=server.launched_at is not None,
        vcpus=server.size.vcpus,
        ram=server.size.ram,
        disk=server.size.disk,
        image=server.image,
        image_format=server.image_properties.get("disk_format", "qcow2"),
        image_checksum=server.image_properties.get("os_hash_value"),
        interfaces=interfaces(fold, server),
        request=server.request,
        trace=tracing.of(server.request),
    )


def interfaces(fold: Fold, server: Server) -> tuple[Interface, ...]:
    """The server's ports as the host sees them."""
    by_id = {port.id: port for port in fold.by(ports, "device_id", server.id)}
    ordered = [by_id[id] for id in server.ports if id in by_id]
    return tuple(_interface(fold, port) for port in ordered)


def _interface(fold: Fold, port: Port) -> Interface:
    network = fold.get(networks, port.network)
    addresses = [_address(subnet, one.ip) for one in port.addresses if (subnet := fold.get(subnets, one.subnet))]
    return Interface(
        port=port.id,
        mac=port.mac,
        network=port.network,
        mtu=network.mtu if network else 1450,
        addresses=tuple(addresses),
        port_security=port.port_security_enabled,
        allowed=tuple((pair.mac, pair.ip) for pair in port.pairs),
        rules=_rules(fold, port) if port.port_security_enabled else None,
    )


def _rules(fold: Fold, port: Port) -> tuple[Rule, ...]:
    found = [group for id in port.security_groups if (group := fold.get(groups, id))]
    return tuple(
        Rule(
            direction=rule.direction,
            ethertype=rule.ethertype,
            protocol=rule.protocol,
            port_min=rule.port_range_min,
            port_max=rule.port_range_max,
            remote=(rule.remote_ip_prefix,) if rule.remote_ip_prefix else None,
            remote_group=rule.remote_group_id,
        )
        for group in found
        for rule in group.rules.values()
    )


def _address(subnet: Subnet, ip: str) -> Address:
    return Address(
        ip=ip,
        prefix=int(subnet.cidr.rpartition("/")[2]),
        subnet=subnet.id,
        gateway=subnet.gateway_ip,
        dns=subnet.dns_nameservers,
        routes=tuple((route.destination, route.nexthop) for route in subnet.host_routes),
        dhcp=subnet.enable_dhcp,
    )
