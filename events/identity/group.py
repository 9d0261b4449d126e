"""A group of users: what is granted to it, each of them has.

    CREATED -> DELETED

Source: Identity API reference, "Groups".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, assert_never

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict, replace

from events.envelope import Command, Event, State
from events.identity import changed, named
from events.refusals import Conflict, NotFound

INDEXES = ("domain", "name", "place")


class Group(State, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    domain: str
    description: str = ""
    extra: dict[str, Any] = {}

    @property
    def place(self) -> str:
        """By which it is found by name."""
        return f"{self.domain}:{self.name}"


class GroupCreated(Event, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    domain: str
    description: str = ""
    extra: dict[str, Any] = {}


class GroupChanged(Event, frozen=True, gc=False, kw_only=True):
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    extra: dict[str, Any] | UnsetType = UNSET


class GroupDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = GroupCreated | GroupChanged | GroupDeleted


class CreateGroup(Command, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    domain: str
    description: str = ""
    extra: dict[str, Any] = {}


class ChangeGroup(Command, frozen=True, gc=False, kw_only=True):
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    extra: dict[str, Any] | UnsetType = UNSET


class DeleteGroup(Command, frozen=True, gc=False, kw_only=True):
    pass


Commands = CreateGroup | ChangeGroup | DeleteGroup


def decide(group: Group | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    if isinstance(command, CreateGroup):
        if group is not None and not group.deleted:
            raise Conflict(f"Conflict occurred attempting to store group - Duplicate ID, {command.id}.")
        return [GroupCreated(**asdict(command))]
    if group is None or group.deleted:
        raise NotFound(f"Could not find group: {command.id}.")
    match command:
        case ChangeGroup():
            changes = changed(group, command)
            return [GroupChanged(**changes)] if changes else []
        case DeleteGroup():
            return [GroupDeleted()]
    assert_never(command)


def evolve(group: Group | None, event: Events, at: datetime) -> Group:
    """The group after `event`."""
    if isinstance(event, GroupCreated):
        return Group(**asdict(event))
    assert group is not None, f"{event!r} before GroupCreated"
    match event:
        case GroupChanged():
            return replace(group, **named(event))
        case GroupDeleted():
            return replace(group, deleted=True)
    assert_never(event)
