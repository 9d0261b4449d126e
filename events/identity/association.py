"""An association: that a project has an endpoint or a group of them, or an endpoint a policy.

    ASSOCIATED <-> DISSOCIATED

A subject is one pair, `(kind, of, to)`; where only one is possible - the policy of an endpoint, of a service, of a
service in a region - it is `(kind, of)`, and another association takes its place.
Source: Identity API reference, "OS-EP-FILTER", "OS-ENDPOINT-POLICY".
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from events.envelope import Command, Event, State
from events.identity import record
from events.refusals import Conflict, NotFound

INDEXES = ("out", "into")


class Association(State, frozen=True, gc=False, kw_only=True):
    kind: str  # `endpoint`, `endpoint_group`, `policy`
    of: str  # a project; of a policy what has it, such as `endpoint:ID` or `service:ID:REGION`
    to: str

    @property
    def out(self) -> str:
        """By which it is found from what has it."""
        return f"{self.kind}:{self.of}"

    @property
    def into(self) -> str:
        """By which it is found from what is had."""
        return f"{self.kind}:{self.to}"


class Associated(Event, frozen=True, gc=False, kw_only=True):
    kind: str
    of: str
    to: str


class Dissociated(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = Associated | Dissociated


class Associate(Command, frozen=True, gc=False, kw_only=True):
    id: tuple[str, ...]
    to: str
    taken: str | None = None  # what to say if it is so already; None: nothing


class Dissociate(Command, frozen=True, gc=False, kw_only=True):
    id: tuple[str, ...]
    to: str
    missing: str | None = None  # what to say if it is not so; None: nothing


Commands = Associate | Dissociate


def decide(association: Association | None, command: Commands) -> list[Events]:
    """What `command` brings about. Raises NotFound, Conflict."""
    to = association.to if association is not None and not association.deleted else None
    match command:
        case Associate(taken=taken):
            if to == command.to and taken is not None:
                raise Conflict(taken)
            kind, of, *_ = command.id
            return [] if to == command.to else [Associated(kind=kind, of=of, to=command.to)]
        case Dissociate(missing=missing):
            if to != command.to and missing is not None:
                raise NotFound(missing)
            return [Dissociated()] if to == command.to else []
    assert_never(command)


def evolve(association: Association | None, event: Events, at: datetime) -> Association:
    """The association after `event`."""
    return record.evolve(Association, association, event, Associated, Dissociated)
