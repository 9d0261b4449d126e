"""A project: what owns resources. It belongs to a domain, and may lie below another project of it.

    ENABLED <-> DISABLED -> DELETED

Source: Identity API reference, "Projects", "Project tags".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, assert_never

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from events.envelope import Command, Event, State
from events.identity import keep_immutable, record
from events.refusals import NotFound

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


class TagProject(Command, frozen=True, gc=False, kw_only=True):
    tag: str


class UntagProject(Command, frozen=True, gc=False, kw_only=True):
    tag: str


Commands = record.Commands | TagProject | UntagProject


def decide(project: Project | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict, Forbidden."""
    if not isinstance(command, TagProject | UntagProject):
        return record.decide("project", project, command, ProjectDeleted())
    project = record.living("project", project, command)
    keep_immutable("update", "project", project)
    match command:
        case TagProject(tag=tag):
            return [] if tag in project.tags else [ProjectTagged(tag=tag)]
        case UntagProject(tag=tag):
            if tag not in project.tags:
                raise NotFound(f"Could not find project tag: {tag}.")
            return [ProjectUntagged(tag=tag)]
    assert_never(command)


def evolve(project: Project | None, event: Events, at: datetime) -> Project:
    """The project after `event`."""
    match event:
        case ProjectTagged(tag=tag):
            assert project is not None, "ProjectTagged before ProjectCreated"
            return replace(project, tags=(*project.tags, tag))
        case ProjectUntagged(tag=tag):
            assert project is not None, "ProjectUntagged before ProjectCreated"
            return replace(project, tags=tuple(t for t in project.tags if t != tag))
    after = record.evolve(Project, project, event, ProjectCreated, ProjectDeleted)
    return replace(after, tokens_from=at) if isinstance(event, ProjectChanged) and event.enabled is False else after
