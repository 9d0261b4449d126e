"""An application credential: a secret by which a program acts for a user in one project, with some of their roles.

    CREATED -> DELETED

Of the secret stands the hash alone. Source: Identity API reference, "Application credentials".
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from events.envelope import Event, State
from events.identity import record
from events.identity.record import Commands

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


def decide(credential: ApplicationCredential | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    return record.decide("Application Credential", credential, command, ApplicationCredentialDeleted())


def evolve(credential: ApplicationCredential | None, event: Events, at: datetime) -> ApplicationCredential:
    """The application credential after `event`."""
    return record.evolve(
        ApplicationCredential, credential, event, ApplicationCredentialCreated, ApplicationCredentialDeleted
    )
