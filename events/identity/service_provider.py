"""A service provider: another cloud that takes this one's word for its users.

    ENABLED <-> DISABLED -> DELETED

Source: Identity API reference, "OS-FEDERATION", "Service providers".
"""

from __future__ import annotations

from datetime import datetime

from msgspec import UNSET, UnsetType

from events.envelope import Event, State
from events.identity import record
from events.identity.record import Commands

INDEXES = ("enabled",)


class ServiceProvider(State, frozen=True, gc=False, kw_only=True):
    id: str
    auth_url: str  # of its Identity service, for a user who comes with an assertion
    sp_url: str  # where it takes assertions
    enabled: bool = False
    description: str | None = None
    relay_state_prefix: str = "ss:mem:"


class ServiceProviderCreated(Event, frozen=True, gc=False, kw_only=True):
    id: str
    auth_url: str
    sp_url: str
    enabled: bool = False
    description: str | None = None
    relay_state_prefix: str = "ss:mem:"


class ServiceProviderChanged(Event, frozen=True, gc=False, kw_only=True):
    auth_url: str | UnsetType = UNSET
    sp_url: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    relay_state_prefix: str | UnsetType = UNSET


class ServiceProviderDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = ServiceProviderCreated | ServiceProviderChanged | ServiceProviderDeleted


def decide(provider: ServiceProvider | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    taken = f"Conflict occurred attempting to store service_provider - Duplicate entry found with ID {command.id}."
    return record.decide("Service Provider", provider, command, ServiceProviderDeleted(), taken=taken)


def evolve(provider: ServiceProvider | None, event: Events, at: datetime) -> ServiceProvider:
    """The provider after `event`."""
    return record.evolve(ServiceProvider, provider, event, ServiceProviderCreated, ServiceProviderDeleted)
