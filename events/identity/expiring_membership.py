"""A membership that an identity provider told of: it lasts for a time after the last sign-on that confirmed it.

    CONFIRMED <-> ENDED

How long is said by the provider's `authorization_ttl`, or a setting.
Source: Identity API reference, "OS-FEDERATION", "Identity providers".
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from events.envelope import Command, Event, State
from events.identity import record

INDEXES = ("user", "group")


class ExpiringMembership(State, frozen=True, gc=False, kw_only=True):
    group: str
    user: str
    provider: str
    until: datetime

    @property
    def key(self) -> tuple[str, str]:
        return (self.group, self.user)


class MembershipConfirmed(Event, frozen=True, gc=False, kw_only=True):
    group: str
    user: str
    provider: str
    until: datetime


class MembershipEnded(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = MembershipConfirmed | MembershipEnded


class ConfirmMembership(Command, frozen=True, gc=False, kw_only=True):
    id: tuple[str, str]  # group, user
    provider: str
    until: datetime


class EndMembership(Command, frozen=True, gc=False, kw_only=True):
    id: tuple[str, str]


Commands = ConfirmMembership | EndMembership


def decide(membership: ExpiringMembership | None, command: Commands) -> list[Events]:
    """What `command` brings about."""
    group, user = command.id
    match command:
        case ConfirmMembership(provider=provider, until=until):
            return [MembershipConfirmed(group=group, user=user, provider=provider, until=until)]
        case EndMembership():
            return [] if membership is None or membership.deleted else [MembershipEnded()]
    assert_never(command)


def evolve(membership: ExpiringMembership | None, event: Events, at: datetime) -> ExpiringMembership:
    """The membership after `event`."""
    return record.evolve(ExpiringMembership, membership, event, MembershipConfirmed, MembershipEnded)
