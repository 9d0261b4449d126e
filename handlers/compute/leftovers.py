"""What a server holds that it must not: room on hosts on which it is not, ports though it never came to be.

A server is placed in steps, by any number of processes at once, and each of them may die in between. What they claimed
is the server's, not an attempt's, and stays until the server is not to be placed any more: then no late attempt can use
it, and what is not needed is given back. Source: DESIGN, "Hard cases, decided", 2.
"""

from __future__ import annotations

from collections.abc import Iterator

from events.compute import host_room
from events.compute import server as servers
from events.compute.host_room import ReturnRoom
from events.decider import Step, Stride
from events.fold import Fold
from handlers.compute.ports import steps_to_detach


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
