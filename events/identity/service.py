"""A service: an entry of the catalog, of one type.

    ENABLED <-> DISABLED -> DELETED

Source: Identity API reference, "Service catalog and endpoints".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType

from events.envelope import Event, State
from events.identity import record
from events.identity.record import Commands

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


def decide(service: Service | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    return record.decide("service", service, command, ServiceDeleted())


def evolve(service: Service | None, event: Events, at: datetime) -> Service:
    """The service after `event`."""
    return record.evolve(Service, service, event, ServiceCreated, ServiceDeleted)
