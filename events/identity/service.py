"""A service: an entry of the catalog, of one type.

    ENABLED <-> DISABLED -> DELETED

Source: Identity API reference, "Service catalog and endpoints".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, assert_never

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict, replace

from events.envelope import Command, Event, State
from events.identity import changed, named
from events.refusals import Conflict, NotFound

INDEXES = ("kind", "name")


class Service(State, frozen=True, gc=False, kw_only=True):
    id: str
    kind: str
    name: str | None = None
    enabled: bool = True
    extra: dict[str, Any] = {}  # a description and whatever else was given


class ServiceCreated(Event, frozen=True, gc=False, kw_only=True):
    id: str
    kind: str
    name: str | None = None
    enabled: bool = True
    extra: dict[str, Any] = {}


class ServiceChanged(Event, frozen=True, gc=False, kw_only=True):
    kind: str | UnsetType = UNSET
    name: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    extra: dict[str, Any] | UnsetType = UNSET


class ServiceDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = ServiceCreated | ServiceChanged | ServiceDeleted


class CreateService(Command, frozen=True, gc=False, kw_only=True):
    id: str
    kind: str
    name: str | None = None
    enabled: bool = True
    extra: dict[str, Any] = {}


class ChangeService(Command, frozen=True, gc=False, kw_only=True):
    kind: str | UnsetType = UNSET
    name: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    extra: dict[str, Any] | UnsetType = UNSET


class DeleteService(Command, frozen=True, gc=False, kw_only=True):
    pass


Commands = CreateService | ChangeService | DeleteService


def decide(service: Service | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    if isinstance(command, CreateService):
        if service is not None and not service.deleted:
            raise Conflict(f"Conflict occurred attempting to store service - Duplicate ID, {command.id}.")
        return [ServiceCreated(**asdict(command))]
    if service is None or service.deleted:
        raise NotFound(f"Could not find service: {command.id}.")
    match command:
        case ChangeService():
            changes = changed(service, command)
            return [ServiceChanged(**changes)] if changes else []
        case DeleteService():
            return [ServiceDeleted()]
    assert_never(command)


def evolve(service: Service | None, event: Events, at: datetime) -> Service:
    """The service after `event`."""
    if isinstance(event, ServiceCreated):
        return Service(**asdict(event))
    assert service is not None, f"{event!r} before ServiceCreated"
    match event:
        case ServiceChanged():
            return replace(service, **named(event))
        case ServiceDeleted():
            return replace(service, deleted=True)
    assert_never(event)
