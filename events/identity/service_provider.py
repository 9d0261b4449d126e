"""A service provider: another cloud that takes this one's word for its users.

    ENABLED <-> DISABLED -> DELETED

Source: Identity API reference, "OS-FEDERATION", "Service providers".
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict, replace

from events.envelope import Command, Event, State
from events.identity import changed, named
from events.refusals import Conflict, NotFound

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


class CreateServiceProvider(Command, frozen=True, gc=False, kw_only=True):
    id: str
    auth_url: str
    sp_url: str
    enabled: bool = False
    description: str | None = None
    relay_state_prefix: str = "ss:mem:"


class ChangeServiceProvider(Command, frozen=True, gc=False, kw_only=True):
    auth_url: str | UnsetType = UNSET
    sp_url: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    relay_state_prefix: str | UnsetType = UNSET


class DeleteServiceProvider(Command, frozen=True, gc=False, kw_only=True):
    pass


Commands = CreateServiceProvider | ChangeServiceProvider | DeleteServiceProvider


def decide(provider: ServiceProvider | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    if isinstance(command, CreateServiceProvider):
        if provider is not None and not provider.deleted:
            raise Conflict(
                f"Conflict occurred attempting to store service_provider - Duplicate entry found with ID {command.id}."
            )
        return [ServiceProviderCreated(**asdict(command))]
    if provider is None or provider.deleted:
        raise NotFound(f"Could not find Service Provider: {command.id}.")
    match command:
        case ChangeServiceProvider():
            changes = changed(provider, command)
            return [ServiceProviderChanged(**changes)] if changes else []
        case DeleteServiceProvider():
            return [ServiceProviderDeleted()]
    assert_never(command)


def evolve(provider: ServiceProvider | None, event: Events, at: datetime) -> ServiceProvider:
    """The provider after `event`."""
    if isinstance(event, ServiceProviderCreated):
        return ServiceProvider(**asdict(event))
    assert provider is not None, f"{event!r} before ServiceProviderCreated"
    match event:
        case ServiceProviderChanged():
            return replace(provider, **named(event))
        case ServiceProviderDeleted():
            return replace(provider, deleted=True)
    assert_never(event)
