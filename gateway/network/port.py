"""Ports over HTTP. Source: Networking API reference, "Ports", and its extensions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import UNSET

from events.ids import new_id
from events.network import network as networks
from events.network import port as ports
from events.network import security_group as groups
from events.network.port import ChangePort, Pair, Port
from events.refusals import Conflict, Forbidden
from gateway.network import port_parts as parts
from gateway.network.attributes import (
    Attribute,
    as_lower,
    as_text,
    bad,
    boolean,
    choice,
    constant,
    field,
    mac,
    nothing,
    optional,
    standard,
    text,
    uuid,
)
from gateway.network.bulk import all_or_none, told
from gateway.network.documents import (
    Document,
    Resource,
    disallowed,
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
from gateway.network.network import owns, policy
from gateway.network.network import target as network_target
from gateway.serving import Call
from projections.network.port import NewPort, change_port, check_security, create_port, delete_port, status_of, with_mac

VNIC_TYPES = (
    "normal",
    "direct",
    "macvtap",
    "baremetal",
    "direct-physical",
    "virtio-forwarder",
    "smart-nic",
    "vdpa",
    "accelerator-direct",
    "accelerator-direct-physical",
    "remote-managed",
)
ROUTER = "network:router"
UNCHOSEN: Any = object()  # what the body leaves to us


def profile(name: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad(name, f"'{value}' is not a dictionary")
    if len(str(value)) > 4096:
        raise bad(name, "the dictionary is too large")
    return value


def device_profile(name: str, value: Any) -> None:
    optional(text())(name, value)


def security_groups(name: str, value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise bad(name, f"'{value}' is not a list")
    if len(value) > 100:
        raise bad(name, "more than 100 security groups")
    return tuple(dict.fromkeys(uuid(name, one) for one in value))


def tags(name: str, value: Any) -> tuple[str, ...]:
    return parts.tags(value)


def by_group(values: list[str]) -> Callable[[Call, Any], bool]:
    wanted = set(values)
    return lambda call, port: not wanted.isdisjoint(port.security_groups)


def may_see(call: Call, port: Port) -> bool:
    return call.may_see(port) or owns(call, port.network)


def visible(call: Call) -> Iterable[Port]:
    """One's own, and all that are on one's own networks."""
    fold = call.fold
    found = {port.id: port for port in fold.by(ports, "project", call.project)}
    for network in fold.by(networks, "project", call.project):
        found |= {port.id: port for port in fold.by(ports, "network", network.id)}
    return found.values()


def vif_type(call: Call, port: Port) -> str:
    return "bridge" if port.host else "unbound"


def vif_details(call: Call, port: Port) -> dict[str, Any]:
    return {"port_filter": True, "connectivity": "l2"} if port.host else {}


PORT = Resource(
    name="port",
    plural="ports",
    module=ports,
    not_found=ports.not_found,
    may_see=may_see,
    target=lambda call, port: target(call, port.project, port.network, port.device_owner),
    visible=visible,
    indexed={
        "device_id": "device_id",
        "mac_address": "mac",
        "security_groups": "groups",
        "network_id": "network",
        "binding:host_id": "host",
        "name": "name",
        "project_id": "project",
        "tenant_id": "project",
    },
    filters={"fixed_ips": parts.by_fixed_ips, "security_groups": by_group},
    attributes={
        "network_id": field("network", convert=uuid, post=True, required=True, match=as_text, sort=True),
        **standard(),
        "tags": Attribute(get=lambda call, port: port.tags, convert=tags, post=True, default=()),
        "mac_address": field(
            "mac", convert=optional(mac), post=True, put=True, default=None, match=as_lower, sort=True
        ),
        "admin_state_up": field(
            "admin_state_up",
            convert=boolean,
            post=True,
            put=True,
            default=True,
            match=boolean,
            sort=True,
        ),
        "status": Attribute(get=lambda call, port: status_of(call.fold, port), match=as_text, sort=True),
        "device_id": field("device_id", convert=text(), post=True, put=True, default="", match=as_text, sort=True),
        "device_owner": field(
            "device_owner", convert=text(), post=True, put=True, default="", match=as_text, sort=True
        ),
        "fixed_ips": Attribute(
            get=parts.show_fixed_ips, convert=parts.fixed_ips, post=True, put=True, default=UNCHOSEN
        ),
        "allowed_address_pairs": Attribute(
            get=parts.show_pairs, convert=parts.address_pairs, post=True, put=True, default=()
        ),
        "extra_dhcp_opts": Attribute(
            get=parts.show_options, convert=parts.dhcp_options, post=True, put=True, default=()
        ),
        "security_groups": field("security_groups", convert=security_groups, post=True, put=True, default=UNCHOSEN),
        "port_security_enabled": field("port_security_enabled", convert=boolean, post=True, put=True, default=UNCHOSEN),
        "binding:vnic_type": field("vnic_type", convert=choice(VNIC_TYPES), post=True, put=True, default="normal"),
        "binding:profile": field("profile", convert=profile, post=True, put=True, default=UNCHOSEN),
        "binding:host_id": field(
            "host",
            convert=optional(text()),
            post=True,
            put=True,
            default="",
            match=as_text,
        ),
        "binding:vif_type": Attribute(get=vif_type),
        "binding:vif_details": Attribute(get=vif_details),
        "ip_allocation": field("ip_allocation", match=as_text, sort=True),
        "qos_policy_id": constant(None, convert=nothing(policy), post=True, put=True, default=None),
        "qos_network_policy_id": constant(None),
        "resource_request": constant(None),
        "device_profile": constant(None, convert=device_profile, post=True, default=None, shown=False),
    },
)

FIELDS = {
    "name": "name",
    "description": "description",
    "admin_state_up": "admin_state_up",
    "device_id": "device_id",
    "device_owner": "device_owner",
    "binding:host_id": "host",
    "binding:vnic_type": "vnic_type",
    "binding:profile": "profile",
    "extra_dhcp_opts": "dhcp_options",
}


def view(call: Call, port: Port) -> Document:
    return document(call, PORT, port)


async def create(call: Call) -> Document:
    """One new port, or several, all or none. Raises NotFound, Forbidden, Invalid, Conflict, OverQuota, Busy."""
    given, many = await items(call, PORT)
    wishes = [_wish(call, one) for one in given]
    execute, origin = call.cloud.execute, call.origin
    made = await all_or_none(
        wishes,
        lambda wish: create_port(execute, origin, wish),
        lambda port: delete_port(execute, origin, port.id),
    )
    return told(PORT, [view(call, port) for port in made], many)


def _wish(call: Call, given: Document) -> NewPort:
    values = to_create(call, PORT, given)
    network = call.fold.get(networks, values["network_id"])
    if network is None or not (network.shared or network.external or call.may_see(network)):
        raise networks.not_found(values["network_id"])
    place = target(call, values["project_id"], network.id, values["device_owner"])
    _check_policy(call, "create_port", place, given)
    call.enforce(place)
    chosen = {name: None if values[name] is UNCHOSEN else values[name] for name in ("fixed_ips", "security_groups")}
    secured = values["port_security_enabled"]
    check_security(secured is not False, chosen["security_groups"] or (), values["allowed_address_pairs"])
    for group in chosen["security_groups"] or ():
        own_group(call, group)
    return NewPort(
        id=new_id(),
        project=values["project_id"],
        network=network.id,
        fixed_ips=chosen["fixed_ips"],
        security_groups=chosen["security_groups"],
        port_security_enabled=None if secured is UNCHOSEN else secured,
        pairs=values["allowed_address_pairs"],
        mac=values["mac_address"],
        tags=values["tags"],
        **_fields(values),
    )


def _fields(values: Document) -> Document:
    found = {FIELDS[name]: value for name, value in values.items() if name in FIELDS and value is not UNCHOSEN}
    if found.get("host", "") is None:
        found["host"] = ""
    if "dhcp_options" in found:
        found["dhcp_options"] = tuple(one for one in found["dhcp_options"] if one.value is not None)
    return found


def own_group(call: Call, id: str) -> groups.SecurityGroup:
    """A security group that the caller may use. Raises NotFound."""
    return call.find(groups, id, groups.not_found(id))


def target(call: Call, project: str, network: str, device_owner: str) -> dict[str, Any]:
    """What rules are told of a project's port in a network."""
    known = call.fold.get(networks, network)
    told = network_target(known) if known else {}
    return {**told, "project_id": project, "tenant_id": project, "device_owner": device_owner}


def _check_policy(call: Call, rule: str, told: dict[str, Any], given: Document) -> None:
    """Raises Forbidden if the body sets what the caller may not."""
    profile = given.get("binding:profile")
    if "binding:profile" in given and (profile or rule == "update_port"):
        _may(call, rule, "binding:profile", told)
    for name in ("mac_address", "port_security_enabled"):
        if name in given:
            _may(call, rule, name, told)
    if "device_owner" in given:
        _may(call, rule, "device_owner", {**told, "device_owner": given["device_owner"]})
    wanted = given.get("fixed_ips")
    named = isinstance(wanted, list) and any(isinstance(one, dict) and "ip_address" in one for one in wanted)
    if named and not call.allows(f"{rule}:fixed_ips:ip_address", told):
        raise _within(rule, "fixed_ips", "ip_address")
    if given.get("allowed_address_pairs") and not call.allows(f"{rule}:allowed_address_pairs:ip_address", told):
        raise _within(rule, "allowed_address_pairs", "ip_address")


def _may(call: Call, rule: str, name: str, told: dict[str, Any]) -> None:
    if not call.allows(f"{rule}:{name}", told):
        raise disallowed(rule, name)


def _within(rule: str, name: str, member: str) -> Forbidden:
    text = f"(rule:{rule} and (rule:{rule}:{name} and (rule:{rule}:{name}:{member})))"
    return Forbidden(f"{text} is disallowed by policy", kind="PolicyNotAuthorized")


async def show_one(call: Call) -> Document:
    """One port. Raises NotFound."""
    return show(call, PORT)


async def show_all(call: Call) -> Document:
    """The ports that the caller may see."""
    return listing(call, PORT)


async def update(call: Call) -> Document:
    """Change it. Raises NotFound, Forbidden, Invalid, Conflict, PreconditionFailed, Busy."""
    given = await item(call, PORT)
    port: Port = find(call, PORT, call.path["id"])
    values = to_change(call, PORT, given)
    _check_policy(call, "update_port", target(call, port.project, port.network, port.device_owner), given)
    changes = _fields(values)
    if "extra_dhcp_opts" in values:
        changes["dhcp_options"] = parts.merged(port.dhcp_options, values["extra_dhcp_opts"])
    changes |= _security(call, port, values)
    address = values.get("mac_address", UNSET)
    if address is None:
        address = parts.another_mac(call, port.network)
    change = ChangePort(id=port.id, expected=expected(call), **changes)
    execute, wanted = call.cloud.execute, values.get("fixed_ips")
    after = await change_port(
        execute, call.origin, port.id, change, fixed_ips=wanted, mac=None if address is UNSET else address
    )
    return {"port": view(call, after)}


def _security(call: Call, port: Port, values: Document) -> Document:
    """What changes of its groups, its further addresses and whether it is secured. Raises Invalid, Conflict."""
    secured = values.get("port_security_enabled", port.port_security_enabled)
    wanted = values.get("security_groups", port.security_groups)
    pairs: tuple[Pair, ...] = with_mac(values.get("allowed_address_pairs", port.pairs), port.mac)
    alone = not secured and port.port_security_enabled and not pairs
    if alone and wanted and "security_groups" not in values:
        raise Conflict(
            "Port has security group associated. Cannot disable port security or IP address until security group is "
            "removed.",
            kind="PortSecurityPortHasSecurityGroup",
        )
    check_security(secured, () if pairs else wanted, pairs)
    for group in wanted if "security_groups" in values else ():
        own_group(call, group)
    return {"port_security_enabled": secured, "security_groups": wanted, "pairs": pairs}


async def delete(call: Call) -> None:
    """Delete it. Raises NotFound, Conflict, PreconditionFailed."""
    await no_body(call)
    port: Port = find(call, PORT, call.path["id"])
    if port.device_owner.startswith(ROUTER):
        raise Conflict(
            f"Port {port.id} cannot be deleted directly via the port API: has device owner {port.device_owner}.",
            kind="ServicePortInUse",
        )
    await delete_port(call.cloud.execute, call.origin, port.id, expected=expected(call))
