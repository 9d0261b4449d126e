"""A trust: what one user, the trustor, lets another, the trustee, do in a project, with some of the trustor's roles.

    GIVEN -> DELETED

A use of a trust that has a number of uses is a commit of its own, guarded as any: the last one is given once, whatever
races. One made with a token of another trust hangs on that. Source: Identity API reference, "OS-TRUST".
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, assert_never

from msgspec.structs import replace

from events.envelope import Command, Event, State
from events.identity import record
from events.refusals import Forbidden

INDEXES = ("trustor", "trustee", "project_id", "redelegated_trust")

KEPT = timedelta(days=30)  # that one is kept which gives no more tokens: longer than any of them lives


class Trust(State, frozen=True, gc=False, kw_only=True):
    id: str
    trustor: str
    trustee: str
    project_id: str | None
    impersonation: bool  # who uses it passes for the trustor
    roles: tuple[str, ...]
    expires_at: datetime | None = None
    remaining_uses: int | None = None
    redelegated_trust: str | None = None
    redelegation_count: int = 0  # how many trusts may hang on it, one below the other
    extra: dict[str, Any] = {}
    used_at: datetime | None = None

    @property
    def owner(self) -> str | None:
        """An affair between users: no commit of it shows in the project's feed."""
        return None

    def holds(self, now: datetime) -> bool:
        """Whether it gives tokens."""
        return (self.expires_at is None or now <= self.expires_at) and self.remaining_uses != 0


class TrustGiven(Event, frozen=True, gc=False, kw_only=True):
    id: str
    trustor: str
    trustee: str
    project_id: str | None = None
    impersonation: bool
    roles: tuple[str, ...]
    expires_at: datetime | None = None
    remaining_uses: int | None = None
    redelegated_trust: str | None = None
    redelegation_count: int = 0
    extra: dict[str, Any] = {}


class TrustUsed(Event, frozen=True, gc=False, kw_only=True):
    pass


class TrustDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = TrustGiven | TrustUsed | TrustDeleted


class UseTrust(Command, frozen=True, gc=False, kw_only=True):
    """Take one of its uses, if they are counted."""


class ForgetTrust(Command, frozen=True, gc=False, kw_only=True):
    """Delete it if it has given no tokens for long."""

    now: datetime


Commands = record.Commands | UseTrust | ForgetTrust


def decide(trust: Trust | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict, Forbidden."""
    if not isinstance(command, UseTrust | ForgetTrust):
        return record.decide("trust", trust, command, TrustDeleted())
    trust = record.living("trust", trust, command)
    match command:
        case UseTrust():
            if trust.remaining_uses == 0:
                raise Forbidden(f"No remaining uses for trust: {trust.id}.")
            return [] if trust.remaining_uses is None else [TrustUsed()]
        case ForgetTrust(now=now):
            return [TrustDeleted()] if is_spent(trust, now) else []
    assert_never(command)


def is_spent(trust: Trust, now: datetime) -> bool:
    """Whether it has given no tokens for so long that none lives."""
    ended = trust.used_at if trust.remaining_uses == 0 else trust.expires_at
    return ended is not None and ended + KEPT < now


def evolve(trust: Trust | None, event: Events, at: datetime) -> Trust:
    """The trust after `event`."""
    if isinstance(event, TrustUsed):
        assert trust is not None, "TrustUsed before TrustGiven"
        assert trust.remaining_uses is not None, "a use was counted of a trust without number"
        return replace(trust, remaining_uses=trust.remaining_uses - 1, used_at=at)
    return record.evolve(Trust, trust, event, TrustGiven, TrustDeleted)
