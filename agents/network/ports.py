"""What is plugged in on this host, by network: kept under /run, as long as the kernel keeps the devices themselves.

Pure questions about a network's ports: its subnets, its name on the wire, who has an address.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path

import msgspec
from msgspec import Struct

from events.compute.guest import Address, Interface

METADATA_IP = "169.254.169.254"
ANYWHERE = "0.0.0.0"  # noqa: S104 - an address in documents, bound by nobody


class Port(Struct, frozen=True):
    """An interface and the server it belongs to."""

    server: str
    hostname: str
    interface: Interface


class Network(Struct, frozen=True):
    """A network with at least one port here."""

    id: str
    ports: dict[str, Port]  # by port id

    @property
    def mtu(self) -> int:
        """Octets; the smallest any port wants."""
        return min(port.interface.mtu for port in self.ports.values())

    @property
    def dhcp_ip(self) -> str | None:
        """The address of the DHCP server, if there is one."""
        return next((port.interface.dhcp_ip for port in self.ports.values() if port.interface.dhcp_ip), None)

    def subnets(self) -> list[Address]:
        """One address of each IPv4 subnet, the oldest name first: it bears what the subnet's guests are told."""
        found: dict[str, Address] = {}
        for port in self.ports.values():
            for address in port.interface.addresses:
                if is_v4(address.ip):
                    found.setdefault(address.subnet, address)
        return [found[subnet] for subnet in sorted(found)]

    def leg(self) -> str | None:
        """The DHCP server's address with its prefix: in one of the subnets if it was given one, else the metadata's.

        None if nobody is served.
        """
        for address in self.subnets():
            if self.dhcp_ip and ipaddress.ip_address(self.dhcp_ip) in subnet_of(address):
                return f"{self.dhcp_ip}/{address.prefix}"
        return f"{METADATA_IP}/32" if any(address.dhcp for address in self.subnets()) else None

    def port_of(self, ip: str) -> Port | None:
        """The port that has the address `ip`."""
        for port in self.ports.values():
            if any(address.ip == ip for address in port.interface.addresses):
                return port
        return None


def is_v4(ip: str) -> bool:
    """Whether `ip` is an IPv4 address."""
    return ":" not in ip


def subnet_of(address: Address) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """The subnet's range of addresses."""
    return ipaddress.ip_network(f"{address.ip}/{address.prefix}", strict=False)


def load(folder: Path) -> dict[str, Network]:
    """The networks kept in `folder`."""
    networks = (msgspec.json.decode(path.read_bytes(), type=Network) for path in folder.glob("*/ports.json"))
    return {network.id: network for network in networks}


def save(folder: Path, network: Network) -> None:
    """Keep `network` in `folder`."""
    write(folder / network.id / "ports.json", msgspec.json.encode(network))


def write(path: Path, content: bytes) -> bool:
    """Make `path` hold `content`, never half of it; whether that is a change."""
    if path.exists() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o755)  # whatever the umask: dnsmasq, who is nobody, reads it
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.chmod(0o644)
    part.replace(path)
    return True
