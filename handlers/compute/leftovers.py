"""What a server holds that it must not: room on hosts on which it is not, ports though it never came to be.

A server is placed in steps, by any number of processes at once, and each of them may die in between. What they claimed
is the server's, not an attempt's, and stays until the server is not to be placed any more: then no late attempt can use
it, and what is not needed is given back. Source: DESIGN, "Hard cases, decided", 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from events.compute import host_room, quota
from events.compute import server as servers
from events.compute.host_room import ReturnRoom
from events.compute.server import Server
from events.decider import Step, Stride
from events.fold import Fold
from events.ids import derived
from events.network import port as ports
from events.network.port import Port
from events.room import Room
from handlers.compute.ports import steps_to_detach
from handlers.runner import Sight
from handlers.shares import late
from handlers.wishes import Wish, Wishes
from projections.network.port import steps_to_delete

ROOMS = 50  # that are looked through each time the clock rings
PORTS = 2000
MOST = 64  # ports that one server was ever made with


def steps(fold: Fold, id: str, *, gone: bool = False) -> Iterator[Stride]:
    """What gives back what a server needs no more; nothing while it is being placed. `gone`: its host is rid of it."""
    known = fold.known(servers, id)
    if known is None or known.state.phase == "place":
        return
    server = known.state
    host = None if gone or server.deleted or server.phase == "clean" else server.host
    if host is None:
        yield from steps_to_detach(fold, server)
    for room in rooms_of(fold, id):
        if room != host:
            yield Step(host_room, ReturnRoom(id=room, holder=id))


def rooms_of(fold: Fold, id: str) -> list[str]:
    """The hosts on which room is held for a server."""
    return [room.id for room in fold.by(host_room, "holders", id)]


def plan(sight: Sight, now: datetime) -> Iterator[Wish | Wishes]:
    """What a process that died has left behind: a part of everything at each turn of the clock."""
    for resource in (host_room, quota):
        for room in _part(sight, resource, ROOMS):
            for holder in late(room, now, sight.turn):
                yield from sight.apart(f"{room.id} for {holder}", now, _spare, sight.fold, resource, room, holder)
    for port in _part(sight, ports, PORTS):
        yield from sight.apart(port.id, now, _left, sight.fold, port)


def _left(fold: Fold, port: Port) -> Iterator[Wish | Wishes]:
    server = fold.get(servers, port.device_id)
    if server is None and port.device_owner.startswith("compute:"):
        yield from _stray(fold, port)
    elif server is not None and server.host is None and server.phase is None:
        yield Wishes(about=server.id, steps=steps(fold, server.id), request=server.request)


def _part(sight: Sight, resource: Any, size: int) -> list[Any]:
    everything = list(sight.fold.shelf(resource).live.values())
    parts = -(-len(everything) // size)
    first = sight.turn % max(parts, 1) * size
    return everything[first : first + size]


def _spare(fold: Fold, resource: Any, room: Room, holder: str) -> Iterator[Wish]:
    server: Server | None = fold.get(servers, holder)
    elsewhere = server is not None and server.phase != "place" and server.host != room.id
    if server is None or (resource is host_room and elsewhere):
        yield Wish(resource, ReturnRoom(id=room.id, holder=holder))


def _stray(fold: Fold, port: Port) -> Iterator[Wish | Wishes]:
    """A port of a server that is gone: one that it was given is let go, one that was made for it is deleted."""
    known = fold.known(servers, port.device_id)
    if known is not None:
        yield Wishes(about=port.device_id, steps=steps(fold, port.device_id))
    elif any(port.id == derived(port.device_id, "port", str(i)) for i in range(MOST)):
        yield Wishes(about=port.id, steps=tuple(steps_to_delete(port)))
