"""The packet filter of a cloud on a host, as one nftables ruleset: who may send as whom, and the security groups.

    bridge  prerouting  a port sends with its own addresses only, and offers no DHCP
    bridge  input       nothing from a tenant's network reaches the host
    bridge  forward     where a packet comes from and goes to, as a mark: low half the sender, high half the receiver
    inet    prerouting  a tracking zone for each bridge: addresses of different networks overlap
    inet    forward     what the groups let out of the sender and into the receiver; answers always

Connection tracking does not exist in the bridge family everywhere, hence br_netfilter and the second table; and
there the receiver's port is unknown, hence the mark. Marks are a cloud's own: a bridge belongs to one cloud.
Source: nft(8); Network API reference, "Security groups".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from agents import names
from agents.commands import HostError, run
from agents.network.links import LINKS
from agents.network.ports import ANYWHERE, Network, is_v4
from events.compute.guest import Interface, Rule

CALL = Path("/proc/sys/net/bridge")
ZONES = 65536
DISCOVERY = "{ nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report }"


async def apply(ruleset: str) -> None:
    """Put `ruleset` in place of the cloud's former one, at once. Raises HostError."""
    if "forward" in ruleset:
        await _pass_bridged()
    await run("nft", "-f", "-", stdin=ruleset.encode())


async def _pass_bridged() -> None:
    """Have bridged packets pass the inet tables."""
    if not CALL.exists():
        await run("modprobe", "br_netfilter")
    for name in ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables"):
        path = CALL / name
        if path.read_text().strip() != "1":
            try:
                path.write_text("1")
            except OSError as error:
                raise HostError(f"{path} cannot be set: security groups would not hold.") from error


def index(bridge: str) -> int:
    """The number of `bridge` in the kernel, which no other link of the host has."""
    return int((LINKS / bridge / "ifindex").read_text())


def ruleset(cloud: str, networks: Iterable[Network], zone: Callable[[str], int] = index) -> str:
    """The cloud's whole ruleset; one that only removes it if nothing is plugged in."""
    networks = list(networks)
    table = names.table(cloud)
    lines = [
        line for family in ("bridge", "inet") for line in (f"table {family} {table}", f"delete table {family} {table}")
    ]
    if networks:
        ports = [port.interface for network in networks for port in network.ports.values()]
        secured = [interface for interface in ports if interface.port_security]
        filtered = [(number, interface) for number, interface in enumerate(secured, 1) if interface.rules is not None]
        lines += _bridge_table(cloud, secured, filtered)
        lines += _inet_table(cloud, networks, filtered, zone)
    return "\n".join([*lines, ""])


def _bridge_table(cloud: str, secured: list[Interface], filtered: list[tuple[int, Interface]]) -> Iterator[str]:
    yield f"table bridge {names.table(cloud)} {{"
    for interface in secured:
        yield f" chain {_chain('from', interface)} {{"
        yield from (f"  {line}" for line in _own_addresses(interface))
        yield " }"
    yield " chain prerouting { type filter hook prerouting priority -310;"
    yield from _ways("iifname", ((_tap(cloud, one), f"jump {_chain('from', one)}") for one in secured))
    yield " }"
    yield " chain input { type filter hook input priority -200;"
    tap, veth, _ = names.links(cloud)
    yield from (f'  iifname "{beginning}*" drop' for beginning in (tap, veth))
    yield " }"
    for number, interface in filtered:
        sender, receiver = _chain("sender", interface), _chain("receiver", interface)
        yield f" chain {sender} {{ meta mark set meta mark & 0xffff0000 | {number}; }}"
        yield f" chain {receiver} {{ meta mark set meta mark & 0x0000ffff | {number << 16}; }}"
    yield " chain forward { type filter hook forward priority -200;"
    for name, kind in (("iifname", "sender"), ("oifname", "receiver")):
        yield from _ways(name, ((_tap(cloud, one), f"jump {_chain(kind, one)}") for _, one in filtered))
    yield " }"
    yield "}"


def _ways(key: str, ways: Iterable[tuple[str, str]]) -> Iterator[str]:
    """A verdict by `key`, found at once however many there are."""
    if found := ", ".join(f"{value} : {verdict}" for value, verdict in ways):
        yield f"  {key} vmap {{ {found} }}"


def _tap(cloud: str, interface: Interface) -> str:
    return f'"{names.tap(cloud, interface.port)}"'


def _own_addresses(interface: Interface) -> Iterator[str]:
    """What a port may send. An address is asked for from 0.0.0.0 or ::, and by ARP before one has it."""
    macs = {interface.mac, *(mac for mac, _ in interface.allowed)}
    prefixes = [address.ip for address in interface.addresses] + [prefix for _, prefix in interface.allowed]
    v4 = [*_prefixes(prefixes, 4), ANYWHERE]
    v6 = [*_prefixes(prefixes, 6), *map(_link_local, sorted(macs)), "::"]
    yield f"ether saddr != {_set(sorted(macs))} drop"
    yield "ether type != { ip, ip6, arp } drop"
    yield f"arp saddr ether != {_set(sorted(macs))} drop"
    yield f"arp saddr ip != {_set(v4)} drop"
    yield f"ip saddr != {_set(v4)} drop"
    yield f"ip6 saddr != {_set(v6)} drop"
    yield "ip saddr 0.0.0.0 udp dport != 67 drop"
    yield "udp sport { 67, 547 } drop"
    yield "icmpv6 type nd-router-advert drop"


def _inet_table(
    cloud: str, networks: list[Network], filtered: list[tuple[int, Interface]], zone: Callable[[str], int]
) -> Iterator[str]:
    yield f"table inet {names.table(cloud)} {{"
    for _, interface in filtered:
        for direction, verdict in (("egress", "return"), ("ingress", "accept")):
            yield f" chain {_chain(direction, interface)} {{"
            rules = (rule for rule in interface.rules or () if rule.direction == direction)
            yield from (f"  {match} {verdict}" for match in dict.fromkeys(filter(None, map(_match, rules))))
            yield "  drop"
            yield " }"
    yield " chain zone { type filter hook prerouting priority -300;"
    for network in networks:
        bridge = names.bridge(cloud, network.id)
        yield f'  iifname "{bridge}" ct zone set {zone(bridge) % ZONES}'
    yield " }"
    yield " chain forward { type filter hook forward priority 0;"
    yield f'  iifname != "{names.links(cloud)[2]}*" accept'
    yield "  ct state established,related accept"
    yield "  udp sport 67 udp dport 68 accept"
    yield "  udp sport 68 udp dport 67 accept"
    yield f"  icmpv6 type {DISCOVERY} accept"
    if filtered:
        yield "  meta mark != 0 ct state invalid drop"
        for mask, shift, verdict, kind in ((0xFFFF, 0, "jump", "egress"), (0xFFFF0000, 16, "goto", "ingress")):
            ways = ((f"{number << shift:#x}", f"{verdict} {_chain(kind, one)}") for number, one in filtered)
            yield from _ways(f"meta mark & {mask:#x}", ways)
    yield " }"
    yield "}"


def _match(rule: Rule) -> str | None:
    """The condition of a rule; None if it can never hold."""
    v4 = rule.ethertype == "IPv4"
    parts = [f"meta nfproto {'ipv4' if v4 else 'ipv6'}"]
    if rule.remote is not None:
        remote = _prefixes(rule.remote, 4 if v4 else 6)
        if not remote:
            return None
        side = "saddr" if rule.direction == "ingress" else "daddr"
        parts.append(f"{'ip' if v4 else 'ip6'} {side} {_set(remote)}")
    protocol = {"icmpv6": "ipv6-icmp"}.get(rule.protocol or "", rule.protocol)
    if protocol in ("icmp", "1") and not v4:
        protocol = "ipv6-icmp"
    if protocol is not None and protocol not in ("any", "0"):
        parts.append(f"meta l4proto {protocol}")
        if rule.port_min is not None:
            parts.append(_ports(protocol, rule))
    return " ".join(parts)


def _ports(protocol: str, rule: Rule) -> str:
    if protocol in ("icmp", "1", "ipv6-icmp", "58"):
        word = "icmp" if protocol in ("icmp", "1") else "icmpv6"
        code = "" if rule.port_max is None else f" {word} code {rule.port_max}"
        return f"{word} type {rule.port_min}{code}"
    last = rule.port_min if rule.port_max is None else rule.port_max
    return f"th dport {rule.port_min}-{last}"


def _prefixes(prefixes: Iterable[str], version: int) -> list[str]:
    """Those of the IP version, without overlaps: nft's sets take none."""
    ranges = [ipaddress.ip_network(prefix, strict=False) for prefix in prefixes if is_v4(prefix) == (version == 4)]
    if version == 4:
        return [str(one) for one in ipaddress.collapse_addresses(one for one in ranges if one.version == 4)]
    return [str(one) for one in ipaddress.collapse_addresses(one for one in ranges if one.version == 6)]


def _link_local(mac: str) -> str:
    """Source: RFC 4291, appendix A."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
    return str(ipaddress.IPv6Address(bytes.fromhex("fe80000000000000") + identifier))


def _chain(kind: str, interface: Interface) -> str:
    return f"{kind}_{interface.port.replace('-', '_')}"


def _set(members: Iterable[str]) -> str:
    return f"{{ {', '.join(dict.fromkeys(members))} }}"
