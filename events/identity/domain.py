"""A domain: what users, groups and projects belong to.

    ENABLED <-> DISABLED -> DELETED

Source: Identity API reference, "Domains".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, assert_never

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict, replace

from events.envelope import Command, Event, State
from events.identity import changed, keep_immutable, named
from events.refusals import Conflict, Forbidden, NotFound

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


class CreateDomain(Command, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    description: str = ""
    enabled: bool = True
    tags: tuple[str, ...] = ()
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}


class ChangeDomain(Command, frozen=True, gc=False, kw_only=True):
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    options: dict[str, Any] | UnsetType = UNSET
    extra: dict[str, Any] | UnsetType = UNSET


class DeleteDomain(Command, frozen=True, gc=False, kw_only=True):
    pass


Commands = CreateDomain | ChangeDomain | DeleteDomain


def decide(domain: Domain | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict, Forbidden."""
    if isinstance(command, CreateDomain):
        if domain is not None and not domain.deleted:
            raise Conflict(f"Conflict occurred attempting to store domain - Duplicate ID, {command.id}.")
        return [DomainCreated(**asdict(command))]
    if domain is None or domain.deleted:
        raise NotFound(f"Could not find domain: {command.id}.")
    match command:
        case ChangeDomain():
            changes = changed(domain, command)
            if changes:
                keep_immutable("update", "domain", domain, command.options)
            return [DomainChanged(**changes)] if changes else []
        case DeleteDomain():
            if domain.enabled:
                raise Forbidden("Cannot delete a domain that is enabled, please disable it first.")
            if domain.id == "default":
                raise Forbidden("Cannot delete the default domain, please create another one first.")
            keep_immutable("delete", "domain", domain)
            return [DomainDeleted()]
    assert_never(command)


def evolve(domain: Domain | None, event: Events, at: datetime) -> Domain:
    """The domain after `event`."""
    if isinstance(event, DomainCreated):
        return Domain(**asdict(event))
    assert domain is not None, f"{event!r} before DomainCreated"
    match event:
        case DomainChanged():
            after = replace(domain, **named(event))
            return replace(after, tokens_from=at) if event.enabled is False else after
        case DomainDeleted():
            return replace(domain, deleted=True)
    assert_never(event)
