"""What compute needs to know of networks, ports and security groups."""

from __future__ import annotations

from msgspec import Struct

from events.compute.server import Attachment, Server
from events.fold import Fold
from events.ids import is_uuid
from events.network import network as networks
from events.network import port as ports
from events.network import security_group as groups
from events.network import subnet as subnets
from events.refusals import Conflict, Invalid
from gateway.serving import Call
from projections.network.network import usable
from projections.network.port import status_of


class PortFacts(Struct, gc=False, kw_only=True):
    """A port of a server."""

    id: str
    network: str
    network_name: str
    mac: str
    status: str
    fixed_ips: tuple[tuple[str, str], ...] = ()  # (subnet, address)
    floating_ips: tuple[str, ...] = ()
    groups: tuple[tuple[str, str], ...] = ()  # ids and names of its security groups


def ports_of(fold: Fold, server: Server) -> list[PortFacts]:
    """The ports of a server, in the order in which they were made."""
    return [_facts(fold, port) for port in fold.by(ports, "device_id", server.id)]


def _facts(fold: Fold, port: ports.Port) -> PortFacts:
    network = fold.get(networks, port.network)
    return PortFacts(
        id=port.id,
        network=port.network,
        network_name=network.name if network else port.network,
        mac=port.mac,
        status=status_of(fold, port),
        fixed_ips=tuple([(one.subnet, one.ip) for one in port.addresses]),
        groups=tuple([(id, _group_name(fold, id)) for id in port.security_groups]),
    )


def group(fold: Fold, id: str) -> groups.SecurityGroup | None:
    return fold.get(groups, id)


def _group_name(fold: Fold, id: str) -> str:
    found = fold.get(groups, id)
    return found.name if found else id


# What a new server asks for


def check(call: Call, wanted: tuple[Attachment, ...]) -> None:
    """Whether the interfaces of a new server can be had. Raises Invalid, Conflict."""
    seen: set[str] = set()
    for one in wanted:
        if one.port is not None:
            _check_port(call, one.port, seen)
        elif one.network is not None:
            _check_network(call, one)


def _check_port(call: Call, id: str, seen: set[str]) -> None:
    port = call.fold.get(ports, id)
    if port is None or not call.may_see(port):
        raise Invalid(f"Port id {id} could not be found.")
    if port.device_id or id in seen:
        raise Conflict(f"Port {id} is still in use.")
    if not port.addresses:
        raise Invalid(f"Port {id} requires a FixedIP in order to be used.")
    seen.add(id)


def _check_network(call: Call, wanted: Attachment) -> None:
    network = call.fold.get(networks, wanted.network or "")
    if network is None or not (call.may_see(network) or network.open):
        raise Invalid(f"Network {wanted.network} could not be found.")
    if network.external and not (network.shared or call.allows("network:attach_external_network")):
        raise Invalid(f"It is not allowed to create an interface on external network {network.id}")
    if not call.fold.count(subnets, "network", network.id):
        raise Invalid(f"Network {network.id} requires a subnet in order to boot instances on.")
    if wanted.fixed_ip is not None and any(
        port.network == network.id for port in call.fold.by(ports, "ips", wanted.fixed_ip)
    ):
        raise Invalid(f"Fixed IP address {wanted.fixed_ip} is already in use on instance.")


def automatic(call: Call) -> tuple[Attachment, ...]:
    """The interfaces of a server whose owner named none: the project's only network with subnets, if there is one.

    Raises Conflict if there are several.
    """
    own = usable(call.fold, call.project)
    if len(own) > 1:
        raise Conflict("Multiple possible networks found, use a Network ID to be more specific.")
    return tuple(Attachment(network=one.id) for one in own)


def check_groups(call: Call, names: tuple[str, ...]) -> None:
    """Whether the security groups that are asked for by name or id are there. Raises Invalid, Conflict."""
    own: dict[str, int] = {}
    for one in call.fold.by(groups, "project", call.project):
        own[one.name] = own.get(one.name, 0) + 1
    for name in names:
        found = call.fold.get(groups, name) if is_uuid(name) else None
        if name == groups.DEFAULT or (found is not None and call.may_see(found)):
            continue
        if name not in own:
            raise Invalid(f"Unable to find security_group with name or id '{name}'")
        if own[name] > 1:
            raise Conflict(f"Multiple security_group matches found for name '{name}', use an ID to be more specific.")
