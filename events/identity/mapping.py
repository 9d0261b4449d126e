"""A mapping: rules by which what an identity provider says of somebody becomes a user, groups and projects here.

    CREATED -> DELETED

Source: Identity API reference, "OS-FEDERATION", "Mappings".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, assert_never

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict, replace

from events.envelope import Command, Event, State
from events.identity import changed, named
from events.refusals import Conflict, NotFound


class Mapping(State, frozen=True, gc=False, kw_only=True):
    id: str
    rules: tuple[dict[str, Any], ...]
    schema_version: str = "1.0"


class MappingCreated(Event, frozen=True, gc=False, kw_only=True):
    id: str
    rules: tuple[dict[str, Any], ...]
    schema_version: str = "1.0"


class MappingChanged(Event, frozen=True, gc=False, kw_only=True):
    rules: tuple[dict[str, Any], ...] | UnsetType = UNSET
    schema_version: str | UnsetType = UNSET


class MappingDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = MappingCreated | MappingChanged | MappingDeleted


class CreateMapping(Command, frozen=True, gc=False, kw_only=True):
    id: str
    rules: tuple[dict[str, Any], ...]
    schema_version: str = "1.0"


class ChangeMapping(Command, frozen=True, gc=False, kw_only=True):
    rules: tuple[dict[str, Any], ...] | UnsetType = UNSET
    schema_version: str | UnsetType = UNSET


class DeleteMapping(Command, frozen=True, gc=False, kw_only=True):
    pass


Commands = CreateMapping | ChangeMapping | DeleteMapping


def decide(mapping: Mapping | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    if isinstance(command, CreateMapping):
        if mapping is not None and not mapping.deleted:
            raise Conflict("Conflict occurred attempting to store mapping - Duplicate entry.")
        return [MappingCreated(**asdict(command))]
    if mapping is None or mapping.deleted:
        raise NotFound(f"Could not find mapping: {command.id}.")
    match command:
        case ChangeMapping():
            changes = changed(mapping, command)
            return [MappingChanged(**changes)] if changes else []
        case DeleteMapping():
            return [MappingDeleted()]
    assert_never(command)


def evolve(mapping: Mapping | None, event: Events, at: datetime) -> Mapping:
    """The mapping after `event`."""
    if isinstance(event, MappingCreated):
        return Mapping(**asdict(event))
    assert mapping is not None, f"{event!r} before MappingCreated"
    match event:
        case MappingChanged():
            return replace(mapping, **named(event))
        case MappingDeleted():
            return replace(mapping, deleted=True)
    assert_never(event)
