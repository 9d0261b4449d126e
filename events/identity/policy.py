"""A policy document: rules of any service's engine that are kept here for it. No service of this cloud reads them.

    MADE -> DELETED

Source: Identity API reference, "Policies".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType

from events.envelope import Event, State
from events.identity import record
from events.identity.record import Commands

INDEXES = ("kind",)


class Policy(State, frozen=True, gc=False, kw_only=True):
    id: str
    kind: str  # a media type
    blob: str
    extra: dict[str, Any] = {}


class PolicyMade(Event, frozen=True, gc=False, kw_only=True):
    id: str
    kind: str
    blob: str
    extra: dict[str, Any] = {}


class PolicyChanged(Event, frozen=True, gc=False, kw_only=True):
    kind: str | UnsetType = UNSET
    blob: str | UnsetType = UNSET
    extra: dict[str, Any] | UnsetType = UNSET


class PolicyDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = PolicyMade | PolicyChanged | PolicyDeleted


def decide(policy: Policy | None, command: Commands) -> list[Events]:
    """What `command` brings about. Raises NotFound, Conflict."""
    return record.decide("policy", policy, command, PolicyDeleted())


def evolve(policy: Policy | None, event: Events, at: datetime) -> Policy:
    """The policy after `event`."""
    return record.evolve(Policy, policy, event, PolicyMade, PolicyDeleted)
