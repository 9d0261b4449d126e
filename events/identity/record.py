"""A record: what is made, changed and deleted as a whole. Most resources are one, and take these words as theirs.

    MADE -> DELETED

A command carries the event that it asks for: what can be said in a wish is what can happen. A resource's module has its
state, its three events, and one line of `decide` and `evolve` each; what else can be asked of it stands before that.
What is marked `immutable` in its `options`, if it has any, stays as it is.
"""

from __future__ import annotations

from typing import Any, TypeVar, assert_never

from msgspec import UNSET
from msgspec.structs import asdict, replace

from events.envelope import Command, Event, State
from events.identity import changed, keep_immutable, missing, named
from events.refusals import Conflict, NotFound

S = TypeVar("S", bound=State)


class Make(Command, frozen=True, gc=False, kw_only=True):
    made: Event


class Change(Command, frozen=True, gc=False, kw_only=True):
    to: Event  # of what is not to change it says nothing


class Delete(Command, frozen=True, gc=False, kw_only=True):
    pass


Commands = Make | Change | Delete


def living(kind: str, record: S | None, command: Command, absent: str | None = None) -> S:
    """The record, if it is there. Raises NotFound, saying that it is `absent` if not as usual."""
    if record is None or record.deleted:
        raise NotFound(absent) if absent else missing(kind, command.id)
    return record


def decide(
    kind: str,
    record: State | None,
    command: Commands,
    deleted: Event,
    *,
    taken: str | None = None,
    absent: str | None = None,
) -> list[Any]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict, Forbidden.

    What clients are told of one that is `taken` or `absent` stands here where it is not as usual.
    """
    if isinstance(command, Make):
        if record is not None and not record.deleted:
            raise Conflict(taken or f"Conflict occurred attempting to store {kind} - Duplicate ID, {command.id}.")
        return [command.made]
    record = living(kind, record, command, absent)
    match command:
        case Change(to=event):
            changes = changed(record, event)
            if changes:
                keep_immutable("update", kind, record, changes.get("options", UNSET))
            return [type(event)(**changes)] if changes else []
        case Delete():
            keep_immutable("delete", kind, record)
            return [deleted]
    assert_never(command)


def evolve(kind: type[S], record: S | None, event: Event, made: type[Event], deleted: type[Event]) -> S:
    """The record after `event`."""
    if isinstance(event, made):
        return kind(**asdict(event))
    assert record is not None, f"{event!r} before {made.__name__}"
    return replace(record, deleted=True) if isinstance(event, deleted) else replace(record, **named(event))
