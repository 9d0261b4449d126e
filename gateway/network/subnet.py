"""Subnets over HTTP. Source: Networking API reference, "Subnets"."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network
from typing import Any

from events.ids import new_hex, new_id
from events.network import network as networks
from events.network import port as ports
from events.network import subnet as subnets
from events.network.subnet import ChangeSubnet, CreateSubnet, Subnet
from events.refusals import Conflict, Invalid, NotFound
from gateway.network import ranges
from gateway.network.attributes import (
    Attribute,
    address,
    as_text,
    bad,
    boolean,
    choice,
    cidr,
    constant,
    field,
    integer,
    nothing,
    optional,
    standard,
    uuid,
    wrong,
)
from gateway.network.bulk import all_or_none, told
from gateway.network.documents import (
    Document,
    Resource,
    document,
    expected,
    find,
    item,
    items,
    listing,
    no_body,
    show,
    to_change,
    to_create,
)
from gateway.network.network import may_see as may_see_network
from gateway.network.network import target as network_target
from gateway.network.network import visible as visible_networks
from gateway.serving import Call
from projections.network.network import create_subnet, delete_subnet

OWNERS = ("compute:", "network:", "baremetal:")
MOST_TYPES = 50
UNCHOSEN: Any = object()  # the gateway, if the body does not say


def version(name: str, value: Any) -> Any:
    return choice((4, 6))(name, integer(name, value))


def prefix(name: str, value: Any) -> str:
    try:
        return cidr(name, value)
    except Invalid:
        raise wrong(f"{value} is not in a CIDR format") from None


def service_types(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise bad(name, f"'{value}' is not a list")
    if len(value) > MOST_TYPES:
        raise bad(name, f"more than {MOST_TYPES} service types")
    for one in value:
        if not isinstance(one, str) or len(one) > 255 or not one.startswith(OWNERS):
            raise Invalid(
                f"Subnet service type {one} does not correspond to a valid device owner.",
                kind="InvalidSubnetServiceType",
            )
    return tuple(dict.fromkeys(value))


def pool(id: str) -> NotFound:
    return NotFound(f"Subnet pool {id} could not be found.", kind="SubnetPoolNotFound")


def segment(id: str) -> NotFound:
    return NotFound(f"Segment {id} could not be found.", kind="SegmentNotFound")


def is_external(call: Call, subnet: Subnet) -> bool:
    network = call.fold.get(networks, subnet.network)
    return network is not None and network.external


def may_see(call: Call, subnet: Subnet) -> bool:
    """Its own, those of networks that are the caller's, and those of networks open to all."""
    if call.may_see(subnet):
        return True
    network = call.fold.get(networks, subnet.network)
    return network is not None and (network.project == call.project or may_see_network(call, network))


def target(call: Call, project: str, network: str) -> dict[str, Any]:
    """What rules are told of a project's subnet in a network."""
    known = call.fold.get(networks, network)
    return {**(network_target(known) if known else {}), "project_id": project, "tenant_id": project}


def visible(call: Call) -> Iterable[Subnet]:
    fold = call.fold
    found = {subnet.id: subnet for subnet in fold.by(subnets, "project", call.project)}
    for network in visible_networks(call):
        found |= {subnet.id: subnet for subnet in fold.by(subnets, "network", network.id)}
    return found.values()


def both(pairs: Any, *names: str) -> list[dict[str, Any]]:
    return [{name: getattr(one, name) for name in names} for one in pairs]


SUBNET = Resource(
    name="subnet",
    plural="subnets",
    module=subnets,
    not_found=subnets.not_found,
    may_see=may_see,
    target=lambda call, subnet: target(call, subnet.project, subnet.network),
    visible=visible,
    indexed={"network_id": "network", "name": "name", "project_id": "project", "tenant_id": "project"},
    attributes={
        "ip_version": field("ip_version", convert=version, post=True, required=True, match=integer, sort=True),
        "network_id": field("network", convert=uuid, post=True, required=True, match=as_text, sort=True),
        **standard(),
        "subnetpool_id": constant(None, convert=nothing(pool), post=True, default=None, match=as_text, sort=True),
        "enable_dhcp": field(
            "enable_dhcp", convert=boolean, post=True, put=True, default=True, match=boolean, sort=True
        ),
        "ipv6_ra_mode": field(
            "ipv6_ra_mode",
            convert=optional(choice(ranges.MODES)),
            post=True,
            default=None,
            match=as_text,
            sort="ipv6_ra_mode",
        ),
        "ipv6_address_mode": field(
            "ipv6_address_mode",
            convert=optional(choice(ranges.MODES)),
            post=True,
            default=None,
            match=as_text,
            sort="ipv6_address_mode",
        ),
        "gateway_ip": field(
            "gateway_ip",
            convert=optional(address),
            post=True,
            put=True,
            default=UNCHOSEN,
            match=as_text,
            sort=True,
        ),
        "cidr": field("cidr", convert=prefix, post=True, default=None, match=as_text, sort=True),
        "allocation_pools": Attribute(
            get=lambda call, subnet: both(subnet.pools, "start", "end"),
            convert=ranges.pools,
            post=True,
            put=True,
            default=None,
        ),
        "host_routes": Attribute(
            get=lambda call, subnet: both(subnet.host_routes, "destination", "nexthop"),
            convert=ranges.routes,
            post=True,
            put=True,
            default=(),
        ),
        "dns_nameservers": field("dns_nameservers", convert=ranges.nameservers, post=True, put=True, default=()),
        "service_types": field("service_types", convert=service_types, post=True, put=True, default=()),
        "router:external": Attribute(get=is_external, match=boolean),
        "segment_id": constant(None, convert=nothing(segment), post=True, put=True, default=None, match=as_text),
        "prefixlen": constant(None, convert=integer, post=True, default=None, shown=False),
        "use_default_subnetpool": constant(None, convert=boolean, post=True, default=False, shown=False),
    },
)


def view(call: Call, subnet: Subnet) -> Document:
    return document(call, SUBNET, subnet)


async def create(call: Call) -> Document:
    """One new subnet, or several, all or none. Raises NotFound, Forbidden, Invalid, Conflict, OverQuota."""
    given, many = await items(call, SUBNET)
    wishes = [_wish(call, to_create(call, SUBNET, one)) for one in given]
    execute, origin = call.cloud.execute, call.origin
    made = await all_or_none(
        wishes,
        lambda wish: create_subnet(execute, origin, wish),
        lambda subnet: delete_subnet(execute, origin, subnet),
    )
    return told(SUBNET, [view(call, subnet) for subnet in made], many)


def _wish(call: Call, values: Document) -> CreateSubnet:
    _check_source(values)
    network = call.fold.get(networks, values["network_id"])
    call.enforce(target(call, values["project_id"], values["network_id"]))
    if network is None:
        raise networks.not_found(values["network_id"])
    number = values["ip_version"]
    block = ip_network(values["cidr"])
    if block.version != number:
        raise wrong(f"cidr '{values['cidr']}' does not match the ip_version '{number}'")
    ranges.check_block(block, values["enable_dhcp"])
    ra, mode = values["ipv6_ra_mode"], values["ipv6_address_mode"]
    ranges.check_modes(number, values["enable_dhcp"], ra, mode, block)
    gateway = values["gateway_ip"]
    if gateway is UNCHOSEN:
        gateway = ranges.first_host(block)
    else:
        _check_gateway(number, block, gateway)
    ranges.of_version(number, "dns_nameserver", values["dns_nameservers"])
    _check_routes(number, values["host_routes"])
    given = values["allocation_pools"]
    pools = ranges.check_pools(block, given, gateway) if given else ranges.all_but(block, gateway)
    return CreateSubnet(
        id=new_id(),
        project=values["project_id"],
        claim=new_hex()[:12],
        network=network.id,
        cidr=str(block),
        ip_version=number,
        name=values["name"],
        description=values["description"],
        gateway_ip=gateway,
        pools=pools,
        enable_dhcp=values["enable_dhcp"],
        ipv6_ra_mode=ra,
        ipv6_address_mode=mode,
        dns_nameservers=values["dns_nameservers"],
        host_routes=values["host_routes"],
        service_types=values["service_types"],
    )


def _check_source(values: Document) -> None:
    """Raises Invalid if it is not said where the block comes from: there are no pools of subnets."""
    if values["cidr"] is not None and values["prefixlen"] is not None:
        raise Invalid(
            "Bad subnets request: cidr and prefixlen must not be supplied together.",
            kind="BadRequest",
        )
    if values["use_default_subnetpool"]:
        number = values["ip_version"]
        raise Invalid(f"Bad subnets request: No default subnetpool found for IPv{number}.", kind="BadRequest")
    if values["cidr"] is None:
        raise Invalid(
            "Bad subnets request: a subnetpool must be specified in the absence of a cidr.",
            kind="BadRequest",
        )


def _check_gateway(number: int, block: ranges.Block, gateway: str | None) -> None:
    if gateway is not None:
        ranges.of_version(number, "gateway_ip", [gateway])
        ranges.check_gateway(block, gateway)


def _check_routes(number: int, routes: Any) -> None:
    for route in routes:
        ranges.of_version(number, "destination", [route.destination])
        ranges.of_version(number, "nexthop", [route.nexthop])


async def show_one(call: Call) -> Document:
    """One subnet. Raises NotFound."""
    return show(call, SUBNET)


async def show_all(call: Call) -> Document:
    """The subnets that the caller may see."""
    return listing(call, SUBNET)


async def update(call: Call) -> Document:
    """Change it. Raises NotFound, Forbidden, Invalid, Conflict, PreconditionFailed."""
    given = await item(call, SUBNET)
    subnet: Subnet = find(call, SUBNET, call.path["id"])
    values = to_change(call, SUBNET, given)
    values.pop("segment_id", None)
    changes = {name: values[name] for name in values if name != "allocation_pools"}
    pools = values.get("allocation_pools")
    block = ip_network(subnet.cidr)
    gateway = values.get("gateway_ip", subnet.gateway_ip)
    if "gateway_ip" in values:
        _check_gateway(subnet.ip_version, block, gateway)
        _keep_router(call, subnet, gateway)
    if pools is not None:
        changes["pools"] = ranges.check_pools(block, pools, gateway)
    else:
        ranges.keep_gateway_out(subnet.pools, gateway)
    ranges.of_version(subnet.ip_version, "dns_nameserver", values.get("dns_nameservers", ()))
    _check_routes(subnet.ip_version, values.get("host_routes", ()))
    if values.get("enable_dhcp", False):
        ranges.check_block(block, True)
    after = await call.do(subnets, ChangeSubnet(id=subnet.id, expected=expected(call), **changes))
    return {"subnet": view(call, after)}


def _keep_router(call: Call, subnet: Subnet, gateway: str | None) -> None:
    """Raises Conflict if a router has the gateway's address."""
    if gateway == subnet.gateway_ip or subnet.gateway_ip is None:
        return
    for port in call.fold.by(ports, "ips", subnet.gateway_ip):
        if port.network == subnet.network and port.device_owner.startswith("network:router"):
            raise Conflict(
                f"Current gateway ip {subnet.gateway_ip} already in use by port {port.id}. Unable to update.",
                kind="GatewayIpInUse",
            )


async def delete(call: Call) -> None:
    """Delete it. Raises NotFound, Forbidden, Conflict, PreconditionFailed."""
    await no_body(call)
    subnet: Subnet = find(call, SUBNET, call.path["id"])
    await delete_subnet(call.cloud.execute, call.origin, subnet, expected=expected(call))
