"""An identity provider: who vouches for users that are not kept here. They live in its domain.

    ENABLED <-> DISABLED -> DELETED

A remote id - an issuer, an entity id - is of one provider only: each is claimed as a name.
Source: Identity API reference, "OS-FEDERATION", "Identity providers".
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict, replace

from events.envelope import Command, Event, State
from events.identity import changed, named
from events.refusals import Conflict, NotFound

INDEXES = ("domain", "remote_ids")


class IdentityProvider(State, frozen=True, gc=False, kw_only=True):
    id: str
    domain: str
    enabled: bool = False
    description: str | None = None
    remote_ids: tuple[str, ...] = ()
    authorization_ttl: int | None = None  # minutes that memberships told by it last; None: as the setting says


class IdentityProviderCreated(Event, frozen=True, gc=False, kw_only=True):
    id: str
    domain: str
    enabled: bool = False
    description: str | None = None
    remote_ids: tuple[str, ...] = ()
    authorization_ttl: int | None = None


class IdentityProviderChanged(Event, frozen=True, gc=False, kw_only=True):
    enabled: bool | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    remote_ids: tuple[str, ...] | UnsetType = UNSET
    authorization_ttl: int | UnsetType | None = UNSET


class IdentityProviderDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = IdentityProviderCreated | IdentityProviderChanged | IdentityProviderDeleted


class CreateIdentityProvider(Command, frozen=True, gc=False, kw_only=True):
    id: str
    domain: str
    enabled: bool = False
    description: str | None = None
    remote_ids: tuple[str, ...] = ()
    authorization_ttl: int | None = None


class ChangeIdentityProvider(Command, frozen=True, gc=False, kw_only=True):
    enabled: bool | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    remote_ids: tuple[str, ...] | UnsetType = UNSET
    authorization_ttl: int | UnsetType | None = UNSET


class DeleteIdentityProvider(Command, frozen=True, gc=False, kw_only=True):
    pass


Commands = CreateIdentityProvider | ChangeIdentityProvider | DeleteIdentityProvider


def decide(provider: IdentityProvider | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    if isinstance(command, CreateIdentityProvider):
        if provider is not None and not provider.deleted:
            raise Conflict("Conflict occurred attempting to store identity_provider - Duplicate entry: None.")
        return [IdentityProviderCreated(**asdict(command))]
    if provider is None or provider.deleted:
        raise NotFound(f"Could not find Identity Provider: {command.id}.")
    match command:
        case ChangeIdentityProvider():
            changes = changed(provider, command)
            return [IdentityProviderChanged(**changes)] if changes else []
        case DeleteIdentityProvider():
            return [IdentityProviderDeleted()]
    assert_never(command)


def evolve(provider: IdentityProvider | None, event: Events, at: datetime) -> IdentityProvider:
    """The provider after `event`."""
    if isinstance(event, IdentityProviderCreated):
        return IdentityProvider(**asdict(event))
    assert provider is not None, f"{event!r} before IdentityProviderCreated"
    match event:
        case IdentityProviderChanged():
            return replace(provider, **named(event))
        case IdentityProviderDeleted():
            return replace(provider, deleted=True)
    assert_never(event)
