"""A quota: how many networks, subnets, ports and security groups a project may have, and which it has.

Room (events/room.py) with the service's own words, and with shares of several holders claimed in one commit.
A share's holder is `<kind>:<id>.<attempt>` (standard.py); of a rule `security_group_rule:<group>.<attempt>:<rule>`.
Source: Networking API reference, "Quotas extension".
"""

from __future__ import annotations

from datetime import datetime

from events import room
from events.envelope import Command
from events.refusals import OverQuota
from events.room import (
    INDEXES,
    ClaimRoom,
    Events,
    Exceeded,
    LimitsReset,
    LimitsSet,
    ResetLimits,
    ReturnRoom,
    Room,
    RoomClaimed,
    RoomReturned,
    SetLimits,
    evolve,
)

DEFAULTS: dict[str, int] = {
    "network": 100,
    "subnet": 100,
    "subnetpool": -1,
    "port": 500,
    "router_route": 30,
    "router": 10,
    "floatingip": 50,
    "rbac_policy": 10,
    "security_group": 10,
    "security_group_rule": 100,
    "trunk": -1,
}


class ClaimShares(Command, frozen=True, gc=False, kw_only=True):
    """Claim one of a kind for each holder: all or none."""

    id: str
    holders: tuple[tuple[str, str], ...]  # holder and kind
    until: datetime | None = None
    force: bool = False  # take it even if the quota does not hold it


class ReturnShares(Command, frozen=True, gc=False, kw_only=True):
    id: str
    holders: tuple[str, ...]


Commands = room.Commands | ClaimShares | ReturnShares


def decide(quota: Room | None, command: Commands) -> list[Events]:
    """What `command` brings about. Raises OverQuota."""
    match command:
        case ClaimShares():
            return _claim(quota, command)
        case ReturnShares(holders=holders):
            held = quota.shares if quota else {}
            return [RoomReturned(holder=holder) for holder in holders if holder in held]
        case _:
            return room.decide(quota, command)


def _claim(quota: Room | None, command: ClaimShares) -> list[Events]:
    held = quota.shares if quota else {}
    wanted = [(holder, kind) for holder, kind in command.holders if holder not in held]
    asked: dict[str, int] = {}
    for _, kind in wanted:
        asked[kind] = asked.get(kind, 0) + 1
    over = [] if command.force else sorted(kind for kind, amount in asked.items() if not _fits(quota, kind, amount))
    if over:
        raise OverQuota(f"Quota exceeded for resources: {over}.", kind="OverQuota")
    id = command.id if quota is None else ""
    return [RoomClaimed(id=id, holder=holder, amounts={kind: 1}, until=command.until) for holder, kind in wanted]


def _fits(quota: Room | None, kind: str, amount: int) -> bool:
    limit = limit_of(quota, kind)
    return limit < 0 or (quota.used.get(kind, 0) if quota else 0) + amount <= limit


def limit_of(quota: Room | None, kind: str) -> int:
    """How many of a kind the project may have; -1: any number."""
    return (quota.limits if quota else {}).get(kind, DEFAULTS[kind])


__all__ = [
    "DEFAULTS",
    "INDEXES",
    "ClaimRoom",
    "ClaimShares",
    "Commands",
    "Events",
    "Exceeded",
    "LimitsReset",
    "LimitsSet",
    "ResetLimits",
    "ReturnRoom",
    "ReturnShares",
    "Room",
    "RoomClaimed",
    "RoomReturned",
    "SetLimits",
    "decide",
    "evolve",
    "limit_of",
]
