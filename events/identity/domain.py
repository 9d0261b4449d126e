"""A domain: what users, groups and projects belong to.

    ENABLED <-> DISABLED -> DELETED

Source: Identity API reference, "Domains".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from events.envelope import Event, State
from events.identity import record
from events.identity.record import Commands, Delete
from events.refusals import Forbidden

INDEXES = ("name",)


class Domain(State, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    description: str = ""
    enabled: bool = True
    tags: tuple[str, ...] = ()
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    tokens_from: datetime | None = None  # tokens of the domain that were issued before are void


class DomainCreated(Event, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    description: str = ""
    enabled: bool = True
    tags: tuple[str, ...] = ()
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}


class DomainChanged(Event, frozen=True, gc=False, kw_only=True):
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    options: dict[str, Any] | UnsetType = UNSET
    extra: dict[str, Any] | UnsetType = UNSET


class DomainDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = DomainCreated | DomainChanged | DomainDeleted


def decide(domain: Domain | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict, Forbidden."""
    if isinstance(command, Delete):
        domain = record.living("domain", domain, command)
        if domain.enabled:
            raise Forbidden("Cannot delete a domain that is enabled, please disable it first.")
        if domain.id == "default":
            raise Forbidden("Cannot delete the default domain, please create another one first.")
    return record.decide("domain", domain, command, DomainDeleted())


def evolve(domain: Domain | None, event: Events, at: datetime) -> Domain:
    """The domain after `event`."""
    after = record.evolve(Domain, domain, event, DomainCreated, DomainDeleted)
    return replace(after, tokens_from=at) if isinstance(event, DomainChanged) and event.enabled is False else after
