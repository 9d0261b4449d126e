"""Who asks: what a valid token says, whatever made it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct


class Role(Struct, frozen=True, gc=False):
    id: str
    name: str


class AccessRule(Struct, frozen=True, gc=False):
    """A request that a token may be used for."""

    service: str  # its type
    method: str
    path: str  # a pattern


class Token(Struct, frozen=True, gc=False, kw_only=True):
    """A valid token, with its roles expanded by implication."""

    user: str
    user_name: str
    user_domain: str
    scope: Literal["project", "domain", "system", "unscoped"]
    project: str | None = None
    project_name: str | None = None
    project_domain: str | None = None
    domain: str | None = None
    roles: tuple[Role, ...] = ()
    role_names: frozenset[str] = frozenset()
    methods: tuple[str, ...] = ()
    audit_ids: tuple[str, ...] = ()
    issued_at: datetime
    expires_at: datetime
    application_credential: str | None = None
    provider: str | None = None  # the identity provider that vouched for the user
    protocol: str | None = None
    groups: tuple[str, ...] = ()  # which the user is in by its word
    trust: str | None = None
    access_token: str | None = None  # of OAuth 1
    access_rules: tuple[AccessRule, ...] | None = None  # None: for all that its roles allow

    @property
    def is_admin(self) -> bool:
        return "admin" in self.role_names


class Authenticate(Protocol):
    """From the text of `X-Auth-Token` to what it says."""

    async def __call__(self, text: str, service: str | None = None) -> Token:
        """`service` is the text of `X-Service-Token`: for a service, a token may have expired a while ago.

        Raises Unauthenticated.
        """
