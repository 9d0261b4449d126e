"""The order for a server: the guest that its host is to hold."""

from __future__ import annotations

import msgspec

from events.compute import server as servers
from events.compute.guest import Guest, Interface
from events.compute.server import Server
from events.fold import Fold
from events.subjects import prefix_of
from handlers.orders import Order

PREFIX = prefix_of(servers.__name__)


def order(fold: Fold, key: str) -> Order | None:
    """What its host is to do about a server; None if it has none, or is rid of it."""
    known = fold.known(servers, key)
    if known is None or known.state.host is None or known.state.removed or known.state.deleted:
        return None
    server = known.state
    guest = msgspec.json.encode(guest_of(fold, server))
    return Order(host=server.host or "", kind="server", id=server.id, data=guest, sequence=known.sequence)


def unsettled(fold: Fold) -> list[str]:
    """The servers that something is being done with."""
    return [
        server.id
        for phase in ("build", "start", "stop", "reboot", "remove")
        for server in fold.by(servers, "phase", phase)
    ]


def guest_of(fold: Fold, server: Server) -> Guest:
    """The server as its host needs to know it."""
    return Guest(
        id=server.id,
        name=server.name,
        hostname=server.hostname,
        project=server.project,
        wanted=server.wanted,
        generation=server.generation,
        reboot=server.reboot,
        built=server.launched_at is not None,
        vcpus=server.size.vcpus,
        ram=server.size.ram,
        disk=server.size.disk,
        image=server.image,
        image_format=server.image_properties.get("disk_format", "qcow2"),
        image_checksum=server.image_properties.get("os_hash_value"),
        interfaces=interfaces(fold, server),
    )


def interfaces(fold: Fold, server: Server) -> tuple[Interface, ...]:
    """The server's ports as the host sees them."""
    return ()
