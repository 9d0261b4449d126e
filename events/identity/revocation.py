"""A revocation: one token that is void before its time, by its audit id; forgotten once the token would have expired.

    REVOKED -> FORGOTTEN

Tokens of a user, project or domain that was disabled, and those of a changed password, are void by `tokens_from` there.
Source: Identity API reference, "Revoke token".
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from events.envelope import Command, Event, State
from events.identity import record

INDEXES = ("due",)


class Revocation(State, frozen=True, gc=False, kw_only=True):
    audit_id: str
    until: datetime  # when the token expires by itself
    chain: bool = False  # it voids all that descend from the token too

    @property
    def due(self) -> int:
        """The minute of `until`, since 1970: for an index by which what has expired is found."""
        return int(self.until.timestamp()) // 60


class TokenRevoked(Event, frozen=True, gc=False, kw_only=True):
    audit_id: str
    until: datetime
    chain: bool = False


class TokenForgotten(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = TokenRevoked | TokenForgotten


class RevokeToken(Command, frozen=True, gc=False, kw_only=True):
    id: str  # the token's audit id
    until: datetime
    chain: bool = False


class ForgetToken(Command, frozen=True, gc=False, kw_only=True):
    id: str
    now: datetime


Commands = RevokeToken | ForgetToken


def decide(revocation: Revocation | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already."""
    match command:
        case RevokeToken(id=id, until=until, chain=chain):
            return [] if revocation else [TokenRevoked(audit_id=id, until=until, chain=chain)]
        case ForgetToken(now=now):
            spent = revocation is not None and not revocation.deleted and revocation.until <= now
            return [TokenForgotten()] if spent else []
    assert_never(command)


def evolve(revocation: Revocation | None, event: Events, at: datetime) -> Revocation:
    """The revocation after `event`."""
    return record.evolve(Revocation, revocation, event, TokenRevoked, TokenForgotten)
