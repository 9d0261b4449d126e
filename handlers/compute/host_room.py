"""Gives back what processes that died have left behind: room on hosts, shares of quotas, ports of servers.

It is a plan of its own, for a plan that took long rests, and nobody who waits for a host is to wait for that.
Source: DESIGN, "Hard cases, decided", 2; leftovers.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from events.compute import host_room, quota
from events.compute import server as servers
from events.compute.host_room import ReturnRoom
from events.compute.server import Server
from events.envelope import Event
from events.fold import Fold
from events.ids import derived
from events.network import port as ports
from events.network.port import Port
from events.room import Room
from handlers.compute import leftovers
from handlers.runner import Sight
from handlers.shares import late
from handlers.wishes import Wish, Wishes
from projections.network.port import steps_to_delete

WAKES: tuple[type[Event], ...] = ()

ROOMS = 16  # that are looked through each time the clock rings
PORTS = 500
MOST = 64  # ports that one server was ever made with


def plan(sight: Sight, now: datetime) -> Iterator[Wish | Wishes]:
    """A part of everything at each turn of the clock."""
    if not sight.sweeps(__name__):
        return
    for resource in (host_room, quota):
        rooms, round = _part(sight, resource, ROOMS)
        for room in rooms:
            for holder in late(room, now, round):
                yield from sight.apart(f"{room.id} for {holder}", now, _spare, sight.fold, resource, room, holder)
    for port in _part(sight, ports, PORTS)[0]:
        yield from sight.apart(port.id, now, _left, sight.fold, port)


def _left(fold: Fold, port: Port) -> Iterator[Wish | Wishes]:
    server = fold.get(servers, port.device_id)
    if server is None and port.device_owner.startswith("compute:"):
        yield from _stray(fold, port)
    elif server is not None and server.host is None and server.phase is None:
        yield Wishes(about=server.id, steps=leftovers.steps(fold, server.id), request=server.request)


def _part(sight: Sight, resource: Any, size: int) -> tuple[list[Any], int]:
    """Those whose turn it is, and how often all have had theirs."""
    live = sight.fold.shelf(resource).live
    round, part = divmod(sight.turn, max(-(-len(live) // size), 1))
    return list(islice(live.values(), part * size, (part + 1) * size)), round


def _spare(fold: Fold, resource: Any, room: Room, holder: str) -> Iterator[Wish]:
    server: Server | None = fold.get(servers, holder)
    elsewhere = server is not None and server.phase != "place" and server.host != room.id
    if server is None or (resource is host_room and elsewhere):
        yield Wish(resource, ReturnRoom(id=room.id, holder=holder))


def _stray(fold: Fold, port: Port) -> Iterator[Wish | Wishes]:
    """A port of a server that is gone: one that it was given is let go, one that was made for it is deleted."""
    known = fold.known(servers, port.device_id)
    if known is not None:
        yield Wishes(about=port.device_id, steps=leftovers.steps(fold, port.device_id))
    elif any(port.id == derived(port.device_id, "port", str(i)) for i in range(MOST)):
        yield Wishes(about=port.id, steps=tuple(steps_to_delete(port)))
