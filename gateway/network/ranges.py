"""What a subnet is made of: its block, gateway, pools, routes, name servers - read, completed, and checked.

Source: Networking API reference, "Subnets".
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import pairwise
from typing import Any

from events.network.subnet import HostRoute, Pool
from events.refusals import Conflict, Invalid
from gateway.network.attributes import address, bad, wrong

Block = IPv4Network | IPv6Network

MODES = ("dhcpv6-stateful", "dhcpv6-stateless", "slaac")
MOST_NAMESERVERS = 5
MOST_ROUTES = 20
MOST_POOLS = 100


def keys(name: str, value: Any, *expected: str) -> None:
    """Raises Invalid if an object has other members than these."""
    if set(value) != set(expected):
        wanted, given = ("{" + ", ".join(f"'{key}'" for key in some) + "}" for some in (expected, value))
        raise bad(name, f"Validation of dictionary's keys failed. Expected keys: {wanted} Provided keys: {given}")


def pools(name: str, value: Any) -> tuple[Pool, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise wrong("Invalid data format for allocation pools")
    if len(value) > MOST_POOLS:
        raise bad(name, f"more than {MOST_POOLS} pools")
    for one in value:
        keys(name, one, "start", "end")
    return tuple(Pool(address(name, one["start"]), address(name, one["end"])) for one in value)


def routes(name: str, value: Any) -> tuple[HostRoute, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise bad(name, f"Invalid data format for hostroute: '{value}'")
    found: list[HostRoute] = []
    for one in value:
        keys(name, one, "nexthop", "destination")
        try:
            if not isinstance(one["destination"], str) or "/" not in one["destination"]:
                raise ValueError
            destination = str(ip_network(one["destination"]))
        except ValueError:
            raise bad(name, f"'{one['destination']}' is not a valid CIDR") from None
        route = HostRoute(destination, address(name, one["nexthop"]))
        if route in found:
            raise bad(name, f"Duplicate hostroute '{one}'")
        found.append(route)
    if len(found) > MOST_ROUTES:
        text = "Unable to complete operation for new subnet. The number of host routes exceeds the limit"
        raise Invalid(f"{text} {MOST_ROUTES}.", kind="HostRoutesExhausted")
    return tuple(found)


def nameservers(name: str, value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, (list, str)):
        raise bad(name, f"Invalid data format for nameserver: '{value}'")
    found: list[str] = []
    for one in value:
        try:
            if not isinstance(one, str) or "%" in one:
                raise ValueError
            server = str(ip_address(one))
        except ValueError:
            raise bad(name, f"'{one}' is not a valid nameserver. '{one}' is not a valid IP address") from None
        if server in found:
            raise bad(name, f"Duplicate nameserver '{one}'")
        found.append(server)
    if len(found) > MOST_NAMESERVERS:
        text = "Unable to complete operation for new subnet. The number of DNS nameservers exceeds the limit"
        raise Invalid(f"{text} {MOST_NAMESERVERS}.", kind="DNSNameServersExhausted")
    return tuple(found)


def of_version(version: int, what: str, values: Any) -> None:
    """Raises Invalid if one of the addresses is of another IP version."""
    for value in values:
        if ip_network(value, strict=False).version != version:
            raise wrong(f"{what} '{value}' does not match the ip_version '{version}'")


def check_block(block: Block, enable_dhcp: bool) -> None:
    """Raises Invalid if hosts could not live on it."""
    if not enable_dhcp:
        return
    if block.num_addresses <= 2:
        raise wrong("Subnet has a prefix length that is incompatible with DHCP service enabled")
    if block.is_multicast:
        raise wrong("Multicast IP subnet is not supported if enable_dhcp is True")
    if block.is_loopback:
        raise wrong("Loopback IP subnet is not supported if enable_dhcp is True")
    if block.version == 4 and int(block.network_address) >> 24 == 0:
        raise wrong(f"First IP '{block.network_address}' of network is not supported if enable_dhcp is True.")


def check_modes(version: int, enable_dhcp: bool, ra: str | None, mode: str | None, block: Block) -> None:
    """Raises Invalid if the ways in which hosts learn their addresses do not go together."""
    if version == 4:
        for name, value in (("ipv6_ra_mode", ra), ("ipv6_address_mode", mode)):
            if value is not None:
                raise wrong(f"{name} is not valid when ip_version is 4")
        return
    if (ra or mode) and not enable_dhcp:
        raise wrong("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False")
    if ra and mode and ra != mode:
        raise wrong(
            f"ipv6_ra_mode set to '{ra}' with ipv6_address_mode set to '{mode}' is not valid. If both attributes are "
            "set, they must be the same value"
        )
    if (mode or ra) in ("slaac", "dhcpv6-stateless") and block.prefixlen != 64:
        raise wrong(
            f"Invalid CIDR {block} for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the "
            "prefix to be /64"
        )


def first_host(block: Block) -> str:
    """The gateway, if none is named: the first address that a host may have."""
    first = block.network_address
    return str(first + 1 if block.version == 4 and block.num_addresses > 2 else first)


def usable(block: Block) -> tuple[int, int]:
    """The first and the last address that a host may have."""
    first, last = int(block.network_address), int(block.broadcast_address)
    if block.version == 4:
        return (first + 1, last - 1) if block.num_addresses > 2 else (first, last)
    return (first + 1, last) if block.num_addresses > 2 else (first, last)


def check_gateway(block: Block, gateway: str | None) -> None:
    """Raises Invalid if it is no host's address. It need not be of the block."""
    ends = (block.network_address, block.broadcast_address)
    if gateway is not None and block.version == 4 and block.num_addresses > 2 and ip_address(gateway) in ends:
        raise wrong("Gateway is not valid on subnet")


def all_but(block: Block, gateway: str | None) -> tuple[Pool, ...]:
    """The pools, if none are named: all but the gateway."""
    first, last = usable(block)
    kind = type(block.network_address)
    hole = int(ip_address(gateway)) if gateway is not None and ip_address(gateway) in block else None
    if hole is None or not first <= hole <= last:
        spans = [(first, last)]
    else:
        spans = [(first, hole - 1), (hole + 1, last)]
    return tuple(Pool(str(kind(start)), str(kind(end))) for start, end in spans if start <= end)


def check_pools(block: Block, given: tuple[Pool, ...], gateway: str | None) -> tuple[Pool, ...]:
    """The pools in order. Raises Invalid, Conflict."""
    first, last = usable(block)
    ordered = []
    for pool in given:
        start, end = ip_address(pool.start), ip_address(pool.end)
        if start.version != block.version or end.version != start.version or int(start) > int(end):
            text = f"The allocation pool {{'start': '{pool.start}', 'end': '{pool.end}'}} is not valid."
            raise Invalid(text, kind="InvalidAllocationPool")
        if int(start) < first or int(end) > last:
            text = f"The allocation pool {pool.start}-{pool.end} spans beyond the subnet cidr {block}."
            raise Invalid(text, kind="OutOfBoundsAllocationPool")
        ordered.append((int(start), int(end), pool))
    ordered.sort(key=lambda one: one[:2])
    for (_, high, one), (low, _, other) in pairwise(ordered):
        if low <= high:
            text = f"{one.start}-{one.end} {other.start}-{other.end} for subnet {block}."
            raise Conflict(f"Found overlapping allocation pools: {text}", kind="OverlappingAllocationPools")
    sorted_pools = tuple(pool for _, _, pool in ordered)
    keep_gateway_out(sorted_pools, gateway)
    return sorted_pools


def keep_gateway_out(given: tuple[Pool, ...], gateway: str | None) -> None:
    """Raises Conflict if the gateway's address would be given out."""
    if gateway is None:
        return
    one = ip_address(gateway)
    for pool in given:
        start, end = ip_address(pool.start), ip_address(pool.end)
        if one.version == start.version and int(start) <= int(one) <= int(end):
            text = f"Gateway ip {gateway} conflicts with allocation pool {pool.start}-{pool.end}."
            raise Conflict(text, kind="GatewayConflictWithAllocationPools")
