"""What compute needs to know of networks, ports and security groups: a few functions."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from events.compute.server import Attachment, Server
from gateway.serving import Call


class Address(Struct, gc=False):
    """An address of a server on a network."""

    version: int
    addr: str
    mac: str
    kind: str = "fixed"


class Port(Struct, gc=False, kw_only=True):
    """A port of a server."""

    id: str
    network: str
    network_name: str
    mac: str
    status: str
    tag: str | None = None
    fixed_ips: tuple[tuple[str, str], ...] = ()  # (subnet, address)
    floating_ips: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()  # names of its security groups


def ports(call: Call, server: Server) -> list[Port]:
    """The ports of a server, in the order in which they were asked for."""
    return []


def check(call: Call, wanted: tuple[Attachment, ...]) -> tuple[Attachment, ...]:
    """The interfaces of a new server as they can be had. Raises Invalid, Conflict."""
    return wanted


def automatic(call: Call) -> tuple[Attachment, ...]:
    """The interfaces of a server whose owner named none: the project's only network, if there is one.

    Raises Conflict if there are several.
    """
    return ()


def check_groups(call: Call, names: tuple[str, ...]) -> tuple[str, ...]:
    """The security groups by their names. Raises Invalid."""
    return names


def stamp(call: Call, server: Server) -> Any:
    """What changes whenever the server's ports do."""
    return ()
