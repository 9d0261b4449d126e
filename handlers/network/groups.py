"""The orders for security groups: who their members are, told to the hosts whose filters ask for it.

One order for each group and host, whatever the number of servers there: a member more or less is one entry changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from events.fold import Change, Fold
from events.network import port as ports
from events.network import security_group as groups
from events.network.port import Port
from events.subjects import prefix_of, split
from handlers.orders import Order

KIND = "security_group"
PURGES = True
PAUSE = 1.0  # seconds: many servers that come at once are one change, told once to each host
PORT, GROUP = prefix_of(ports.__name__), prefix_of(groups.__name__)


def touched(fold: Fold, change: Change) -> Iterable[str]:
    """The groups whose members, or whose readers, may differ after a change."""
    prefix, _ = split(change.subject)
    if prefix == GROUP:
        return change.after.state.remote_groups if change.before is not None else ()
    if prefix == PORT:
        before = change.before.state if change.before else None
        return _of_port(fold, before, None if change.after.state.deleted else change.after.state)
    return ()


def _of_port(fold: Fold, before: Port | None, after: Port | None) -> Iterable[str]:
    if before and after and (before.ips, before.groups, before.host) == (after.ips, after.groups, after.host):
        return ()
    own = [group for port in (before, after) if port is not None for group in port.groups]
    read = [remote for id in own if (group := fold.get(groups, id)) for remote in group.remote_groups]
    return dict.fromkeys((*own, *read))


def orders(fold: Fold, key: str) -> list[Order]:
    """The members of a group, for each host that has a port whose rules speak of it."""
    hosts = dict.fromkeys(port.host for port in _readers(fold, key) if port.host)
    if not hosts:
        return []
    members = sorted({ip for port in fold.by(ports, "groups", key) for ip in port.ips})
    data = msgspec.json.encode(members)
    return [Order(host=host, kind=KIND, id=key, data=data, sequence=fold.position) for host in hosts]


def _readers(fold: Fold, key: str) -> Iterator[Port]:
    for group in fold.by(groups, "remote_groups", key):
        yield from fold.by(ports, "groups", group.id)


def unsettled(fold: Fold) -> Iterable[str]:
    """All that hosts read, at every look: what is put already costs nothing."""
    return list(fold.values(groups, "remote_groups"))
