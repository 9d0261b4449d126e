"""What a cloud's things are called on a host: every name bears the cloud's id, so that clouds share a machine.

An interface's name has 15 characters: a letter, the cloud (8 hexadecimal digits), 6 characters (36 bits) of a
hash of the port's or network's id.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

RUN = Path("/run/cumulog")  # a folder per cloud that has something on this host: networks, until the host restarts


def _short(id: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(id.encode()).digest())[:6].decode()


def tap(cloud: str, port: str) -> str:
    """The tap device of a port."""
    return f"t{cloud}{_short(port)}"


def bridge(cloud: str, network: str) -> str:
    """The bridge of a network."""
    return f"b{cloud}{_short(network)}"


def veth(cloud: str, network: str) -> str:
    """The bridge's leg into the namespace of a network."""
    return f"v{cloud}{_short(network)}"


def namespace(cloud: str, network: str) -> str:
    """The namespace in which a network's DHCP and metadata are served."""
    return f"cumulog-{cloud}-{network}"


def domain(cloud: str, server: str) -> str:
    """The libvirt domain of a server."""
    return f"cumulog-{cloud}-{server}"


def table(cloud: str) -> str:
    """The nftables table of a cloud."""
    return f"cumulog_{cloud}"


def domains(cloud: str) -> str:
    """How the names of a cloud's domains and namespaces begin."""
    return f"cumulog-{cloud}-"


def links(cloud: str) -> tuple[str, ...]:
    """How the names of a cloud's interfaces begin."""
    return (f"t{cloud}", f"v{cloud}", f"b{cloud}")


def mac(network: str) -> str:
    """The address of a network's DHCP and metadata server on the wire: the same whenever and wherever it is made."""
    digest = hashlib.sha256(network.encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x0E, *digest[:5]))
