"""A role: what an assignment grants. It may imply others; one of a domain is seen in that domain's rules only.

    CREATED -> DELETED

Source: Identity API reference, "Roles", "Role inferences".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, assert_never

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from events.envelope import Command, Event, State
from events.identity import record
from events.refusals import NotFound

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


class ImplyRole(Command, frozen=True, gc=False, kw_only=True):
    role: str


class StopImplyingRole(Command, frozen=True, gc=False, kw_only=True):
    role: str


Commands = record.Commands | ImplyRole | StopImplyingRole


def decide(role: Role | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict, Forbidden."""
    if not isinstance(command, ImplyRole | StopImplyingRole):
        return record.decide("role", role, command, RoleDeleted())
    role = record.living("role", role, command)
    match command:
        case ImplyRole(role=other):
            return [] if other in role.implies else [RoleImplied(role=other)]
        case StopImplyingRole(role=other):
            if other not in role.implies:
                raise NotFound(f"{role.id} does not imply {other}.")
            return [RoleNoLongerImplied(role=other)]
    assert_never(command)


def evolve(role: Role | None, event: Events, at: datetime) -> Role:
    """The role after `event`."""
    match event:
        case RoleImplied(role=other):
            assert role is not None, "RoleImplied before RoleCreated"
            return replace(role, implies=(*role.implies, other))
        case RoleNoLongerImplied(role=other):
            assert role is not None, "RoleNoLongerImplied before RoleCreated"
            return replace(role, implies=tuple(r for r in role.implies if r != other))
    return record.evolve(Role, role, event, RoleCreated, RoleDeleted)
