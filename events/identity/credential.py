"""A credential: a secret that a user keeps here - keys of EC2, seeds of one-time passwords, certificates.

    CREATED -> DELETED

The secret itself lies in the vault, under a name of its own for each version. Source: Identity API reference,
"Credentials".
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict, replace

from events.envelope import Command, Event, State
from events.identity import changed, named
from events.refusals import Conflict, NotFound

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


class CreateCredential(Command, frozen=True, gc=False, kw_only=True):
    id: str
    user: str
    kind: str
    blob: str
    project_id: str | None = None


class ChangeCredential(Command, frozen=True, gc=False, kw_only=True):
    user: str | UnsetType = UNSET
    kind: str | UnsetType = UNSET
    blob: str | UnsetType = UNSET
    project_id: str | UnsetType | None = UNSET


class DeleteCredential(Command, frozen=True, gc=False, kw_only=True):
    pass


Commands = CreateCredential | ChangeCredential | DeleteCredential


def decide(credential: Credential | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    if isinstance(command, CreateCredential):
        if credential is not None and not credential.deleted:
            raise Conflict(
                f"Conflict occurred attempting to store credential - Duplicate entry found with ID {command.id}."
            )
        return [CredentialCreated(**asdict(command))]
    if credential is None or credential.deleted:
        raise NotFound(f"Could not find credential: {command.id}.")
    match command:
        case ChangeCredential():
            changes = changed(credential, command)
            return [CredentialChanged(**changes)] if changes else []
        case DeleteCredential():
            return [CredentialDeleted()]
    assert_never(command)


def evolve(credential: Credential | None, event: Events, at: datetime) -> Credential:
    """The credential after `event`."""
    if isinstance(event, CredentialCreated):
        return Credential(**asdict(event))
    assert credential is not None, f"{event!r} before CredentialCreated"
    match event:
        case CredentialChanged():
            return replace(credential, **named(event))
        case CredentialDeleted():
            return replace(credential, deleted=True)
    assert_never(event)
