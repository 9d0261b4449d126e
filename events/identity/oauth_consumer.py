"""A consumer of OAuth 1: a program to which users may lend roles. Its secret lies in the vault.

    MADE -> DELETED

Source: Identity API reference, "OS-OAUTH1".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType

from events.envelope import Event, State
from events.identity import record
from events.identity.record import Commands


class Consumer(State, frozen=True, gc=False, kw_only=True):
    id: str
    description: str | None = None
    extra: dict[str, Any] = {}


class ConsumerMade(Event, frozen=True, gc=False, kw_only=True):
    id: str
    description: str | None = None
    extra: dict[str, Any] = {}


class ConsumerChanged(Event, frozen=True, gc=False, kw_only=True):
    description: str | UnsetType | None = UNSET
    extra: dict[str, Any] | UnsetType = UNSET


class ConsumerDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = ConsumerMade | ConsumerChanged | ConsumerDeleted


def decide(consumer: Consumer | None, command: Commands) -> list[Events]:
    """What `command` brings about. Raises NotFound, Conflict."""
    return record.decide("Consumer", consumer, command, ConsumerDeleted())


def evolve(consumer: Consumer | None, event: Events, at: datetime) -> Consumer:
    """The consumer after `event`."""
    return record.evolve(Consumer, consumer, event, ConsumerMade, ConsumerDeleted)
