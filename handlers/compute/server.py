"""Servers: place who waits, fail what passed its deadline, give back what a deleted one held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from events.clock import after
from events.compute import host as hosts
from events.compute import host_room, quota
from events.compute import server as servers
from events.compute.host import Host, HostCameUp, HostEnabled, HostForcedDown, HostJoined, HostWentDown
from events.compute.host_room import ClaimRoom, ReturnRoom
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
)
from events.decider import Step, Stride
from events.fold import Fold
from events.network import quota as network_quota
from events.refusals import Busy, Conflict, Refusal
from events.room import RoomReturned
from handlers.compute import leftovers, ports, scheduler
from handlers.compute.scheduler import Candidate
from handlers.runner import Sight
from handlers.wishes import Wish, Wishes

WAKES = (
    ServerRequested,
    ServerRemoved,
    ServerDeletionRequested,
    ServerFailed,
    HostJoined,
    HostCameUp,
    HostEnabled,
    HostForcedDown,
    HostWentDown,
    RoomReturned,
)

PLACING = f"{__name__} placing"
CLAIM = timedelta(minutes=5)  # how long a claim stands without what it is for

Plans = Iterator[Wish | Wishes]


def plan(sight: Sight, now: datetime) -> Plans:
    """What is to be done next with all servers."""
    yield from _place(sight, now)
    yield from _give_up(sight, now)
    yield from _abandon(sight, now)
    yield from _clean(sight, now)


def candidates(sight: Sight, now: datetime) -> dict[str, Candidate]:
    """All hosts with what is left of them; of some thousand, few change from round to round."""
    before: dict[str, Candidate] = sight.memory.get(__name__, {})
    rooms, found = sight.fold.shelf(host_room).live, dict[str, Candidate]()
    for key, host in sight.fold.shelf(hosts).live.items():
        known, room = before.get(host.id), rooms.get(key)  # a host and its room have one key
        if known is not None and known.host is host and known.room is room:
            found[host.id] = known
        else:
            found.update((host.id, one) for one in sight.apart(host.id, now, _candidate, sight, host))
    sight.memory[__name__] = found
    return found


def _candidate(sight: Sight, host: Host) -> Iterator[Candidate]:
    room = sight.fold.get(host_room, host.id)
    yield Candidate(host, scheduler.limits(host, sight.settings.compute), room)


def _place(sight: Sight, now: datetime) -> Plans:
    """Who waits and is not being placed yet; what is planned for those who are is not free for others."""
    waiting = [server for server in sight.fold.by(servers, "phase", "place") if server.id not in sight.busy]
    if not waiting:
        return  # nobody looks at a thousand hosts for those who are being placed
    by_name, placing = candidates(sight, now), sight.memory.setdefault(PLACING, {})
    taken: list[Candidate] = []
    firm: list[Candidate] = []
    for id, (host, amounts) in list(placing.items()):
        if id not in sight.busy:
            del placing[id]
        elif host in by_name and host not in leftovers.rooms_of(sight.fold, id):
            by_name[host].take(amounts)
            taken.append(by_name[host])
    for server in waiting:
        yield from sight.apart(server.id, now, _place_one, sight, now, server, by_name, firm)
        if server.id in placing:
            host, amounts = placing[server.id]
            by_name[host].take(amounts)
            taken.append(by_name[host])
    for candidate in taken:
        candidate.begin()


def _place_one(
    sight: Sight, now: datetime, server: Server, by_name: dict[str, Candidate], firm: list[Candidate]
) -> Plans:
    known, compute = sight.fold.known(servers, server.id), sight.settings.compute
    waited = now - known.created_at if known else timedelta()
    if now > (server.deadline or now - waited + timedelta(seconds=compute.build_deadline)):
        yield _failure(sight, server, f"Instance {server.id} could not be placed in time.")
        return
    host = _claimed(sight, server, by_name)
    if host is None:
        # The same dice in every process: who plans at the same time chooses the same host, and claims room only there.
        choice = scheduler.choose(server, list(by_name.values()), Random(sight.salt + server.id), compute.scheduler)
        if choice.host is None:
            may_wait = waited < timedelta(seconds=compute.patience)
            if not (may_wait and (choice.hopeful or _would_fit(sight, server, by_name, firm))):
                yield _failure(sight, server, *scheduler.explain(choice))
            return
        host = choice.host
        sight.memory.setdefault(PLACING, {})[server.id] = host, scheduler.amounts(server)
    yield _placement(sight, server, by_name[host], now)


def _would_fit(sight: Sight, server: Server, by_name: dict[str, Candidate], firm: list[Candidate]) -> bool:
    """Whether a host could hold it if all that is claimed there for servers that are not on it were given back.

    `firm` is what is left of the hosts then: it is found out once in a round, for all shares are looked at.
    """
    if not firm:
        firm += [Candidate(one.host, one.limits, None) for one in by_name.values()]
        for candidate in firm:
            candidate.take(_in_use(sight, candidate.host))
    return scheduler.choose(server, firm, Random(sight.salt + server.id)).host is not None


def _in_use(sight: Sight, host: Host) -> dict[str, int]:
    used: Counter[str] = Counter()
    room = sight.fold.get(host_room, host.id)
    for holder, share in room.shares.items() if room else ():
        server = sight.fold.get(servers, holder)
        if server is not None and server.host == host.id:
            used.update(share.amounts)
    return dict(used)


def _claimed(sight: Sight, server: Server, by_name: dict[str, Candidate]) -> str | None:
    """A host on which there is room for it already, from an attempt that goes on elsewhere or has died."""
    for host in leftovers.rooms_of(sight.fold, server.id):
        candidate = by_name.get(host)
        if candidate is not None and candidate.host.alive and not candidate.host.disabled:
            return host
    return None


def _placement(sight: Sight, server: Server, chosen: Candidate, now: datetime) -> Wishes:
    return Wishes(
        about=server.id,
        steps=_steps(sight, server, chosen, now),
        request=server.request,
        otherwise=lambda refusal: _instead(sight, server, refusal),
    )


def _steps(sight: Sight, server: Server, chosen: Candidate, now: datetime) -> Iterator[Stride]:
    """Room on the host, the server's ports, and the server itself. Nothing is undone: see leftovers.py."""
    host = chosen.host.id
    claim = ClaimRoom(
        id=host, holder=server.id, amounts=scheduler.amounts(server), defaults=chosen.limits, until=after(now, CLAIM)
    )
    attaching = ports.steps_to_attach(sight, server, chosen.host, now)
    first = next(attaching, None)
    sums = [step for step in (first,) if isinstance(step, Step) and step.resource is network_quota]
    yield [Step(host_room, claim), *sums]
    if first is not None and not sums:
        yield first
    yield from attaching
    deadline = after(now, timedelta(seconds=sight.settings.compute.build_deadline))
    made = ports.ids(sight.fold, server)
    yield Step(servers, PlaceServer(id=server.id, host=host, ports=made, due=server.deadline, deadline=deadline))


def _instead(sight: Sight, server: Server, refusal: Refusal) -> Wishes:
    """A lost race is planned again; what will not become better fails the server."""
    lost = isinstance(refusal, host_room.Exceeded | Busy) or (isinstance(refusal, Conflict) and refusal.kind is None)
    now = sight.fold.get(servers, server.id)
    if lost or now is None or now.phase != "place":
        return Wishes(about=server.id, steps=leftovers.steps(sight.fold, server.id), request=server.request)
    return _failure(sight, server, f"Build of instance {server.id} aborted: {refusal.message}")


def _failure(sight: Sight, server: Server, message: str, details: str | None = None) -> Wishes:
    """It is not placed any more, and has nothing of what was made for it."""

    def steps() -> Iterator[Stride]:
        yield Step(servers, _fail(server, message, details))
        yield from leftovers.steps(sight.fold, server.id)

    return Wishes(about=server.id, steps=steps(), request=server.request)


def _fail(server: Server, message: str, details: str | None = None) -> FailServer:
    assert server.phase is not None
    return FailServer(id=server.id, phase=server.phase, generation=server.generation, message=message, details=details)


def _give_up(sight: Sight, now: datetime) -> Plans:
    for phase in ("build", "start", "stop", "reboot", "remove"):
        for server in sight.fold.by(servers, "phase", phase):
            yield from sight.apart(server.id, now, _give_up_one, sight, now, server)


def _give_up_one(sight: Sight, now: datetime, server: Server) -> Plans:
    if _deadline(sight, server) < now and (server.phase, server.status) != ("remove", "ERROR"):
        message = f"Host {server.host} did not {server.phase} instance {server.id} in time."
        yield Wish(servers, _fail(server, message), server.request)


def _deadline(sight: Sight, server: Server) -> datetime:
    """Until when what is being done with it may take; whoever asked may have named no time."""
    known = sight.fold.known(servers, server.id)
    assert known is not None
    return server.deadline or known.updated_at + timedelta(seconds=sight.settings.compute.build_deadline)


def _abandon(sight: Sight, now: datetime) -> Plans:
    """A server whose host is down is deleted without it."""
    for server in sight.fold.by(servers, "phase", "remove"):
        yield from sight.apart(server.id, now, _abandon_one, sight, server)


def _abandon_one(sight: Sight, server: Server) -> Plans:
    host = sight.fold.get(hosts, server.host or "")
    if host is None or not host.alive:
        yield Wish(servers, AbandonServer(id=server.id), server.request)


def _clean(sight: Sight, now: datetime) -> Plans:
    """Nothing of it is left on a host: give back ports, room and quota, and forget it."""
    for server in sight.fold.by(servers, "phase", "clean"):
        yield from sight.apart(server.id, now, _clean_one, sight, server)


def _clean_one(sight: Sight, server: Server) -> Plans:
    yield cleaning(sight.fold, server, ForgetServer(id=server.id))


def cleaning(fold: Fold, server: Server, end: ForgetServer) -> Wishes:
    """What gives back all that a server held, and its end."""

    def steps() -> Iterator[Stride]:
        yield from leftovers.steps(fold, server.id, gone=True)
        yield Step(quota, ReturnRoom(id=server.project, holder=server.id))
        yield Step(servers, end)

    secrets = (server.user_data,) if server.user_data else ()
    return Wishes(about=server.id, steps=steps(), request=server.request, secrets=secrets)
