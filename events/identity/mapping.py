"""A mapping: rules by which what an identity provider says of somebody becomes a user, groups and projects here.

    CREATED -> DELETED

Source: Identity API reference, "OS-FEDERATION", "Mappings".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType

from events.envelope import Event, State
from events.identity import record
from events.identity.record import Commands


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


def decide(mapping: Mapping | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    taken = "Conflict occurred attempting to store mapping - Duplicate entry."
    return record.decide("mapping", mapping, command, MappingDeleted(), taken=taken)


def evolve(mapping: Mapping | None, event: Events, at: datetime) -> Mapping:
    """The mapping after `event`."""
    return record.evolve(Mapping, mapping, event, MappingCreated, MappingDeleted)
