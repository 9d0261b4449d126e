"""A domain's configuration: where its users would come from, if a driver of this cloud read it. None does.

    MADE <-> DELETED

What is secret of it lies in the vault, under a name of its own for each version.
Source: Identity API reference, "Domain configuration".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType

from events.envelope import Event, State
from events.identity import record
from events.identity.record import Commands

Options = dict[str, dict[str, Any]]  # by group and name


class DomainConfig(State, frozen=True, gc=False, kw_only=True):
    id: str  # the domain's
    options: Options
    secrets: dict[str, dict[str, str]] = {}  # by group and option, the name in the vault


class DomainConfigMade(Event, frozen=True, gc=False, kw_only=True):
    id: str
    options: Options
    secrets: dict[str, dict[str, str]] = {}


class DomainConfigChanged(Event, frozen=True, gc=False, kw_only=True):
    options: Options | UnsetType = UNSET
    secrets: dict[str, dict[str, str]] | UnsetType = UNSET


class DomainConfigDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = DomainConfigMade | DomainConfigChanged | DomainConfigDeleted


def decide(config: DomainConfig | None, command: Commands) -> list[Events]:
    """What `command` brings about. Raises NotFound, Conflict."""
    return record.decide("domain configuration", config, command, DomainConfigDeleted())


def evolve(config: DomainConfig | None, event: Events, at: datetime) -> DomainConfig:
    """The configuration after `event`."""
    return record.evolve(DomainConfig, config, event, DomainConfigMade, DomainConfigDeleted)
