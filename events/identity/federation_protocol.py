"""A protocol of an identity provider: by which mapping those who come by it become users here.

    CREATED -> DELETED

Source: Identity API reference, "OS-FEDERATION", "Protocols".
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from events.envelope import Command, Event, State
from events.identity import changed, named
from events.refusals import Conflict, NotFound

INDEXES = ("provider", "id")


class FederationProtocol(State, frozen=True, gc=False, kw_only=True):
    provider: str
    id: str  # of the protocol, within the provider
    mapping: str
    remote_id_attribute: str | None = None  # the attribute that names who vouches


class FederationProtocolCreated(Event, frozen=True, gc=False, kw_only=True):
    provider: str
    id: str
    mapping: str
    remote_id_attribute: str | None = None


class FederationProtocolChanged(Event, frozen=True, gc=False, kw_only=True):
    mapping: str | UnsetType = UNSET
    remote_id_attribute: str | UnsetType | None = UNSET


class FederationProtocolDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = FederationProtocolCreated | FederationProtocolChanged | FederationProtocolDeleted


class CreateFederationProtocol(Command, frozen=True, gc=False, kw_only=True):
    id: tuple[str, str]  # provider, protocol
    mapping: str
    remote_id_attribute: str | None = None


class ChangeFederationProtocol(Command, frozen=True, gc=False, kw_only=True):
    id: tuple[str, str]
    mapping: str | UnsetType = UNSET
    remote_id_attribute: str | UnsetType | None = UNSET


class DeleteFederationProtocol(Command, frozen=True, gc=False, kw_only=True):
    id: tuple[str, str]


Commands = CreateFederationProtocol | ChangeFederationProtocol | DeleteFederationProtocol


def decide(protocol: FederationProtocol | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    provider, id = command.id
    if isinstance(command, CreateFederationProtocol):
        if protocol is not None and not protocol.deleted:
            raise Conflict(
                f"Conflict occurred attempting to store federation_protocol - Duplicate entry found with ID {id}."
            )
        return [
            FederationProtocolCreated(
                provider=provider, id=id, mapping=command.mapping, remote_id_attribute=command.remote_id_attribute
            )
        ]
    if protocol is None or protocol.deleted:
        raise NotFound(f"Could not find federated protocol {id} for Identity Provider: {provider}.")
    match command:
        case ChangeFederationProtocol():
            changes = changed(protocol, command)
            return [FederationProtocolChanged(**changes)] if changes else []
        case DeleteFederationProtocol():
            return [FederationProtocolDeleted()]
    assert_never(command)


def evolve(protocol: FederationProtocol | None, event: Events, at: datetime) -> FederationProtocol:
    """The protocol after `event`."""
    if isinstance(event, FederationProtocolCreated):
        return FederationProtocol(
            provider=event.provider, id=event.id, mapping=event.mapping, remote_id_attribute=event.remote_id_attribute
        )
    assert protocol is not None, f"{event!r} before FederationProtocolCreated"
    match event:
        case FederationProtocolChanged():
            return replace(protocol, **named(event))
        case FederationProtocolDeleted():
            return replace(protocol, deleted=True)
    assert_never(event)
