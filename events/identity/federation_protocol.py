"""A protocol of an identity provider: by which mapping those who come by it become users here.

    CREATED -> DELETED

Source: Identity API reference, "OS-FEDERATION", "Protocols".
"""

from __future__ import annotations

from datetime import datetime

from msgspec import UNSET, UnsetType

from events.envelope import Event, State
from events.identity import record
from events.identity.record import Commands

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


def decide(protocol: FederationProtocol | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    provider, id = command.id
    taken = f"Conflict occurred attempting to store federation_protocol - Duplicate entry found with ID {id}."
    absent = f"Could not find federated protocol {id} for Identity Provider: {provider}."
    return record.decide(
        "federated protocol", protocol, command, FederationProtocolDeleted(), taken=taken, absent=absent
    )


def evolve(protocol: FederationProtocol | None, event: Events, at: datetime) -> FederationProtocol:
    """The protocol after `event`."""
    return record.evolve(FederationProtocol, protocol, event, FederationProtocolCreated, FederationProtocolDeleted)
