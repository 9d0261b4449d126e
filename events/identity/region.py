"""A region: where endpoints are. It may lie within another.

    CREATED -> DELETED

Source: Identity API reference, "Regions".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, assert_never

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict, replace

from events.envelope import Command, Event, State
from events.identity import changed, named
from events.refusals import Conflict, NotFound

INDEXES = ("parent",)


class Region(State, frozen=True, gc=False, kw_only=True):
    id: str
    description: str = ""
    parent: str | None = None
    extra: dict[str, Any] = {}


class RegionCreated(Event, frozen=True, gc=False, kw_only=True):
    id: str
    description: str = ""
    parent: str | None = None
    extra: dict[str, Any] = {}


class RegionChanged(Event, frozen=True, gc=False, kw_only=True):
    description: str | UnsetType = UNSET
    parent: str | UnsetType | None = UNSET
    extra: dict[str, Any] | UnsetType = UNSET


class RegionDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = RegionCreated | RegionChanged | RegionDeleted


class CreateRegion(Command, frozen=True, gc=False, kw_only=True):
    id: str
    description: str = ""
    parent: str | None = None
    extra: dict[str, Any] = {}


class ChangeRegion(Command, frozen=True, gc=False, kw_only=True):
    description: str | UnsetType = UNSET
    parent: str | UnsetType | None = UNSET
    extra: dict[str, Any] | UnsetType = UNSET


class DeleteRegion(Command, frozen=True, gc=False, kw_only=True):
    pass


Commands = CreateRegion | ChangeRegion | DeleteRegion


def decide(region: Region | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    if isinstance(command, CreateRegion):
        if region is not None and not region.deleted:
            raise Conflict(f"Conflict occurred attempting to store region - Duplicate ID, {command.id}..")
        return [RegionCreated(**asdict(command))]
    if region is None or region.deleted:
        raise NotFound(f"Could not find region: {command.id}.")
    match command:
        case ChangeRegion():
            changes = changed(region, command)
            return [RegionChanged(**changes)] if changes else []
        case DeleteRegion():
            return [RegionDeleted()]
    assert_never(command)


def evolve(region: Region | None, event: Events, at: datetime) -> Region:
    """The region after `event`."""
    if isinstance(event, RegionCreated):
        return Region(**asdict(event))
    assert region is not None, f"{event!r} before RegionCreated"
    match event:
        case RegionChanged():
            return replace(region, **named(event))
        case RegionDeleted():
            return replace(region, deleted=True)
    assert_never(event)
