"""A user: who authenticates. The hash of the password stands here, the password nowhere.

    ENABLED <-> DISABLED -> DELETED

Source: Identity API reference, "Users".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, assert_never

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict, replace

from events.envelope import Command, Event, State
from events.identity import changed, named
from events.refusals import Conflict, NotFound

INDEXES = ("domain", "name", "place")
UNTOLD = ("password",)  # to consumers of the feed


class User(State, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    domain: str
    enabled: bool = True
    default_project: str | None = None
    password: str | None = None  # its hash; None: no password opens
    password_at: datetime | None = None
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}  # a description, an email address and whatever else was given
    tokens_from: datetime | None = None  # tokens of the user that were issued before are void
    provider: str | None = None  # the identity provider that made them known; their name may be others' too

    @property
    def place(self) -> str | None:
        """By which they are found by name."""
        return f"{self.domain}:{self.name}" if self.provider is None else None


class UserCreated(Event, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    domain: str
    enabled: bool = True
    default_project: str | None = None
    password: str | None = None
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    provider: str | None = None


class UserChanged(Event, frozen=True, gc=False, kw_only=True):
    name: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    default_project: str | UnsetType | None = UNSET
    options: dict[str, Any] | UnsetType = UNSET
    extra: dict[str, Any] | UnsetType = UNSET


class UserPasswordChanged(Event, frozen=True, gc=False, kw_only=True):
    password: str | None


class UserDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = UserCreated | UserChanged | UserPasswordChanged | UserDeleted


class CreateUser(Command, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    domain: str
    enabled: bool = True
    default_project: str | None = None
    password: str | None = None
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    provider: str | None = None


class ChangeUser(Command, frozen=True, gc=False, kw_only=True):
    """Change what is named; a password is named by its hash."""

    name: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    default_project: str | UnsetType | None = UNSET
    password: str | UnsetType | None = UNSET
    options: dict[str, Any] | UnsetType = UNSET
    extra: dict[str, Any] | UnsetType = UNSET


class DeleteUser(Command, frozen=True, gc=False, kw_only=True):
    pass


Commands = CreateUser | ChangeUser | DeleteUser


def decide(user: User | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    if isinstance(command, CreateUser):
        if user is not None and not user.deleted:
            raise Conflict(f"Conflict occurred attempting to store user - Duplicate ID, {command.id}.")
        return [UserCreated(**asdict(command))]
    if user is None or user.deleted:
        raise NotFound(f"Could not find user: {command.id}.")
    match command:
        case ChangeUser():
            changes = changed(user, command)
            events: list[Events] = []
            if "password" in changes:
                events.append(UserPasswordChanged(password=changes.pop("password")))
            return [*events, UserChanged(**changes)] if changes else events
        case DeleteUser():
            return [UserDeleted()]
    assert_never(command)


def evolve(user: User | None, event: Events, at: datetime) -> User:
    """The user after `event`."""
    if isinstance(event, UserCreated):
        since = None if event.provider is None else at  # an id that comes again must not make former tokens valid
        return User(**asdict(event), password_at=at if event.password else None, tokens_from=since)
    assert user is not None, f"{event!r} before UserCreated"
    match event:
        case UserChanged():
            after = replace(user, **named(event))
            return replace(after, tokens_from=at) if event.enabled is False else after
        case UserPasswordChanged(password=password):
            return replace(user, password=password, password_at=at, tokens_from=at)
        case UserDeleted():
            return replace(user, deleted=True)
    assert_never(event)
