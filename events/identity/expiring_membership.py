"""A membership that an identity provider told of: it lasts for a time after the last sign-on that confirmed it.

    CONFIRMED <-> ENDED

How long is the provider's `authorization_ttl`, or a setting. Source: Identity API reference, "Identity providers".
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from msgspec.structs import replace

from events.envelope import Command, Event, State

INDEXES = ("user", "group")


class ExpiringMembership(State, frozen=True, gc=False, kw_only=True):
    group: str
    user: str
    provider: str
    confirmed_at: datetime

    @property
    def key(self) -> tuple[str, str]:
        return (self.group, self.user)


class MembershipConfirmed(Event, frozen=True, gc=False, kw_only=True):
    group: str
    user: str
    provider: str


class MembershipEnded(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = MembershipConfirmed | MembershipEnded


class ConfirmMembership(Command, frozen=True, gc=False, kw_only=True):
    id: tuple[str, str]  # group, user
    provider: str


class EndMembership(Command, frozen=True, gc=False, kw_only=True):
    id: tuple[str, str]


Commands = ConfirmMembership | EndMembership


def decide(membership: ExpiringMembership | None, command: Commands) -> list[Events]:
    """What `command` brings about."""
    group, user = command.id
    match command:
        case ConfirmMembership(provider=provider):
            return [MembershipConfirmed(group=group, user=user, provider=provider)]
        case EndMembership():
            return [] if membership is None or membership.deleted else [MembershipEnded()]
    assert_never(command)


def evolve(membership: ExpiringMembership | None, event: Events, at: datetime) -> ExpiringMembership:
    """The membership after `event`."""
    match event:
        case MembershipConfirmed():
            return ExpiringMembership(group=event.group, user=event.user, provider=event.provider, confirmed_at=at)
        case MembershipEnded():
            assert membership is not None, "MembershipEnded before MembershipConfirmed"
            return replace(membership, deleted=True)
    assert_never(event)
