"""An access token of OAuth 1: by it a consumer acts for a user in one project, with the roles that they lent.

    MADE -> DELETED

Its secret lies in the vault. Source: RFC 5849, section 2; Identity API reference, "OS-OAUTH1".
"""

from __future__ import annotations

from datetime import datetime

from events.envelope import Event, State
from events.identity import record
from events.identity.record import Commands

INDEXES = ("consumer", "user", "project_id", "due")


class AccessToken(State, frozen=True, gc=False, kw_only=True):
    id: str
    consumer: str
    user: str
    project_id: str
    roles: tuple[str, ...]
    expires_at: datetime

    @property
    def due(self) -> int:
        """The minute of `expires_at`, since 1970."""
        return int(self.expires_at.timestamp()) // 60


class AccessTokenMade(Event, frozen=True, gc=False, kw_only=True):
    id: str
    consumer: str
    user: str
    project_id: str
    roles: tuple[str, ...]
    expires_at: datetime


class AccessTokenDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = AccessTokenMade | AccessTokenDeleted


def decide(token: AccessToken | None, command: Commands) -> list[Events]:
    """What `command` brings about. Raises NotFound, Conflict."""
    return record.decide("Access token", token, command, AccessTokenDeleted())


def evolve(token: AccessToken | None, event: Events, at: datetime) -> AccessToken:
    """The access token after `event`."""
    return record.evolve(AccessToken, token, event, AccessTokenMade, AccessTokenDeleted)
