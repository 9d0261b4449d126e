"""Under what name an identity provider knows a user: one subject for each, so that it is never two users' at once.

    LINKED <-> UNLINKED

Source: Identity API reference, "Users", `federated`.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from events.envelope import Command, Event, State
from events.identity import record
from events.refusals import Conflict, NotFound

INDEXES = ("user", "provider")


class FederatedUser(State, frozen=True, gc=False, kw_only=True):
    provider: str
    protocol: str
    unique_id: str
    user: str

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.provider, self.protocol, self.unique_id)


class UserLinked(Event, frozen=True, gc=False, kw_only=True):
    provider: str
    protocol: str
    unique_id: str
    user: str


class UserUnlinked(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = UserLinked | UserUnlinked


class LinkUser(Command, frozen=True, gc=False, kw_only=True):
    id: tuple[str, str, str]  # provider, protocol, unique id
    user: str


class UnlinkUser(Command, frozen=True, gc=False, kw_only=True):
    id: tuple[str, str, str]


Commands = LinkUser | UnlinkUser


def decide(found: FederatedUser | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    linked = found is not None and not found.deleted
    provider, protocol, unique_id = command.id
    match command:
        case LinkUser(user=user):
            if found is not None and linked:
                if found.user == user:
                    return []
                raise Conflict("Conflict occurred attempting to store federated_user - Duplicate entry.")
            return [UserLinked(provider=provider, protocol=protocol, unique_id=unique_id, user=user)]
        case UnlinkUser():
            if not linked:
                raise NotFound(f"Could not find user: {unique_id}.")
            return [UserUnlinked()]
    assert_never(command)


def evolve(found: FederatedUser | None, event: Events, at: datetime) -> FederatedUser:
    """What is known after `event`."""
    return record.evolve(FederatedUser, found, event, UserLinked, UserUnlinked)
