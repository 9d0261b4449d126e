"""What every resource of the network service has: a name, a description, tags, a revision - and a fence.

A resource is made in steps: claims first, then itself (DESIGN, "Hard cases, decided", 2). Each attempt at that has a
name, `claim`, which stands in what it claimed and in the command that ends it. What an attempt left behind is given
back only after the attempt was *swept*: from then on the resource refuses to be made, or changed, by it, however late.
Source: Networking API reference, "Standard attributes".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

from msgspec import UNSET
from msgspec.structs import asdict, replace

from events.envelope import Command, Event, State
from events.refusals import Busy, Invalid, NotFound, PreconditionFailed

MOST_TAGS = 50


class Standard(State, frozen=True, gc=False, kw_only=True):
    id: str
    project: str
    name: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    revision: int = 0
    created_at: datetime
    updated_at: datetime
    claim: str = ""  # the attempt that made it: its share of the quota is held by `holder(id, claim)`
    swept: tuple[str, ...] = ()  # attempts that have been given up

    @property
    def owner(self) -> str | None:
        return self.project or None  # a tombstone of what never was has none


class TagsSet(Event, frozen=True, gc=False, kw_only=True):
    tags: tuple[str, ...]


class Swept(Event, frozen=True, gc=False, kw_only=True):
    id: str
    claim: str


class AddTag(Command, frozen=True, gc=False, kw_only=True):
    tag: str


class RemoveTag(Command, frozen=True, gc=False, kw_only=True):
    tag: str


class SetTags(Command, frozen=True, gc=False, kw_only=True):
    tags: tuple[str, ...]


class Sweep(Command, frozen=True, gc=False, kw_only=True):
    """Never again listen to this attempt, whose time is over."""

    claim: str


class Leaving(Busy):
    """It is just being deleted, or may yet stay: to be tried again in a moment."""


Tagging = AddTag | RemoveTag | SetTags
S = TypeVar("S", bound=Standard)


def holder(id: str, claim: str) -> str:
    """The name under which an attempt holds what it claims for the resource."""
    return f"{id}.{claim}"


def sweep(state: Standard | None, command: Sweep) -> list[Swept]:
    return [] if state is not None and command.claim in state.swept else [Swept(id=command.id, claim=command.claim)]


def listen(state: Standard | None, claim: str) -> None:
    """Raises Busy if the attempt was given up meanwhile."""
    if state is not None and claim in state.swept:
        raise Busy("The request took too long and was given up. Try again.")


def swept(state: S, event: Swept) -> S:
    return replace(state, swept=(*state.swept, event.claim)[-100:])


def at_revision(state: Standard, revision: int | None) -> None:
    """Raises PreconditionFailed if a revision is asked for that is not the newest."""
    if revision is not None and revision != state.revision:
        raise PreconditionFailed(
            f"Constrained to {revision}, but current revision is {state.revision}",
            kind="RevisionNumberConstraintFailed",
        )


def tagging(state: Standard, command: Tagging, collection: str) -> list[TagsSet]:
    """What a command on tags brings about. Raises NotFound, Invalid."""
    match command:
        case AddTag(tag=tag):
            tags = state.tags if tag in state.tags else (*state.tags, tag)
        case RemoveTag(tag=tag):
            if tag not in state.tags:
                raise NotFound(f"Tag {tag} could not be found.", kind="TagNotFound")
            tags = tuple(one for one in state.tags if one != tag)
        case SetTags():
            tags = command.tags
    if len(tags) > MOST_TAGS:
        text = f"Bad {collection} request: The number of tags exceed the per-resource limit of {MOST_TAGS}."
        raise Invalid(text, kind="BadRequest")
    return [] if tags == state.tags else [TagsSet(tags=tags)]


def differences(state: Standard, command: Command) -> dict[str, Any]:
    """The attributes that a command asks to be other than they are."""
    asked = {name: value for name, value in asdict(command).items() if name in state.__struct_fields__}
    del asked["id"]
    return {name: value for name, value in asked.items() if value is not UNSET and value != getattr(state, name)}


def changed(state: S, event: Event, at: datetime) -> S:
    """The state with the attributes that the event names, one revision on."""
    values = {name: value for name, value in asdict(event).items() if value is not UNSET}
    return replace(state, **values, revision=state.revision + 1, updated_at=at)


def minute(until: datetime) -> int:
    """The minute in which a deadline lies, since 1970: what deadlines are indexed by."""
    return int(until.timestamp()) // 60
