"""A membership: one user in one group, a subject of its own so that a large group stays cheap to change.

    JOINED <-> LEFT

Source: Identity API reference, "Add user to group".
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from events.envelope import Command, Event, State
from events.identity import record
from events.refusals import NotFound

INDEXES = ("group", "user")


class Membership(State, frozen=True, gc=False, kw_only=True):
    group: str
    user: str


class Joined(Event, frozen=True, gc=False, kw_only=True):
    group: str
    user: str


class Left(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = Joined | Left


class Join(Command, frozen=True, gc=False, kw_only=True):
    id: tuple[str, str]  # group, user


class Leave(Command, frozen=True, gc=False, kw_only=True):
    id: tuple[str, str]


Commands = Join | Leave


def decide(membership: Membership | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound."""
    member = membership is not None and not membership.deleted
    group, user = command.id
    match command:
        case Join():
            return [] if member else [Joined(group=group, user=user)]
        case Leave():
            if not member:
                raise NotFound(f"User '{user}' not found in group '{group}'.")
            return [Left()]
    assert_never(command)


def evolve(membership: Membership | None, event: Events, at: datetime) -> Membership:
    """The membership after `event`."""
    return record.evolve(Membership, membership, event, Joined, Left)
