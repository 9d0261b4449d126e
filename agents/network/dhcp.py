"""DHCP for a network's ports on this host: a dnsmasq inside the network's namespace, told every address in advance.

Only known ports are answered, and always with the same address; so there is nothing to remember, and no lease file.
Source: RFC 2132; RFC 3442 (option 121: the routes, also to the metadata service); dnsmasq(8).
"""

from __future__ import annotations

import ipaddress
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

from agents.commands import end, run, running
from agents.network.ports import ANYWHERE, METADATA_IP, Network, Port, is_v4, subnet_of, write
from events.compute.guest import Address

LEASE = "24h"


async def ensure(folder: Path, namespace: str, network: Network) -> None:
    """Have the ports of `network` served; files lie in `folder`. Raises HostError."""
    leg = network.leg()
    if leg is None:
        await stop(folder)
        return
    config = folder / "dnsmasq.conf"
    new_config = write(config, _lines(_config(folder, network, leg)))
    new_hosts = write(folder / "hosts", _lines(filter(None, map(host, network.ports.values()))))
    new_options = write(folder / "options", _lines(options(network)))
    pid = running(folder / "dnsmasq.pid", str(config))
    if pid is not None and new_config:
        await end(pid)
        pid = None
    if pid is None:
        await run("ip", "netns", "exec", namespace, "dnsmasq", f"--conf-file={config}")
    elif new_hosts or new_options:
        os.kill(pid, signal.SIGHUP)


def serves(folder: Path, network: Network) -> bool:
    """Whether DHCP is served as it should be, as far as processes tell."""
    return network.leg() is None or running(folder / "dnsmasq.pid", str(folder / "dnsmasq.conf")) is not None


async def stop(folder: Path) -> None:
    """End the dnsmasq whose files lie in `folder`. Raises HostError."""
    pid = running(folder / "dnsmasq.pid", str(folder / "dnsmasq.conf"))
    if pid is not None:
        await end(pid)


def _config(folder: Path, network: Network, leg: str) -> Iterator[str]:
    yield from ("port=0", "interface=ns0", "except-interface=lo", "bind-interfaces", "no-hosts", "no-resolv", "no-ping")
    yield from ("dhcp-authoritative", "dhcp-ignore=tag:!known", "leasefile-ro")
    yield f"pid-file={folder / 'dnsmasq.pid'}"
    yield f"dhcp-hostsfile={folder / 'hosts'}"
    yield f"dhcp-optsfile={folder / 'options'}"
    for address in _served(network):
        subnet = subnet_of(address)
        yield f"dhcp-range=set:{_tag(address)},{subnet.network_address},static,{subnet.netmask},{LEASE}"
        if ipaddress.ip_address(leg.partition("/")[0]) not in subnet:
            yield f"shared-network=ns0,{subnet.network_address}"


def options(network: Network) -> Iterator[str]:
    """What all guests of `network` are told, by subnet."""
    yield f"option:mtu,{network.mtu}"
    for address in _served(network):
        tag = f"tag:{_tag(address)}"
        here = network.dhcp_ip and ipaddress.ip_address(network.dhcp_ip) in subnet_of(address)
        routes = [(f"{METADATA_IP}/32", network.dhcp_ip if here else ANYWHERE), *address.routes]
        if address.gateway:
            routes.append(("0.0.0.0/0", address.gateway))  # who heeds option 121 forgets option 3
        yield f"{tag},option:classless-static-route,{','.join(f'{to},{via}' for to, via in routes if is_v4(to))}"
        # With nothing after it an option is left out, where dnsmasq would have named itself.
        yield f"{tag},option:router{''.join(f',{ip}' for ip in (address.gateway,) if ip)}"
        yield f"{tag},option:dns-server{''.join(f',{ip}' for ip in address.dns if is_v4(ip))}"


def host(port: Port) -> str | None:
    """The address of `port`; None if it has none to be told."""
    address = next((address for address in port.interface.addresses if address.dhcp and is_v4(address.ip)), None)
    if address is None:
        return None
    hostname = re.sub(r"[^a-z0-9-]+", "-", port.hostname.partition(".")[0].lower()).strip("-")[:63]
    return ",".join(filter(None, (port.interface.mac, address.ip, hostname, LEASE)))


def _served(network: Network) -> list[Address]:
    return [address for address in network.subnets() if address.dhcp]


def _tag(address: Address) -> str:
    return "s" + re.sub(r"\W", "", address.subnet)


def _lines(lines: Iterator[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
