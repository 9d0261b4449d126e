"""An application credential: a secret by which a program acts for a user in one project, with some of their roles.

    CREATED -> DELETED

Of the secret stands the hash alone. Source: Identity API reference, "Application credentials".
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from msgspec import Struct
from msgspec.structs import asdict, replace

from events.envelope import Command, Event, State
from events.refusals import Conflict, NotFound

INDEXES = ("user", "project_id", "roles")
UNTOLD = ("secret",)  # to consumers of the feed


class Rule(Struct, frozen=True, gc=False):
    """A request that it is for."""

    service: str  # its type
    method: str
    path: str  # a pattern


class ApplicationCredential(State, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    user: str
    project_id: str
    secret: str  # its hash
    roles: tuple[str, ...]
    description: str | None = None
    expires_at: datetime | None = None
    unrestricted: bool = False  # it may make further credentials and trusts
    access_rules: tuple[Rule, ...] | None = None  # None: for all that its roles allow

    @property
    def owner(self) -> str | None:
        """A user's own affair: no commit of it shows in the project's feed."""
        return None


class ApplicationCredentialCreated(Event, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    user: str
    project_id: str
    secret: str
    roles: tuple[str, ...]
    description: str | None = None
    expires_at: datetime | None = None
    unrestricted: bool = False
    access_rules: tuple[Rule, ...] | None = None


class ApplicationCredentialDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = ApplicationCredentialCreated | ApplicationCredentialDeleted


class CreateApplicationCredential(Command, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    user: str
    project_id: str
    secret: str
    roles: tuple[str, ...]
    description: str | None = None
    expires_at: datetime | None = None
    unrestricted: bool = False
    access_rules: tuple[Rule, ...] | None = None


class DeleteApplicationCredential(Command, frozen=True, gc=False, kw_only=True):
    pass


Commands = CreateApplicationCredential | DeleteApplicationCredential


def decide(credential: ApplicationCredential | None, command: Commands) -> list[Events]:
    """What `command` brings about. Raises NotFound, Conflict."""
    if isinstance(command, CreateApplicationCredential):
        if credential is not None and not credential.deleted:
            raise Conflict(
                f"Conflict occurred attempting to store application_credential - Duplicate ID, {command.id}."
            )
        return [ApplicationCredentialCreated(**asdict(command))]
    if credential is None or credential.deleted:
        raise NotFound(f"Could not find Application Credential: {command.id}.")
    return [ApplicationCredentialDeleted()]


def evolve(credential: ApplicationCredential | None, event: Events, at: datetime) -> ApplicationCredential:
    """The application credential after `event`."""
    match event:
        case ApplicationCredentialCreated():
            return ApplicationCredential(**asdict(event))
        case ApplicationCredentialDeleted():
            assert credential is not None, "ApplicationCredentialDeleted before ApplicationCredentialCreated"
            return replace(credential, deleted=True)
    assert_never(event)
