"""A group of users: what is granted to it, each of them has.

    CREATED -> DELETED

Source: Identity API reference, "Groups".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType

from events.envelope import Event, State
from events.identity import record
from events.identity.record import Commands

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


def decide(group: Group | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    return record.decide("group", group, command, GroupDeleted())


def evolve(group: Group | None, event: Events, at: datetime) -> Group:
    """The group after `event`."""
    return record.evolve(Group, group, event, GroupCreated, GroupDeleted)
