"""A registered limit: how much of a resource of a service, in a region, a project may have if nothing else is said.

    CREATED -> DELETED

Source: Identity API reference, "Unified limits".
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict, replace

from events.envelope import Command, Event, State
from events.identity import changed, named
from events.refusals import Conflict, NotFound

INDEXES = ("what",)


class RegisteredLimit(State, frozen=True, gc=False, kw_only=True):
    id: str
    service: str
    resource_name: str
    default_limit: int
    region: str | None = None
    description: str | None = None

    @property
    def what(self) -> str:
        """What it limits."""
        return f"{self.service}|{self.region or ''}|{self.resource_name}"


class LimitRegistered(Event, frozen=True, gc=False, kw_only=True):
    id: str
    service: str
    resource_name: str
    default_limit: int
    region: str | None = None
    description: str | None = None


class RegisteredLimitChanged(Event, frozen=True, gc=False, kw_only=True):
    service: str | UnsetType = UNSET
    resource_name: str | UnsetType = UNSET
    default_limit: int | UnsetType = UNSET
    region: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET


class RegisteredLimitDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = LimitRegistered | RegisteredLimitChanged | RegisteredLimitDeleted


class RegisterLimit(Command, frozen=True, gc=False, kw_only=True):
    id: str
    service: str
    resource_name: str
    default_limit: int
    region: str | None = None
    description: str | None = None


class ChangeRegisteredLimit(Command, frozen=True, gc=False, kw_only=True):
    service: str | UnsetType = UNSET
    resource_name: str | UnsetType = UNSET
    default_limit: int | UnsetType = UNSET
    region: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET


class DeleteRegisteredLimit(Command, frozen=True, gc=False, kw_only=True):
    pass


Commands = RegisterLimit | ChangeRegisteredLimit | DeleteRegisteredLimit


def decide(limit: RegisteredLimit | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    if isinstance(command, RegisterLimit):
        if limit is not None and not limit.deleted:
            raise Conflict("Conflict occurred attempting to store registered_limit - Duplicate entry.")
        return [LimitRegistered(**asdict(command))]
    if limit is None or limit.deleted:
        raise NotFound(f"Could not find registered limit for {command.id}.")
    match command:
        case ChangeRegisteredLimit():
            changes = changed(limit, command)
            return [RegisteredLimitChanged(**changes)] if changes else []
        case DeleteRegisteredLimit():
            return [RegisteredLimitDeleted()]
    assert_never(command)


def evolve(limit: RegisteredLimit | None, event: Events, at: datetime) -> RegisteredLimit:
    """The registered limit after `event`."""
    if isinstance(event, LimitRegistered):
        return RegisteredLimit(**asdict(event))
    assert limit is not None, f"{event!r} before LimitRegistered"
    match event:
        case RegisteredLimitChanged():
            return replace(limit, **named(event))
        case RegisteredLimitDeleted():
            return replace(limit, deleted=True)
    assert_never(event)
