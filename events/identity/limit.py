"""A limit: how much one project or domain may have, where it differs from what is registered.

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

INDEXES = ("what", "of")


class Limit(State, frozen=True, gc=False, kw_only=True):
    id: str
    service: str
    resource_name: str
    resource_limit: int
    region: str | None = None
    project_id: str | None = None
    domain_id: str | None = None
    description: str | None = None

    @property
    def what(self) -> str:
        """What it limits."""
        return f"{self.service}|{self.region or ''}|{self.resource_name}"

    @property
    def of(self) -> str | None:
        """Whom it limits."""
        return self.project_id or self.domain_id

    @property
    def owner(self) -> str | None:
        return self.project_id


class LimitCreated(Event, frozen=True, gc=False, kw_only=True):
    id: str
    service: str
    resource_name: str
    resource_limit: int
    region: str | None = None
    project_id: str | None = None
    domain_id: str | None = None
    description: str | None = None


class LimitChanged(Event, frozen=True, gc=False, kw_only=True):
    resource_limit: int | UnsetType = UNSET
    description: str | UnsetType | None = UNSET


class LimitDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = LimitCreated | LimitChanged | LimitDeleted


class CreateLimit(Command, frozen=True, gc=False, kw_only=True):
    id: str
    service: str
    resource_name: str
    resource_limit: int
    region: str | None = None
    project_id: str | None = None
    domain_id: str | None = None
    description: str | None = None

    @property
    def of(self) -> str | None:
        """Whom it limits."""
        return self.project_id or self.domain_id


class ChangeLimit(Command, frozen=True, gc=False, kw_only=True):
    resource_limit: int | UnsetType = UNSET
    description: str | UnsetType | None = UNSET


class DeleteLimit(Command, frozen=True, gc=False, kw_only=True):
    pass


Commands = CreateLimit | ChangeLimit | DeleteLimit


def decide(limit: Limit | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    if isinstance(command, CreateLimit):
        if limit is not None and not limit.deleted:
            raise Conflict("Conflict occurred attempting to store limit - Duplicate entry.")
        return [LimitCreated(**asdict(command))]
    if limit is None or limit.deleted:
        raise NotFound(f"Could not find limit for {command.id}.")
    match command:
        case ChangeLimit():
            changes = changed(limit, command)
            return [LimitChanged(**changes)] if changes else []
        case DeleteLimit():
            return [LimitDeleted()]
    assert_never(command)


def evolve(limit: Limit | None, event: Events, at: datetime) -> Limit:
    """The limit after `event`."""
    if isinstance(event, LimitCreated):
        return Limit(**asdict(event))
    assert limit is not None, f"{event!r} before LimitCreated"
    match event:
        case LimitChanged():
            return replace(limit, **named(event))
        case LimitDeleted():
            return replace(limit, deleted=True)
    assert_never(event)
