"""The rules of security groups as documents, and what may stand in them.

Source: Networking API reference, "Security group rules"; IANA protocol numbers.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from msgspec import Struct

from events.network.security_group import Rule, SecurityGroup
from events.refusals import Invalid
from gateway.network.attributes import moment

Document = dict[str, Any]

PROTOCOLS = {
    "ah": 51,
    "dccp": 33,
    "egp": 8,
    "esp": 50,
    "gre": 47,
    "hopopt": 0,
    "icmp": 1,
    "igmp": 2,
    "ip": 0,
    "ipip": 4,
    "ipv6-encap": 41,
    "ipv6-frag": 44,
    "ipv6-icmp": 58,
    "icmpv6": 58,
    "ipv6-nonxt": 59,
    "ipv6-opts": 60,
    "ipv6-route": 43,
    "ospf": 89,
    "pgm": 113,
    "rsvp": 46,
    "sctp": 132,
    "tcp": 6,
    "udp": 17,
    "udplite": 136,
    "vrrp": 112,
}
WITH_PORTS = {33, 132, 6, 17, 136}
ICMP = {1, 58}
ONLY_6 = {"ipv6-encap", "ipv6-frag", "ipv6-icmp", "icmpv6", "ipv6-nonxt", "ipv6-opts", "ipv6-route"}


class Shown(Struct, frozen=True, gc=False):
    """A rule with the group that it is of."""

    group: SecurityGroup
    rule: Rule

    @property
    def id(self) -> str:
        return self.rule.id


def normalized(rule: Rule) -> str | None:
    """The prefix with its host bits cleared."""
    return None if rule.remote_ip_prefix is None else str(ip_network(rule.remote_ip_prefix, strict=False))


def nested(group: SecurityGroup, rule: Rule) -> Document:
    """A rule inside of its group's document."""
    return {
        "id": rule.id,
        "tenant_id": rule.project,
        "project_id": rule.project,
        "security_group_id": group.id,
        "direction": rule.direction,
        "ethertype": rule.ethertype,
        "protocol": rule.protocol,
        "port_range_min": rule.port_range_min,
        "port_range_max": rule.port_range_max,
        "remote_ip_prefix": rule.remote_ip_prefix,
        "remote_address_group_id": None,
        "normalized_cidr": normalized(rule),
        "remote_group_id": rule.remote_group_id,
        "standard_attr_id": int(rule.id[:7], 16),
        "belongs_to_default_sg": group.is_default,
        "description": rule.description,
        "tags": [],
        "created_at": moment(rule.created_at),
        "updated_at": moment(rule.updated_at),
        "revision_number": rule.revision,
    }


def protocol(name: str, value: Any) -> str | None:
    """A protocol by name or number, as it is kept; None: any. Raises Invalid."""
    if value is None or value == "any":
        return None
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        text = str(value).lower()
        if text in PROTOCOLS:
            return "ipv6-icmp" if text == "icmpv6" else text
        if text.isdecimal() and text.isascii() and len(text) <= 3 and int(text) <= 255:
            return str(int(text))
    known = ", ".join(f"'{one}'" for one in PROTOCOLS)
    raise Invalid(
        f"Security group rule protocol {value} not supported. Only protocol values (None, 'any', {known}) and integer "
        "representations [0 to 255] are supported.",
        kind="SecurityGroupRuleInvalidProtocol",
    )


def number(protocol: str) -> int:
    return PROTOCOLS[protocol] if protocol in PROTOCOLS else int(protocol)


def port_number(name: str, value: Any) -> int | None:
    if value is None:
        return None
    try:
        if isinstance(value, bool) or len(str(value)) > 9:
            raise ValueError
        return int(value)
    except (TypeError, ValueError):
        raise _bad_port(value) from None


def _bad_port(value: Any) -> Invalid:
    return Invalid(f"Invalid value for port {value}", kind="SecurityGroupInvalidPortValue")


def ethertype(name: str, value: Any) -> str:
    for one in ("IPv4", "IPv6"):
        if isinstance(value, str) and value.lower() == one.lower():
            return one
    raise Invalid(
        f"Security group rule for ethertype '{value}' not supported. Allowed values are ['IPv4', 'IPv6'].",
        kind="SecurityGroupRuleInvalidEtherType",
    )


def prefix(name: str, value: Any) -> str | None:
    """A block of addresses as it was given; an address alone as a block of one."""
    if value is None or value == "":
        return None
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError
        block = ip_network(value, strict=False)
    except ValueError:
        raise Invalid(f"Invalid CIDR {value} given as IP prefix.", kind="InvalidCIDR") from None
    return value if "/" in value else str(block)


def check(rule: Rule) -> None:
    """Raises Invalid if the parts of a rule do not go together."""
    low, high = rule.port_range_min, rule.port_range_max
    if rule.protocol is None:
        if low is not None or high is not None:
            raise Invalid(
                "Must also specify protocol if port range is given.",
                kind="SecurityGroupProtocolRequiredWithPorts",
            )
    elif number(rule.protocol) in ICMP:
        _check_icmp(low, high)
    elif low is not None or high is not None:
        _check_ports(number(rule.protocol), low, high)
    if rule.protocol in ONLY_6 and rule.ethertype == "IPv4":
        name = "icmpv6" if rule.protocol == "ipv6-icmp" else rule.protocol
        raise Invalid(
            f"Invalid ethertype IPv4 for protocol {name}.",
            kind="SecurityGroupEthertypeConflictWithProtocol",
        )
    if rule.remote_ip_prefix is not None and rule.remote_group_id is not None:
        raise Invalid(
            "Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.",
            kind="SecurityGroupMultipleRemoteEntites",
        )
    if rule.remote_ip_prefix is not None:
        version = ip_network(rule.remote_ip_prefix, strict=False).version
        if rule.ethertype != f"IPv{version}":
            raise Invalid(
                f"Conflicting value ethertype {rule.ethertype} for CIDR {rule.remote_ip_prefix}",
                kind="SecurityGroupRuleParameterConflict",
            )


def _check_icmp(low: int | None, high: int | None) -> None:
    for what, value in (("type (port_range_min)", low), ("code (port_range_max)", high)):
        if value is not None and not 0 <= value <= 255:
            raise Invalid(
                f"Invalid value for ICMP {what} {value}. It must be 0 to 255.",
                kind="SecurityGroupInvalidIcmpValue",
            )
    if low is None and high is not None:
        raise Invalid(
            f"ICMP code (port-range-max) {high} is provided but ICMP type (port-range-min) is missing.",
            kind="SecurityGroupMissingIcmpType",
        )


def _check_ports(protocol: int, low: int | None, high: int | None) -> None:
    if protocol not in WITH_PORTS:
        raise Invalid(
            f"Ports cannot be specified for protocol {protocol}. Ports are only supported for DCCP, SCTP, TCP, UDP, "
            "UDPLITE.",
            kind="SecurityGroupInvalidProtocolForPort",
        )
    for value in (low, high):
        if value is not None and not 1 <= value <= 65535:
            raise _bad_port(value)
    if low is None or high is None or low > high:
        raise Invalid(
            "For TCP/UDP protocols, port_range_min must be <= port_range_max",
            kind="SecurityGroupInvalidPortRange",
        )
