"""Room: a sum that must never be exceeded - what a host has to give, what a project may use.

One subject per host or project, so that two claims meet at the journal's guard; folding is O(log claims). A
resource's module takes these words and rules as its own. A claim names the resource it is for and until when it stands
without that resource. A limit of -1 is none. Source: DESIGN, "Hard cases, decided", 1 and 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import assert_never

from immutables import Map
from msgspec import Struct
from msgspec.structs import force_setattr, replace

from events.alike import alike
from events.envelope import Command, Event, State
from events.refusals import OverQuota

INDEXES: tuple[str, ...] = ()


class Share(Struct, frozen=True, gc=False):
    """What one holder has of the room."""

    amounts: dict[str, int]
    until: datetime | None = None

    def __post_init__(self) -> None:
        force_setattr(self, "amounts", alike(self.amounts))


class Room(State, frozen=True, gc=False, kw_only=True):
    id: str
    limits: dict[str, int] = {}  # where they differ from the defaults
    used: dict[str, int] = {}
    shares: Map[str, Share] = Map()

    @property
    def owner(self) -> str | None:
        return None

    @property
    def holders(self) -> tuple[str, ...]:
        """Who has a share: for an index, of rooms that hold some hundreds."""
        return tuple(self.shares)


class LimitsSet(Event, frozen=True, gc=False, kw_only=True):
    id: str
    limits: dict[str, int]


class LimitsReset(Event, frozen=True, gc=False, kw_only=True):
    id: str


class RoomClaimed(Event, frozen=True, gc=False, kw_only=True):
    id: str = ""  # of a room that nothing is known of yet; the subject says it too
    holder: str
    amounts: dict[str, int]
    until: datetime | None = None


class RoomReturned(Event, frozen=True, gc=False, kw_only=True):
    holder: str


Events = LimitsSet | LimitsReset | RoomClaimed | RoomReturned


class SetLimits(Command, frozen=True, gc=False, kw_only=True):
    id: str
    limits: dict[str, int]


class ResetLimits(Command, frozen=True, gc=False, kw_only=True):
    id: str


class ClaimRoom(Command, frozen=True, gc=False, kw_only=True):
    """Claim `amounts` for `holder`; a second claim of the same holder replaces the first."""

    id: str
    holder: str
    amounts: dict[str, int]
    defaults: dict[str, int]  # limits where none was set
    until: datetime | None = None


class ReturnRoom(Command, frozen=True, gc=False, kw_only=True):
    id: str
    holder: str


Commands = SetLimits | ResetLimits | ClaimRoom | ReturnRoom


class Exceeded(OverQuota):
    """The room does not hold it: what is lacking, for the service to say in its own words."""

    def __init__(self, lacking: Mapping[str, tuple[int, int, int]]) -> None:
        super().__init__("Quota exceeded for resources: " + ", ".join(sorted(lacking)) + ".", kind="OverQuota")
        self.lacking = lacking  # resource -> (asked, used, limit)


def decide(room: Room | None, command: Commands) -> list[Events]:
    """What `command` brings about. Raises Exceeded."""
    match command:
        case SetLimits(id=id, limits=limits):
            old = room.limits if room else {}
            return [] if room and limits.items() <= old.items() else [LimitsSet(id=id, limits=limits)]
        case ResetLimits(id=id):
            return [LimitsReset(id=id)] if room is None or room.limits else []
        case ClaimRoom(holder=holder, amounts=amounts):
            share = room.shares.get(holder) if room else None
            if share is not None and share.amounts == amounts:
                return []
            lacking = _lacking(room, share, command)
            if lacking:
                raise Exceeded(lacking)
            id = command.id if room is None else ""
            return [RoomClaimed(id=id, holder=holder, amounts=amounts, until=command.until)]
        case ReturnRoom(holder=holder):
            return [RoomReturned(holder=holder)] if room and holder in room.shares else []
    assert_never(command)


def _lacking(room: Room | None, share: Share | None, command: ClaimRoom) -> dict[str, tuple[int, int, int]]:
    lacking = {}
    for name, amount in command.amounts.items():
        limit = room.limits.get(name) if room else None
        if limit is None:
            limit = command.defaults.get(name, -1)
        used = room.used.get(name, 0) if room else 0
        more = amount - (share.amounts.get(name, 0) if share else 0)
        if limit >= 0 and more > 0 and used + more > limit:
            lacking[name] = (amount, used, limit)
    return lacking


def evolve(room: Room | None, event: Events, at: datetime) -> Room:
    """The room after `event`."""
    if room is None:
        assert not isinstance(event, RoomReturned), f"{event!r} before a claim"
        room = Room(id=event.id)
    match event:
        case LimitsSet(limits=limits):
            return replace(room, limits={**room.limits, **limits})
        case LimitsReset():
            return replace(room, limits={})
        case RoomClaimed(holder=holder, amounts=amounts, until=until):
            return _with(room, holder, Share(amounts, until))
        case RoomReturned(holder=holder):
            return _with(room, holder, None)
    assert_never(event)


def _with(room: Room, holder: str, share: Share | None) -> Room:
    used = dict(room.used)
    old = room.shares.get(holder)
    for name, amount in (old.amounts if old else {}).items():
        used[name] -= amount
    for name, amount in (share.amounts if share else {}).items():
        used[name] = used.get(name, 0) + amount
    if share is not None:
        return replace(room, used=used, shares=room.shares.set(holder, share))
    return replace(room, used=used, shares=room.shares.delete(holder) if old else room.shares)
