"""A region: where endpoints are. It may lie within another.

    CREATED -> DELETED

Source: Identity API reference, "Regions".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType

from events.envelope import Event, State
from events.identity import record
from events.identity.record import Commands

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


def decide(region: Region | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    return record.decide("region", region, command, RegionDeleted())


def evolve(region: Region | None, event: Events, at: datetime) -> Region:
    """The region after `event`."""
    return record.evolve(Region, region, event, RegionCreated, RegionDeleted)
