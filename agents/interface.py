"""A port as a host sees it: what compute and network agents both speak of."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Address(Struct, frozen=True, gc=False, kw_only=True):
    """An address of an interface, with what DHCP tells the guest about its subnet."""

    ip: str
    prefix: int  # length of the subnet's prefix, bits
    subnet: str
    gateway: str | None = None
    dns: tuple[str, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()  # (destination, next hop)
    dhcp: bool = True


class Rule(Struct, frozen=True, gc=False, kw_only=True):
    """What a security group lets through; what no rule names is dropped, answers to what was let through are not."""

    direction: Literal["ingress", "egress"]
    ethertype: Literal["IPv4", "IPv6"] = "IPv4"
    protocol: str | None = None  # a name or a number; None: any
    port_min: int | None = None  # of ICMP: the type
    port_max: int | None = None  # of ICMP: the code
    remote: tuple[str, ...] | None = None  # prefixes or addresses of the other side; None: anybody, (): nobody


class Interface(Struct, frozen=True, gc=False, kw_only=True):
    """A port as the host sees it."""

    port: str
    mac: str
    network: str
    mtu: int = 1450
    dhcp_ip: str | None = None  # the address of the network's DHCP and metadata server, the same on each host
    addresses: tuple[Address, ...] = ()
    port_security: bool = True  # no other sender's address than `mac`, `addresses` and `allowed`
    allowed: tuple[tuple[str, str], ...] = ()  # (MAC, prefix): address pairs it may use besides its own
    rules: tuple[Rule, ...] | None = None  # of its security groups; None: no filter, (): nothing gets through
