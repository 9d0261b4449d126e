"""A role: what an assignment grants. It may imply others; one of a domain is seen in that domain's rules only.

    CREATED -> DELETED

Source: Identity API reference, "Roles", "Role inferences".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, assert_never

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict, replace

from events.envelope import Command, Event, State
from events.identity import changed, keep_immutable, named
from events.refusals import Conflict, NotFound

INDEXES = ("name", "domain", "implies")


class Role(State, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    domain: str | None = None
    description: str | None = None
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    implies: tuple[str, ...] = ()


class RoleCreated(Event, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    domain: str | None = None
    description: str | None = None
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}


class RoleChanged(Event, frozen=True, gc=False, kw_only=True):
    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    options: dict[str, Any] | UnsetType = UNSET
    extra: dict[str, Any] | UnsetType = UNSET


class RoleImplied(Event, frozen=True, gc=False, kw_only=True):
    role: str


class RoleNoLongerImplied(Event, frozen=True, gc=False, kw_only=True):
    role: str


class RoleDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = RoleCreated | RoleChanged | RoleImplied | RoleNoLongerImplied | RoleDeleted


class CreateRole(Command, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    domain: str | None = None
    description: str | None = None
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}


class ChangeRole(Command, frozen=True, gc=False, kw_only=True):
    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    options: dict[str, Any] | UnsetType = UNSET
    extra: dict[str, Any] | UnsetType = UNSET


class ImplyRole(Command, frozen=True, gc=False, kw_only=True):
    role: str


class StopImplyingRole(Command, frozen=True, gc=False, kw_only=True):
    role: str


class DeleteRole(Command, frozen=True, gc=False, kw_only=True):
    pass


Commands = CreateRole | ChangeRole | ImplyRole | StopImplyingRole | DeleteRole


def decide(role: Role | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict, Forbidden."""
    if isinstance(command, CreateRole):
        if role is not None and not role.deleted:
            raise Conflict(f"Conflict occurred attempting to store role - Duplicate ID, {command.id}.")
        return [RoleCreated(**asdict(command))]
    if role is None or role.deleted:
        raise NotFound(f"Could not find role: {command.id}.")
    match command:
        case ChangeRole():
            changes = changed(role, command)
            if changes:
                keep_immutable("update", "role", role, command.options)
            return [RoleChanged(**changes)] if changes else []
        case ImplyRole(role=other):
            return [] if other in role.implies else [RoleImplied(role=other)]
        case StopImplyingRole(role=other):
            if other not in role.implies:
                raise NotFound(f"{role.id} does not imply {other}.")
            return [RoleNoLongerImplied(role=other)]
        case DeleteRole():
            keep_immutable("delete", "role", role)
            return [RoleDeleted()]
    assert_never(command)


def evolve(role: Role | None, event: Events, at: datetime) -> Role:
    """The role after `event`."""
    if isinstance(event, RoleCreated):
        return Role(**asdict(event))
    assert role is not None, f"{event!r} before RoleCreated"
    match event:
        case RoleChanged():
            return replace(role, **named(event))
        case RoleImplied(role=other):
            return replace(role, implies=(*role.implies, other))
        case RoleNoLongerImplied(role=other):
            return replace(role, implies=tuple(r for r in role.implies if r != other))
        case RoleDeleted():
            return replace(role, deleted=True)
    assert_never(event)
