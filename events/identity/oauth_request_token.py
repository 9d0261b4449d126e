"""A request token of OAuth 1: a consumer asks for roles in a project, a user authorizes it, the consumer spends it.

    REQUESTED -> AUTHORIZED -> SPENT

It can be spent once. Its secret, and the word that proves that it was authorized, lie in the vault.
Source: RFC 5849, section 2; Identity API reference, "OS-OAUTH1".
"""

from __future__ import annotations

from datetime import datetime

from msgspec import UNSET, UnsetType

from events.envelope import Event, State
from events.identity import record
from events.identity.record import Commands

INDEXES = ("consumer", "project_id", "due")


class RequestToken(State, frozen=True, gc=False, kw_only=True):
    id: str
    consumer: str
    project_id: str
    expires_at: datetime
    user: str | None = None  # who authorized it
    roles: tuple[str, ...] = ()

    @property
    def due(self) -> int:
        """The minute of `expires_at`, since 1970."""
        return int(self.expires_at.timestamp()) // 60


class RequestTokenMade(Event, frozen=True, gc=False, kw_only=True):
    id: str
    consumer: str
    project_id: str
    expires_at: datetime


class RequestTokenAuthorized(Event, frozen=True, gc=False, kw_only=True):
    user: str | UnsetType = UNSET
    roles: tuple[str, ...] | UnsetType = UNSET


class RequestTokenSpent(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = RequestTokenMade | RequestTokenAuthorized | RequestTokenSpent


def decide(token: RequestToken | None, command: Commands) -> list[Events]:
    """What `command` brings about. Raises NotFound, Conflict."""
    return record.decide("Request token", token, command, RequestTokenSpent())


def evolve(token: RequestToken | None, event: Events, at: datetime) -> RequestToken:
    """The request token after `event`."""
    return record.evolve(RequestToken, token, event, RequestTokenMade, RequestTokenSpent)
