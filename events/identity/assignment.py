"""An assignment: a role, granted to a user or a group, on a project, a domain or the whole system.

    GRANTED <-> REVOKED

One subject each, so that granting needs no lock on user or project, and found by who, by where, and by both.
An inherited one holds in all projects below its target, not on the target itself.
Source: Identity API reference, "Role assignments", "OS-INHERIT".
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, assert_never

from msgspec.structs import replace

from events.envelope import Command, Event, State
from events.refusals import NotFound

INDEXES = ("actor", "target", "role", "pair")

Key = tuple[str, str, str, str, str, str]
"""Kind and id of the actor, kind and id of the target, role, and `direct` or `inherited`."""


class Assignment(State, frozen=True, gc=False, kw_only=True):
    actor_kind: Literal["user", "group"]
    actor_id: str
    target_kind: Literal["project", "domain", "system"]
    target_id: str  # of the system: `all`
    role: str
    inherited: bool = False

    @property
    def actor(self) -> str:
        return f"{self.actor_kind}:{self.actor_id}"

    @property
    def target(self) -> str:
        return f"{self.target_kind}:{self.target_id}"

    @property
    def pair(self) -> str:
        return f"{self.actor} {self.target}"

    @property
    def key(self) -> Key:
        how = "inherited" if self.inherited else "direct"
        return (self.actor_kind, self.actor_id, self.target_kind, self.target_id, self.role, how)


class RoleGranted(Event, frozen=True, gc=False, kw_only=True):
    actor_kind: Literal["user", "group"]
    actor_id: str
    target_kind: Literal["project", "domain", "system"]
    target_id: str
    role: str
    inherited: bool = False


class RoleRevoked(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = RoleGranted | RoleRevoked


class GrantRole(Command, frozen=True, gc=False, kw_only=True):
    id: Key
    actor_kind: Literal["user", "group"]
    actor_id: str
    target_kind: Literal["project", "domain", "system"]
    target_id: str
    role: str
    inherited: bool = False


class RevokeRole(Command, frozen=True, gc=False, kw_only=True):
    id: Key


Commands = GrantRole | RevokeRole


def grant(
    actor: tuple[Literal["user", "group"], str],
    target: tuple[Literal["project", "domain", "system"], str],
    role: str,
    inherited: bool = False,
) -> GrantRole:
    """The command that grants a role, under the key that says all of it."""
    return GrantRole(
        id=(*actor, *target, role, "inherited" if inherited else "direct"),
        actor_kind=actor[0],
        actor_id=actor[1],
        target_kind=target[0],
        target_id=target[1],
        role=role,
        inherited=inherited,
    )


def decide(assignment: Assignment | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound."""
    granted = assignment is not None and not assignment.deleted
    match command:
        case GrantRole():
            if granted:
                return []
            return [
                RoleGranted(
                    actor_kind=command.actor_kind,
                    actor_id=command.actor_id,
                    target_kind=command.target_kind,
                    target_id=command.target_id,
                    role=command.role,
                    inherited=command.inherited,
                )
            ]
        case RevokeRole(id=(_, actor, kind, target, role, _)):
            if not granted:
                where = "system" if kind == "system" else target
                raise NotFound(
                    f"Could not find role assignment with role: {role}, user or group: {actor}, "
                    f"project, domain, or system: {where}."
                )
            return [RoleRevoked()]
    raise AssertionError(command)


def evolve(assignment: Assignment | None, event: Events, at: datetime) -> Assignment:
    """The assignment after `event`."""
    match event:
        case RoleGranted():
            return Assignment(
                actor_kind=event.actor_kind,
                actor_id=event.actor_id,
                target_kind=event.target_kind,
                target_id=event.target_id,
                role=event.role,
                inherited=event.inherited,
            )
        case RoleRevoked():
            assert assignment is not None, "RoleRevoked before RoleGranted"
            return replace(assignment, deleted=True)
    assert_never(event)
