"""Servers: place who waits, fail what passed its deadline, give back what a deleted one held."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from events.compute import host as hosts
from events.compute import host_room, quota
from events.compute import server as servers
from events.compute.host import HostCameUp, HostEnabled, HostForcedDown, HostJoined, HostWentDown
from events.compute.host_room import ClaimRoom, ReturnRoom, Room
from events.compute.server import (
    AbandonServer,
    FailServer,
    ForgetServer,
    PlaceServer,
    Server,
    ServerDeletionRequested,
    ServerFailed,
    ServerRemoved,
    ServerRequested,
    ServerStarted,
)
from events.decider import Step
from events.refusals import Busy, Conflict, Refusal
from events.room import RoomReturned
from handlers.compute import ports, scheduler
from handlers.compute.scheduler import Candidate
from handlers.runner import Sight
from handlers.wishes import Wish, Wishes

WAKES = (
    ServerRequested,
    ServerRemoved,
    ServerDeletionRequested,
    ServerFailed,
    ServerStarted,
    HostJoined,
    HostCameUp,
    HostEnabled,
    HostForcedDown,
    HostWentDown,
    RoomReturned,
)

CLAIM = timedelta(minutes=5)  # how long a claim stands without what it is for
SWEPT = 50  # rooms that are looked through each time the clock rings

Plans = Iterator[Wish | Wishes]


def plan(sight: Sight, now: datetime) -> Plans:
    """What is to be done next with all servers."""
    yield from _place(sight, now)
    yield from _give_up(sight, now)
    yield from _abandon(sight)
    yield from _clean(sight)
    yield from ports.plan(sight)
    if sight.sweeps(__name__):
        yield from _sweep(sight, now)


def candidates(sight: Sight) -> list[Candidate]:
    """All hosts with what is left of them."""
    rooms = sight.fold.shelf(host_room).live
    found = []
    for host in sight.fold.all(hosts):
        room = sight.fold.get(host_room, host.id) if rooms else None
        found.append(Candidate(host, scheduler.limits(host, sight.settings.compute), dict(room.used) if room else {}))
    return found


def _place(sight: Sight, now: datetime) -> Plans:
    waiting = sight.fold.by(servers, "phase", "place")
    if not waiting:
        return
    compute, all_hosts = sight.settings.compute, candidates(sight)
    by_name = {candidate.host.id: candidate for candidate in all_hosts}
    for server in waiting:
        choice = scheduler.choose(server, all_hosts, sight.random, compute.scheduler)
        if choice.host is None:
            known = sight.fold.known(servers, server.id)
            if choice.hopeful and known and now - known.created_at < timedelta(seconds=compute.patience):
                continue
            message, details = scheduler.explain(choice)
            yield Wish(servers, FailServer(id=server.id, message=message, details=details), server.request)
        else:
            yield _placement(sight, server, by_name[choice.host], now)


def _placement(sight: Sight, server: Server, chosen: Candidate, now: datetime) -> Wishes:
    return Wishes(
        about=server.id,
        steps=_steps(sight, server, chosen, now),
        request=server.request,
        otherwise=lambda refusal: _instead(server, refusal),
    )


def _steps(sight: Sight, server: Server, chosen: Candidate, now: datetime) -> Iterator[Step]:
    """Room on the host, the server's ports, and the server itself."""
    host = chosen.host.id
    claim = ClaimRoom(
        id=host, holder=server.id, amounts=scheduler.amounts(server), defaults=chosen.limits, until=now + CLAIM
    )
    yield Step(host_room, claim, ReturnRoom(id=host, holder=server.id))
    yield from ports.steps_to_attach(sight, server, chosen.host, now)
    deadline = now + timedelta(seconds=sight.settings.compute.build_deadline)
    yield Step(servers, PlaceServer(id=server.id, host=host, ports=ports.ids(sight.fold, server), deadline=deadline))


def _instead(server: Server, refusal: Refusal) -> Wish | None:
    """A lost race is planned again; what will not become better fails the server."""
    if isinstance(refusal, host_room.Exceeded | Busy) or (isinstance(refusal, Conflict) and refusal.kind is None):
        return None
    return Wish(servers, _unplaceable(server, refusal), server.request)


def _unplaceable(server: Server, refusal: Refusal) -> FailServer:
    return FailServer(id=server.id, message=f"Build of instance {server.id} aborted: {refusal.message}")


def _give_up(sight: Sight, now: datetime) -> Plans:
    for phase in ("build", "start", "stop", "reboot"):
        for server in sight.fold.by(servers, "phase", phase):
            if server.deadline is not None and server.deadline < now:
                message = f"Host {server.host} did not {phase} instance {server.id} in time."
                yield Wish(servers, FailServer(id=server.id, message=message), server.request)


def _abandon(sight: Sight) -> Plans:
    """A server whose host is down is deleted without it."""
    for server in sight.fold.by(servers, "phase", "remove"):
        host = sight.fold.get(hosts, server.host or "")
        if host is None or not host.alive:
            yield Wish(servers, AbandonServer(id=server.id), server.request)


def _clean(sight: Sight) -> Plans:
    """Nothing of it is left on a host: give back ports, room and quota, and forget it."""
    for server in sight.fold.by(servers, "phase", "clean"):
        steps = list(ports.steps_to_detach(sight.fold, server))
        if server.host is not None:
            steps.append(Step(host_room, ReturnRoom(id=server.host, holder=server.id)))
        steps.append(Step(quota, ReturnRoom(id=server.project, holder=server.id)))
        steps.append(Step(servers, ForgetServer(id=server.id)))
        secrets = (server.user_data,) if server.user_data else ()
        yield Wishes(about=server.id, steps=tuple(steps), request=server.request, secrets=secrets)


def _sweep(sight: Sight, now: datetime) -> Plans:
    """Return claims that were made for nothing: a process died between claim and server."""
    for resource in (host_room, quota):
        rooms = list(sight.fold.shelf(resource).live.values())
        first = sight.turn * SWEPT % max(len(rooms), 1)
        for room in rooms[first : first + SWEPT]:
            yield from _spare(sight, resource, room, now)


def _spare(sight: Sight, resource: object, room: Room, now: datetime) -> Plans:
    for holder, share in room.shares.items():
        if share.until is None or share.until > now:
            continue
        server = sight.fold.get(servers, holder)
        if server is None or (resource is host_room and server.host != room.id):
            yield Wish(resource, ReturnRoom(id=room.id, holder=holder))
