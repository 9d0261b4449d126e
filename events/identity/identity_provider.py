"""An identity provider: who vouches for users that are not kept here. They live in its domain.

    ENABLED <-> DISABLED -> DELETED

A remote id - an issuer, an entity id - is of one provider only: each is claimed as a name.
Source: Identity API reference, "OS-FEDERATION", "Identity providers".
"""

from __future__ import annotations

from datetime import datetime

from msgspec import UNSET, UnsetType

from events.envelope import Event, State
from events.identity import record
from events.identity.record import Commands

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


def decide(provider: IdentityProvider | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    taken = "Conflict occurred attempting to store identity_provider - Duplicate entry: None."
    return record.decide("Identity Provider", provider, command, IdentityProviderDeleted(), taken=taken)


def evolve(provider: IdentityProvider | None, event: Events, at: datetime) -> IdentityProvider:
    """The provider after `event`."""
    return record.evolve(IdentityProvider, provider, event, IdentityProviderCreated, IdentityProviderDeleted)
