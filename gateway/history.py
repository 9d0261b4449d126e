"""The history of servers, for a replay: what was asked for and when, on which hosts, and what came of it.

Of networks nothing is taken along: a replay asks where servers are placed and how long they wait, not which addresses
they get. Requests that were refused never reached the journal, and are no part of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from events.chronicle import Chronicle, Snapshot
from events.compute import host as hosts
from events.compute import host_room
from events.compute import server as servers
from events.compute.host import (
    Capacity,
    DisableHost,
    EnableHost,
    ForceHostDown,
    Host,
    HostCameUp,
    HostCapacityChanged,
    HostDisabled,
    HostEnabled,
    HostForcedDown,
    HostJoined,
    HostWentDown,
    JoinHost,
    MissHost,
)
from events.compute.server import (
    DeleteServer,
    RebootServer,
    RequestServer,
    Server,
    ServerDeletionRequested,
    ServerFailed,
    ServerPlaced,
    ServerPowerRequested,
    ServerRequested,
    ServerStarted,
    StartServer,
    StopServer,
)
from events.envelope import Command
from events.fold import Change, Fold, Known
from events.moments import fold_to, read

AFTER = timedelta(minutes=15)  # in which what was asked for last may still come about
KINDS: list[Any] = [hosts, host_room, servers]
_SERVER, _HOST = "ev.compute.server.", "ev.compute.host."


class Outcome(Struct, kw_only=True):
    """What came of one request for a server."""

    id: str
    asked_at: datetime
    vcpus: int
    placed_at: datetime | None = None
    host: str | None = None  # the first that it was placed on
    running_at: datetime | None = None  # for the first time
    failed: str | None = None  # why, if it failed before it ran


class Happening(Struct, frozen=True):
    """A command, and when it was given."""

    at: datetime
    resource: Any
    command: Command


class Place(Struct, frozen=True):
    """A host's zone, and what it has."""

    zone: str
    capacity: Capacity


class History(Struct, kw_only=True):
    """What a replay begins with, what happens in it, and what happened."""

    begin: datetime
    end: datetime
    known: list[tuple[str, Known[Any]]]  # hosts, their room, and their servers as they were at the beginning
    happenings: list[Happening]
    outcomes: dict[str, Outcome]
    builds: dict[str, float]  # seconds that it took the host to make a server

    @property
    def usual_build(self) -> float:
        """Seconds, for a server of which it is not known."""
        return median(self.builds.values()) if self.builds else 0.0

    def hosts(self) -> dict[str, Place]:
        """All that there were at some time."""
        found = {}
        for _, one in self.known:
            if isinstance(one.state, Host):
                found[one.state.id] = Place(one.state.zone, one.state.capacity)
        for happening in self.happenings:
            if isinstance(happening.command, JoinHost):
                found[happening.command.id] = Place(happening.command.zone, happening.command.capacity)
        return found


class Watch:
    """Notes what comes of requests for servers, in a history or in its replay."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.builds: dict[str, float] = {}

    def hear(self, change: Change) -> None:
        if not change.subject.startswith(_SERVER):
            return
        at, server = change.commit.at, change.after.state
        for event in change.commit.events:
            if isinstance(event, ServerRequested):
                self.outcomes[server.id] = Outcome(id=server.id, asked_at=at, vcpus=server.size.vcpus)
            elif (one := self.outcomes.get(server.id)) is not None:
                self._note(one, event, at)

    def _note(self, one: Outcome, event: Any, at: datetime) -> None:
        match event:
            case ServerPlaced(host=host) if one.host is None:
                one.host, one.placed_at = host, at
            case ServerStarted(steps=steps) if one.running_at is None:
                one.running_at = at
                made = [step.seconds for step in steps if step.step == "create"]
                since = (at - one.placed_at).total_seconds() if one.placed_at else 0.0
                self.builds[one.id] = sum(made) if made else since
            case ServerFailed(message=message) if one.running_at is None:
                one.failed = message


async def history(chronicle: Chronicle, first: int, last: int) -> History:
    """What happened after one sequence up to another. Raises Unavailable."""
    fold = Fold(KINDS)
    kept = await chronicle.snapshot(first)
    if kept is not None:
        mine = ((prefix, known) for prefix, known in kept.known if prefix in fold.shelves and not known.state.deleted)
        kept = Snapshot(position=kept.position, known=mine)
    await fold_to(fold, chronicle, first, kept)
    known = [(prefix, shelf.known[key]) for prefix, shelf in fold.shelves.items() for key in shelf.live]
    begin = fold.newest_at or max((one.updated_at for _, one in known), default=None)
    watch, happenings = Watch(), list[Happening]()
    fold.listeners.append(watch.hear)
    fold.listeners.append(lambda change: happenings.extend(_happenings(change)))
    asked, given, end = set[str](), 0, datetime.min.replace(tzinfo=UTC)
    async for entry in read(chronicle, first, await chronicle.last()):
        fold.apply(entry)
        begin = begin or fold.newest_at
        if entry.sequence == last:
            end, asked, given = fold.newest_at or end, set(watch.outcomes), len(happenings)
        if entry.sequence >= last and (fold.newest_at or end) > end + AFTER:
            break
    outcomes = {id: one for id, one in watch.outcomes.items() if id in asked}
    return History(
        begin=begin or end, end=end, known=known, happenings=happenings[:given], outcomes=outcomes, builds=watch.builds
    )


def _happenings(change: Change) -> Iterator[Happening]:
    for event in change.commit.events:
        if change.subject.startswith(_SERVER):
            command = _asked(change.after.state, event)
            if command is not None:
                yield Happening(change.commit.at, servers, command)
        elif change.subject.startswith(_HOST):
            wish = _of_host(change.after.state, event)
            if wish is not None:
                yield Happening(change.commit.at, hosts, wish)


def _asked(server: Server, event: Any) -> Command | None:
    """What somebody asked for; None for what followed from it."""
    match event:
        case ServerRequested():
            return request(server)
        case ServerPowerRequested(wanted=wanted, reboot=reboot, request=by, deadline=deadline):
            if reboot is not None:
                return RebootServer(id=server.id, kind=reboot, request=by, deadline=deadline)
            kind = StartServer if wanted == "on" else StopServer
            return kind(id=server.id, request=by, deadline=deadline)
        case ServerDeletionRequested(request=by, deadline=deadline):
            return DeleteServer(id=server.id, request=by, deadline=deadline)
    return None


def request(server: Server) -> RequestServer:
    """The request for a server, without networks and secrets."""
    fields = {name: getattr(server, name) for name in RequestServer.__struct_fields__}
    return RequestServer(**{**fields, "attachments": (), "user_data": None})


def bare(server: Server) -> Server:
    """A server without networks and secrets."""
    return replace(server, attachments=(), ports=(), user_data=None)


def _of_host(host: Host, event: Any) -> Command | None:
    match event:
        case HostJoined() | HostCameUp() | HostCapacityChanged():
            return JoinHost(id=host.id, zone=host.zone, capacity=host.capacity)
        case HostWentDown():
            return MissHost(id=host.id)
        case HostDisabled(reason=reason):
            return DisableHost(id=host.id, reason=reason)
        case HostEnabled():
            return EnableHost(id=host.id)
        case HostForcedDown(forced=forced):
            return ForceHostDown(id=host.id, forced=forced)
    return None
