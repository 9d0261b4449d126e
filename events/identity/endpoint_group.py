"""An endpoint group: the endpoints of a service, a region or an interface, that a project may be given together.

    MADE -> DELETED

Source: Identity API reference, "OS-EP-FILTER".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType

from events.envelope import Event, State
from events.identity import record
from events.identity.record import Commands

INDEXES = ("name",)


class EndpointGroup(State, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    filters: dict[str, Any]  # what its endpoints have: `service_id`, `region_id`, `interface`
    description: str | None = None


class EndpointGroupMade(Event, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    filters: dict[str, Any]
    description: str | None = None


class EndpointGroupChanged(Event, frozen=True, gc=False, kw_only=True):
    name: str | UnsetType = UNSET
    filters: dict[str, Any] | UnsetType = UNSET
    description: str | UnsetType | None = UNSET


class EndpointGroupDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = EndpointGroupMade | EndpointGroupChanged | EndpointGroupDeleted


def decide(group: EndpointGroup | None, command: Commands) -> list[Events]:
    """What `command` brings about. Raises NotFound, Conflict."""
    return record.decide("Endpoint Group", group, command, EndpointGroupDeleted())


def evolve(group: EndpointGroup | None, event: Events, at: datetime) -> EndpointGroup:
    """The endpoint group after `event`."""
    return record.evolve(EndpointGroup, group, event, EndpointGroupMade, EndpointGroupDeleted)
