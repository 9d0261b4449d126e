"""A project: what owns resources. It belongs to a domain, and may lie below another project of it.

    ENABLED <-> DISABLED -> DELETED

Source: Identity API reference, "Projects", "Project tags".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, assert_never

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict, replace

from events.envelope import Command, Event, State
from events.identity import changed, keep_immutable, named
from events.refusals import Conflict, NotFound

INDEXES = ("domain", "name", "parent", "place", "tags")


class Project(State, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    domain: str
    parent: str | None = None  # the project above it; None: the domain itself
    description: str = ""
    enabled: bool = True
    tags: tuple[str, ...] = ()
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    tokens_from: datetime | None = None  # tokens of the project that were issued before are void

    @property
    def place(self) -> str:
        """By which it is found by name."""
        return f"{self.domain}:{self.name}"


class ProjectCreated(Event, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    domain: str
    parent: str | None = None
    description: str = ""
    enabled: bool = True
    tags: tuple[str, ...] = ()
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}


class ProjectChanged(Event, frozen=True, gc=False, kw_only=True):
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    options: dict[str, Any] | UnsetType = UNSET
    extra: dict[str, Any] | UnsetType = UNSET


class ProjectTagged(Event, frozen=True, gc=False, kw_only=True):
    tag: str


class ProjectUntagged(Event, frozen=True, gc=False, kw_only=True):
    tag: str


class ProjectDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = ProjectCreated | ProjectChanged | ProjectTagged | ProjectUntagged | ProjectDeleted


class CreateProject(Command, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    domain: str
    parent: str | None = None
    description: str = ""
    enabled: bool = True
    tags: tuple[str, ...] = ()
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}


class ChangeProject(Command, frozen=True, gc=False, kw_only=True):
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    options: dict[str, Any] | UnsetType = UNSET
    extra: dict[str, Any] | UnsetType = UNSET


class TagProject(Command, frozen=True, gc=False, kw_only=True):
    tag: str


class UntagProject(Command, frozen=True, gc=False, kw_only=True):
    tag: str


class DeleteProject(Command, frozen=True, gc=False, kw_only=True):
    pass


Commands = CreateProject | ChangeProject | TagProject | UntagProject | DeleteProject


def decide(project: Project | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict, Forbidden."""
    if isinstance(command, CreateProject):
        if project is not None and not project.deleted:
            raise Conflict(f"Conflict occurred attempting to store project - Duplicate ID, {command.id}.")
        return [ProjectCreated(**asdict(command))]
    if project is None or project.deleted:
        raise NotFound(f"Could not find project: {command.id}.")
    match command:
        case ChangeProject():
            changes = changed(project, command)
            if changes:
                keep_immutable("update", "project", project, command.options)
            return [ProjectChanged(**changes)] if changes else []
        case TagProject(tag=tag):
            keep_immutable("update", "project", project)
            return [] if tag in project.tags else [ProjectTagged(tag=tag)]
        case UntagProject(tag=tag):
            keep_immutable("update", "project", project)
            if tag not in project.tags:
                raise NotFound(f"Could not find project tag: {tag}.")
            return [ProjectUntagged(tag=tag)]
        case DeleteProject():
            keep_immutable("delete", "project", project)
            return [ProjectDeleted()]
    assert_never(command)


def evolve(project: Project | None, event: Events, at: datetime) -> Project:
    """The project after `event`."""
    if isinstance(event, ProjectCreated):
        return Project(**asdict(event))
    assert project is not None, f"{event!r} before ProjectCreated"
    match event:
        case ProjectChanged():
            after = replace(project, **named(event))
            return replace(after, tokens_from=at) if event.enabled is False else after
        case ProjectTagged(tag=tag):
            return replace(project, tags=(*project.tags, tag))
        case ProjectUntagged(tag=tag):
            return replace(project, tags=tuple(t for t in project.tags if t != tag))
        case ProjectDeleted():
            return replace(project, deleted=True)
    assert_never(event)
