"""The ports of a server: made when it is placed, given back when it is gone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from events.compute.host import Host
from events.compute.server import Attachment, Server
from events.decider import Step, Stride
from events.fold import Fold
from events.ids import derived
from events.network import port as ports
from events.network import security_group as groups
from events.network.port import ChangePort, Port
from events.refusals import Conflict, NotFound
from handlers.runner import Sight
from projections.network.addresses import Wanted
from projections.network.network import usable
from projections.network.port import NewPort, steps_to_create, steps_to_delete


def ids(fold: Fold, server: Server) -> tuple[str, ...]:
    """The ports that a server is to have, in order."""
    return tuple(_id(server, i, one) for i, one in enumerate(attachments(fold, server)))


def _id(server: Server, index: int, attachment: Attachment) -> str:
    return attachment.port or derived(server.id, "port", str(index))


def attachments(fold: Fold, server: Server) -> tuple[Attachment, ...]:
    """What was asked for; with `auto`, the one network that the project has. Raises Conflict."""
    if not any(one.auto for one in server.attachments):
        return server.attachments
    own = usable(fold, server.project)
    if len(own) > 1:
        raise Conflict("Multiple possible networks found, use a Network ID to be more specific.", kind="ambiguous")
    return tuple(Attachment(network=network.id) for network in own)


def steps_to_attach(sight: Sight, server: Server, host: Host, now: datetime) -> Iterator[Stride]:
    """What gives `server` its ports on `host`, one by one. Raises Refusals if it cannot be."""
    owner = f"compute:{host.zone}"
    for i, one in enumerate(attachments(sight.fold, server)):
        if one.port is not None:
            yield _bound(sight.fold, server, one.port, host, owner)
        else:
            assert one.network is not None, "an attachment names a port or a network"
            new = NewPort(
                id=_id(server, i, one),
                project=server.project,
                network=one.network,
                device_id=server.id,
                device_owner=owner,
                host=host.id,
                fixed_ips=(Wanted(ip=one.fixed_ip),) if one.fixed_ip else None,
                security_groups=_groups(sight.fold, server),
            )
            yield from steps_to_create(sight.fold, new, now=now, rng=sight.random)


def _bound(fold: Fold, server: Server, id: str, host: Host, owner: str) -> Step:
    port = fold.get(ports, id)
    if port is None:
        raise ports.not_found(id)
    if port.device_id not in ("", server.id):
        raise Conflict(f"Port {id} is still in use.", kind="PortInUse")
    # Not undone if a later step is refused: another process may be placing the server with it. See leftovers.py.
    bind = ChangePort(id=id, seen=port.revision, device_id=server.id, device_owner=owner, host=host.id)
    return Step(ports, bind)


def _unbinding(port: Port) -> ChangePort:
    return ChangePort(id=port.id, seen=port.revision, device_id="", device_owner="", host="")


def _groups(fold: Fold, server: Server) -> tuple[str, ...] | None:
    """The security groups that were asked for, by id or name; None: the project's default one. Raises NotFound."""
    if server.security_groups in ((), ("default",)):
        return None
    by_name = {group.name: group.id for group in fold.by(groups, "project", server.project)}
    found = []
    for asked in server.security_groups:
        group = fold.get(groups, asked)
        id = asked if group is not None and group.project == server.project else by_name.get(asked)
        if id is None:
            raise NotFound(f"Security group {asked} not found.")
        found.append(id)
    return tuple(found)


def steps_to_detach(fold: Fold, server: Server) -> Iterator[Stride]:
    """What takes them away: those made for the server are deleted, those it was given are let go."""
    given = {one.port for one in server.attachments if one.port}
    for port in fold.by(ports, "device_id", server.id):
        if port.id in given:
            yield Step(ports, _unbinding(port))
        else:
            yield from steps_to_delete(port)
