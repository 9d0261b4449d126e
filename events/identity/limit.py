"""A limit: how much one project or domain may have, where it differs from what is registered.

    CREATED -> DELETED

Source: Identity API reference, "Unified limits".
"""

from __future__ import annotations

from datetime import datetime

from msgspec import UNSET, UnsetType

from events.envelope import Event, State
from events.identity import record
from events.identity.record import Commands

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


def decide(limit: Limit | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    absent = f"Could not find limit for {command.id}."
    return record.decide("limit", limit, command, LimitDeleted(), absent=absent)


def evolve(limit: Limit | None, event: Events, at: datetime) -> Limit:
    """The limit after `event`."""
    return record.evolve(Limit, limit, event, LimitCreated, LimitDeleted)
