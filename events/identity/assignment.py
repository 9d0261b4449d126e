"""An assignment: a role, granted to a user or a group, on a project, a domain or the whole system.

    GRANTED <-> REVOKED

One subject each, so that granting needs no lock on user or project, and found by who, by where, and by both.
An inherited one holds in all projects below its target, not on the target itself.
Source: Identity API reference, "Role assignments", "OS-INHERIT".
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, assert_never

from events.envelope import Command, Event, State
from events.identity import record
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
    granted: RoleGranted


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
    granted = RoleGranted(
        actor_kind=actor[0],
        actor_id=actor[1],
        target_kind=target[0],
        target_id=target[1],
        role=role,
        inherited=inherited,
    )
    return GrantRole(id=(*actor, *target, role, "inherited" if inherited else "direct"), granted=granted)


def not_granted(key: Key) -> NotFound:
    _, actor, kind, target, role, _ = key
    where = "system" if kind == "system" else target
    return NotFound(
        f"Could not find role assignment with role: {role}, user or group: {actor}, "
        f"project, domain, or system: {where}."
    )


def decide(assignment: Assignment | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound."""
    granted = assignment is not None and not assignment.deleted
    match command:
        case GrantRole(granted=event):
            return [] if granted else [event]
        case RevokeRole(id=key):
            if not granted:
                raise not_granted(key)
            return [RoleRevoked()]
    assert_never(command)


def evolve(assignment: Assignment | None, event: Events, at: datetime) -> Assignment:
    """The assignment after `event`."""
    return record.evolve(Assignment, assignment, event, RoleGranted, RoleRevoked)
