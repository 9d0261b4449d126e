"""An endpoint: where a service is reached in a region. One of the cloud's own is kept as a path below the cloud's URL.

    ENABLED <-> DISABLED -> DELETED

Source: Identity API reference, "Service catalog and endpoints".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, assert_never

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict, replace

from events.envelope import Command, Event, State
from events.identity import changed, named
from events.refusals import Conflict, NotFound

INDEXES = ("service", "region")

Interface = Literal["public", "internal", "admin"]


class Endpoint(State, frozen=True, gc=False, kw_only=True):
    id: str
    service: str
    interface: Interface
    url: str  # absolute, or a path below the cloud's URL
    region: str | None = None
    enabled: bool = True
    extra: dict[str, Any] = {}


class EndpointCreated(Event, frozen=True, gc=False, kw_only=True):
    id: str
    service: str
    interface: Interface
    url: str
    region: str | None = None
    enabled: bool = True
    extra: dict[str, Any] = {}


class EndpointChanged(Event, frozen=True, gc=False, kw_only=True):
    service: str | UnsetType = UNSET
    interface: Interface | UnsetType = UNSET
    url: str | UnsetType = UNSET
    region: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    extra: dict[str, Any] | UnsetType = UNSET


class EndpointDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = EndpointCreated | EndpointChanged | EndpointDeleted


class CreateEndpoint(Command, frozen=True, gc=False, kw_only=True):
    id: str
    service: str
    interface: Interface
    url: str
    region: str | None = None
    enabled: bool = True
    extra: dict[str, Any] = {}


class ChangeEndpoint(Command, frozen=True, gc=False, kw_only=True):
    service: str | UnsetType = UNSET
    interface: Interface | UnsetType = UNSET
    url: str | UnsetType = UNSET
    region: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    extra: dict[str, Any] | UnsetType = UNSET


class DeleteEndpoint(Command, frozen=True, gc=False, kw_only=True):
    pass


Commands = CreateEndpoint | ChangeEndpoint | DeleteEndpoint


def decide(endpoint: Endpoint | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    if isinstance(command, CreateEndpoint):
        if endpoint is not None and not endpoint.deleted:
            raise Conflict(f"Conflict occurred attempting to store endpoint - Duplicate ID, {command.id}.")
        return [EndpointCreated(**asdict(command))]
    if endpoint is None or endpoint.deleted:
        raise NotFound(f"Could not find endpoint: {command.id}.")
    match command:
        case ChangeEndpoint():
            changes = changed(endpoint, command)
            return [EndpointChanged(**changes)] if changes else []
        case DeleteEndpoint():
            return [EndpointDeleted()]
    assert_never(command)


def evolve(endpoint: Endpoint | None, event: Events, at: datetime) -> Endpoint:
    """The endpoint after `event`."""
    if isinstance(event, EndpointCreated):
        return Endpoint(**asdict(event))
    assert endpoint is not None, f"{event!r} before EndpointCreated"
    match event:
        case EndpointChanged():
            return replace(endpoint, **named(event))
        case EndpointDeleted():
            return replace(endpoint, deleted=True)
    assert_never(event)
