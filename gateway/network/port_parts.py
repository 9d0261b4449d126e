"""The parts of a port's document: fixed addresses, further addresses, DHCP options, and the filter on addresses."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_interface
from typing import Any

from msgspec import Struct

from events.network.port import DhcpOption, Pair, Port
from events.network.standard import MOST_TAGS
from events.refusals import Invalid
from gateway.network.attributes import address, bad, mac, text, uuid, wrong
from gateway.serving import Call
from projections.network.addresses import Wanted, free_mac
from projections.network.port import RANDOM

MOST_PAIRS = 10
MOST_ADDRESSES = 100
MOST_OPTIONS = 50


class Option(Struct, frozen=True):
    """A DHCP option as given; without a value it is to be taken away."""

    name: str
    value: str | None
    version: int = 4


def fixed_ips(name: str, value: Any) -> tuple[Wanted, ...]:
    if not isinstance(value, list):
        raise bad(name, f"Invalid data format for fixed IP: '{value}'")
    if len(value) > MOST_ADDRESSES:
        raise bad(name, f"more than {MOST_ADDRESSES} addresses")
    found: list[Wanted] = []
    for one in value:
        if not isinstance(one, dict):
            raise bad(name, f"Invalid data format for fixed IP: '{one}'")
        ip = address(name, one["ip_address"]) if "ip_address" in one else None
        if ip is not None and any(ip == other.ip for other in found):
            raise bad(name, f"Duplicate IP address '{ip}'")
        found.append(Wanted(uuid(name, one["subnet_id"]) if "subnet_id" in one else None, ip))
    return tuple(found)


def show_fixed_ips(call: Call, port: Port) -> list[dict[str, str]]:
    return [{"subnet_id": one.subnet, "ip_address": one.ip} for one in port.addresses]


def address_pairs(name: str, value: Any) -> tuple[Pair, ...]:
    """Further addresses; with an empty MAC address where none is named."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise Invalid("Allowed address pairs must be a list.")
    if len(value) > MOST_PAIRS:
        raise Invalid(
            f"The number of allowed address pair exceeds the maximum {MOST_PAIRS}.", kind="AllowedAddressPairExhausted"
        )
    found: list[Pair] = []
    for one in value:
        if not isinstance(one, dict):
            raise bad(name, f"'{one}' is not a dictionary")
        pair = _pair(one)
        if pair in found:
            text = f"mac_address {pair.mac or None} ip_address {pair.ip}"
            raise Invalid(f"Request contains duplicate address pair: {text}.", kind="DuplicateAddressPairInRequest")
        found.append(pair)
    return tuple(found)


def _pair(one: dict[str, Any]) -> Pair:
    if "ip_address" not in one:
        raise Invalid("AllowedAddressPair must contain ip_address", kind="AllowedAddressPairsMissingIP")
    unknown = sorted(set(one) - {"ip_address", "mac_address"})
    if unknown:
        raise Invalid(f"Unrecognized attribute(s) '{', '.join(unknown)}'")
    ip, own = one["ip_address"], one.get("mac_address")
    try:
        if not isinstance(ip, str) or "%" in ip:
            raise ValueError
        block = ip_interface(ip)
    except ValueError:
        raise Invalid(f"'{ip}' is not a valid IP address") from None
    if block.ip.is_multicast:
        raise Invalid(f"IP {ip} is a multicast address, which is not supported.")
    try:
        return Pair(ip=ip, mac="" if own is None else mac("mac_address", own))
    except Invalid:
        raise Invalid(f"'{own}' is not a valid MAC address") from None


def show_pairs(call: Call, port: Port) -> list[dict[str, str]]:
    return [{"mac_address": pair.mac, "ip_address": pair.ip} for pair in port.pairs]


def dhcp_options(name: str, value: Any) -> tuple[Option, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise wrong(f"'{value}' is not a list")
    if len(value) > MOST_OPTIONS:
        raise bad(name, f"more than {MOST_OPTIONS} options")
    return tuple(_option(one) for one in value)


def _option(one: Any) -> Option:
    known = isinstance(one, dict) and {"opt_name", "opt_value"} <= set(one) <= {"opt_name", "opt_value", "ip_version"}
    if known:
        name, value, version = one["opt_name"], one["opt_value"], one.get("ip_version", 4)
        if version in ("4", "6"):
            version = int(version)
        texts = (isinstance(name, str) and 0 < len(name) <= 64) and (
            value is None or (isinstance(value, str) and len(value) <= 255)
        )
        if texts and not isinstance(version, bool) and version in (4, 6):
            return Option(name, value, version)
    raise wrong(f"No valid key specs matched for: {one}")


def merged(old: tuple[DhcpOption, ...], given: tuple[Option, ...]) -> tuple[DhcpOption, ...]:
    """The options with those that are given put in, or taken out if they have no value."""
    options = {(one.name, one.version): one for one in old}
    for one in given:
        if one.value is None:
            options.pop((one.name, one.version), None)
        else:
            options[one.name, one.version] = DhcpOption(one.name, one.value, one.version)
    return tuple(options.values())


def show_options(call: Call, port: Port) -> list[dict[str, Any]]:
    return [{"opt_name": one.name, "opt_value": one.value, "ip_version": one.version} for one in port.dhcp_options]


def tags(value: Any) -> tuple[str, ...]:
    """The tags of a new resource. Raises Invalid."""
    if not isinstance(value, list):
        raise wrong(f"'{value}' is not a list")
    if len(value) > MOST_TAGS:
        raise Invalid(
            f"Bad ports request: The number of tags exceed the per-resource limit of {MOST_TAGS}.", kind="BadRequest"
        )
    return tuple(dict.fromkeys(text()("tags", one) for one in value))


def another_mac(call: Call, network: str) -> str:
    """A new MAC address, if the caller asks for any other."""
    return free_mac(call.fold, network, RANDOM)


def by_fixed_ips(values: list[str]) -> Callable[[Call, Any], bool]:
    """`fixed_ips=ip_address=...`, `subnet_id=...`, `ip_address_substr=...`: of one key any value, all of the keys."""
    wanted: dict[str, set[str]] = {}
    for value in values:
        key, equals, rest = value.partition("=")
        if not equals:
            raise wrong(f"'{value}' is not of the form <key>=[value]")
        wanted.setdefault(key, set()).add(rest)

    def test(call: Call, port: Port) -> bool:
        if "ip_address" in wanted and not any(one.ip in wanted["ip_address"] for one in port.addresses):
            return False
        if "subnet_id" in wanted and not any(one.subnet in wanted["subnet_id"] for one in port.addresses):
            return False
        parts = wanted.get("ip_address_substr")
        return not parts or any(part in one.ip for one in port.addresses for part in parts)

    return test
