"""An endpoint: where a service is reached in a region. One of the cloud's own is kept as a path below the cloud's URL.

    ENABLED <-> DISABLED -> DELETED

Source: Identity API reference, "Service catalog and endpoints".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from events.envelope import Event, State
from events.identity import record
from events.identity.record import Commands

INDEXES = ("service", "region")

Interface = Literal["public", "internal", "admin"]


class Endpoint(State, frozen=True, gc=False, kw_only=True):
    id: str
    service: str
    interface: Interface
    url: str  # absolute, or a path below the cloud's URL
    region: str | None = None
    enabled: bool = True
    extra: dict[str, Any] = {}


class EndpointCreated(Event, frozen=True, gc=False, kw_only=True):
    id: str
    service: str
    interface: Interface
    url: str
    region: str | None = None
    enabled: bool = True
    extra: dict[str, Any] = {}


class EndpointChanged(Event, frozen=True, gc=False, kw_only=True):
    service: str | UnsetType = UNSET
    interface: Interface | UnsetType = UNSET
    url: str | UnsetType = UNSET
    region: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    extra: dict[str, Any] | UnsetType = UNSET


class EndpointDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = EndpointCreated | EndpointChanged | EndpointDeleted


def decide(endpoint: Endpoint | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    return record.decide("endpoint", endpoint, command, EndpointDeleted())


def evolve(endpoint: Endpoint | None, event: Events, at: datetime) -> Endpoint:
    """The endpoint after `event`."""
    return record.evolve(Endpoint, endpoint, event, EndpointCreated, EndpointDeleted)
