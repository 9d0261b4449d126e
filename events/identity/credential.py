"""A credential: a secret that a user keeps here - keys of EC2, seeds of one-time passwords, certificates.

    CREATED -> DELETED

The secret itself lies in the vault, under a name of its own for each version. Source: Identity API reference,
"Credentials".
"""

from __future__ import annotations

from datetime import datetime

from msgspec import UNSET, UnsetType

from events.envelope import Event, State
from events.identity import record
from events.identity.record import Commands

INDEXES = ("user", "project_id")


class Credential(State, frozen=True, gc=False, kw_only=True):
    id: str
    user: str
    kind: str
    blob: str  # its name in the vault
    project_id: str | None = None

    @property
    def owner(self) -> str | None:
        """A user's own affair: no commit of it shows in the project's feed."""
        return None


class CredentialCreated(Event, frozen=True, gc=False, kw_only=True):
    id: str
    user: str
    kind: str
    blob: str
    project_id: str | None = None


class CredentialChanged(Event, frozen=True, gc=False, kw_only=True):
    user: str | UnsetType = UNSET
    kind: str | UnsetType = UNSET
    blob: str | UnsetType = UNSET
    project_id: str | UnsetType | None = UNSET


class CredentialDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = CredentialCreated | CredentialChanged | CredentialDeleted


def decide(credential: Credential | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    taken = f"Conflict occurred attempting to store credential - Duplicate entry found with ID {command.id}."
    return record.decide("credential", credential, command, CredentialDeleted(), taken=taken)


def evolve(credential: Credential | None, event: Events, at: datetime) -> Credential:
    """The credential after `event`."""
    return record.evolve(Credential, credential, event, CredentialCreated, CredentialDeleted)
