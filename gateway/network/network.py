"""Networks over HTTP. Source: Networking API reference, "Networks", and its extensions on provider networks, MTU."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from events.ids import new_hex, new_id
from events.network import network as networks
from events.network.network import ChangeNetwork, CreateNetwork, Network
from events.refusals import Invalid, NoCapacity, NotFound
from gateway.network.attributes import (
    Attribute,
    as_text,
    boolean,
    constant,
    field,
    integer,
    non_negative,
    nothing,
    optional,
    standard,
    text,
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
from gateway.serving import Call
from projections.network.network import VLAN, VXLAN, create_network, delete_network

MTU = {"vxlan": 1450, "vlan": 1500, "flat": 1500}  # the most, by type
PHYSICAL = ("public",)  # networks of the underlay that hosts may be attached to
PROVIDER = {
    "provider:network_type": "network_type",
    "provider:physical_network": "physical_network",
    "provider:segmentation_id": "segmentation_id",
}
FIELDS = {
    "name": "name",
    "description": "description",
    "admin_state_up": "admin_state_up",
    "mtu": "mtu",
    "shared": "shared",
    "router:external": "external",
    "is_default": "is_default",
    "port_security_enabled": "port_security_enabled",
}


def zones(name: str, value: Any) -> tuple[str, ...]:
    """Hints at zones, of which there are none for networks."""
    if not isinstance(value, list):
        raise Invalid(f"Invalid input for {name}. Reason: '{value}' is not a list.")
    if value:
        raise NotFound(f"AvailabilityZone {value[0]} could not be found.", kind="AvailabilityZoneNotFound")
    return ()


def policy(id: str) -> NotFound:
    return NotFound(f"QoS policy {id} could not be found.", kind="QosPolicyNotFound")


def provider(name: str, **more: Any) -> Attribute:
    return field(name, post=True, put=True, default=None, match=as_text, **more)


def may_see(call: Call, network: Network) -> bool:
    if call.may_see(network):
        return True
    return bool(network.open) and call.still(networks, network.id, lambda now: bool(now.open))


def target(network: Network) -> dict[str, Any]:
    """What rules are told of a network."""
    return {
        "project_id": network.project,
        "tenant_id": network.project,
        "network:project_id": network.project,
        "network:tenant_id": network.project,
        "shared": network.shared,
        "router:external": network.external,
    }


def visible(call: Call) -> Iterable[Network]:
    fold = call.fold
    found = [*fold.by(networks, "project", call.project), *fold.by(networks, "open", True)]
    return {network.id: network for network in found}.values()


NETWORK = Resource(
    name="network",
    plural="networks",
    module=networks,
    not_found=networks.not_found,
    may_see=may_see,
    target=lambda call, network: target(network),
    visible=visible,
    indexed={"name": "name", "project_id": "project", "tenant_id": "project"},
    attributes={
        **standard(),
        "admin_state_up": field(
            "admin_state_up",
            convert=boolean,
            post=True,
            put=True,
            default=True,
            match=boolean,
            sort=True,
        ),
        "mtu": field("mtu", convert=non_negative, post=True, put=True, default=0, match=integer, sort=True),
        "status": constant("ACTIVE", match=as_text, sort=True),
        "subnets": Attribute(get=lambda call, network: [place.subnet for place in network.places]),
        "shared": field("shared", convert=boolean, post=True, put=True, default=False, match=boolean),
        "router:external": field("external", convert=boolean, post=True, put=True, default=False, match=boolean),
        "is_default": field("is_default", convert=boolean, post=True, put=True, default=False, match=boolean),
        "port_security_enabled": field("port_security_enabled", convert=boolean, post=True, put=True, default=True),
        "availability_zone_hints": constant([], convert=zones, post=True, default=()),
        "availability_zones": constant([]),
        "ipv4_address_scope": constant(None),
        "ipv6_address_scope": constant(None),
        "qos_policy_id": constant(None, convert=nothing(policy), post=True, put=True, default=None),
        "l2_adjacency": constant(True),
        "provider:network_type": provider("network_type", convert=optional(text(32))),
        "provider:physical_network": provider("physical_network", convert=optional(text(64))),
        "provider:segmentation_id": provider("segmentation_id", convert=optional(integer)),
    },
)


def view(call: Call, network: Network, *, new: bool = False) -> Document:
    shown = document(call, NETWORK, network)
    if not (new or network.external):
        del shown["is_default"]
    return shown


async def create(call: Call) -> Document:
    """One new network, or several, all or none. Raises OverQuota, Invalid."""
    given, many = await items(call, NETWORK)
    wishes = [_wish(call, one) for one in given]
    execute, origin = call.cloud.execute, call.origin
    made = await all_or_none(
        wishes,
        lambda wish: create_network(execute, origin, wish),
        lambda network: delete_network(execute, origin, network),
    )
    return told(NETWORK, [view(call, network, new=True) for network in made], many)


def _wish(call: Call, given: Document) -> CreateNetwork:
    values = to_create(call, NETWORK, given)
    call.enforce({"project_id": values["project_id"], "tenant_id": values["project_id"]})
    kind, physical, number = (values[name] for name in PROVIDER)
    kind = _provider(kind, physical, number)
    return CreateNetwork(
        id=new_id(),
        project=values["project_id"],
        claim=new_hex()[:12],
        network_type=kind,
        physical_network=physical,
        segmentation_id=number,
        **{state: values[name] for name, state in FIELDS.items() if name != "mtu"},
        mtu=_mtu(values["mtu"], kind),
    )


def _mtu(asked: int, kind: str) -> int:
    """Zero leaves it to us. Raises Invalid."""
    if asked > MTU[kind]:
        raise wrong(f"Requested MTU is too big, maximum is {MTU[kind]}")
    return asked or MTU[kind]


def _provider(kind: str | None, physical: str | None, number: int | None) -> str:
    """The type of the network. Raises Invalid, NoCapacity."""
    if kind is None:
        if physical is not None or number is not None:
            raise wrong("network_type required")
        return "vxlan"
    if kind not in MTU:
        raise wrong(f"network_type value '{kind}' not supported")
    if kind == "vxlan":
        if physical is not None:
            raise wrong("provider:physical_network specified for vxlan network")
        if number is not None and not VXLAN[0] <= number <= VXLAN[1]:
            raise wrong(f"segmentation_id out of range ({VXLAN[0]} through {VXLAN[1]})")
        return kind
    if kind == "flat" and number is not None:
        raise wrong("segmentation_id prohibited for flat provider network")
    if physical is None:
        if kind == "vlan" and number is None:
            text = "Unable to create the network. No project network is available for allocation."
            raise NoCapacity(text, kind="NoNetworkAvailable")
        raise wrong(f"physical_network required for {kind} provider network")
    if physical not in PHYSICAL:
        raise wrong(f"physical_network '{physical}' unknown for {kind} provider network")
    if kind == "vlan" and number is not None and not VLAN[0] <= number <= VLAN[1]:
        raise wrong(f"segmentation_id out of range ({VLAN[0]} through {VLAN[1]})")
    return kind


async def show_one(call: Call) -> Document:
    """One network. Raises NotFound."""
    shown = show(call, NETWORK)
    _trim(call, [shown["network"]])
    return shown


async def show_all(call: Call) -> Document:
    """The networks that the caller may see."""
    shown = listing(call, NETWORK)
    _trim(call, shown["networks"])
    return shown


def _trim(call: Call, shown: list[Document]) -> None:
    """Only external networks tell whether they are the default."""
    for one in shown:
        if "is_default" in one and not one.get("router:external", True):
            del one["is_default"]


async def update(call: Call) -> Document:
    """Change it. Raises NotFound, Forbidden, Invalid, PreconditionFailed."""
    given = await item(call, NETWORK)
    network: Network = find(call, NETWORK, call.path["id"])
    values = to_change(call, NETWORK, given)
    if "provider:segmentation_id" in values:
        raise wrong("Only VLAN type networks can be updated.")
    if set(values) & set(PROVIDER):
        names = "provider:network_type, provider:physical_network"
        raise wrong(f"Plugin does not support updating the following provider network attributes: {names}")
    values.pop("qos_policy_id", None)
    if "mtu" in values:
        values["mtu"] = _mtu(values["mtu"], network.network_type)
    changes = {FIELDS[name]: value for name, value in values.items()}
    after = await call.do(networks, ChangeNetwork(id=network.id, expected=expected(call), **changes))
    return {"network": view(call, after)}


async def delete(call: Call) -> None:
    """Delete it and its subnets. Raises NotFound, Forbidden, Conflict, PreconditionFailed."""
    await no_body(call)
    network: Network = find(call, NETWORK, call.path["id"])
    await delete_network(call.cloud.execute, call.origin, network, expected=expected(call))


def owns(call: Call, id: str) -> bool:
    """Whether the caller owns a network, or is an admin."""
    network = call.fold.get(networks, id)
    return call.is_admin or (network is not None and network.project == call.project)
