"""A registered limit: how much of a resource of a service, in a region, a project may have if nothing else is said.

    CREATED -> DELETED

Source: Identity API reference, "Unified limits".
"""

from __future__ import annotations

from datetime import datetime

from msgspec import UNSET, UnsetType

from events.envelope import Event, State
from events.identity import record
from events.identity.record import Commands

INDEXES = ("what",)


class RegisteredLimit(State, frozen=True, gc=False, kw_only=True):
    id: str
    service: str
    resource_name: str
    default_limit: int
    region: str | None = None
    description: str | None = None

    @property
    def what(self) -> str:
        """What it limits."""
        return f"{self.service}|{self.region or ''}|{self.resource_name}"


class LimitRegistered(Event, frozen=True, gc=False, kw_only=True):
    id: str
    service: str
    resource_name: str
    default_limit: int
    region: str | None = None
    description: str | None = None


class RegisteredLimitChanged(Event, frozen=True, gc=False, kw_only=True):
    service: str | UnsetType = UNSET
    resource_name: str | UnsetType = UNSET
    default_limit: int | UnsetType = UNSET
    region: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET


class RegisteredLimitDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = LimitRegistered | RegisteredLimitChanged | RegisteredLimitDeleted


def decide(limit: RegisteredLimit | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    absent = f"Could not find registered limit for {command.id}."
    return record.decide("registered_limit", limit, command, RegisteredLimitDeleted(), absent=absent)


def evolve(limit: RegisteredLimit | None, event: Events, at: datetime) -> RegisteredLimit:
    """The registered limit after `event`."""
    return record.evolve(RegisteredLimit, limit, event, LimitRegistered, RegisteredLimitDeleted)
