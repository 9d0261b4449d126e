"""Tokens: sealed claims that any gateway can read, and whether they still hold, asked of the fold each time.

Nothing of a token is kept but its revocation. What was unsealed is remembered by the token's text, for unsealing costs
more than all the rest; whether user, scope and roles are still there is looked up anew.
Source: Identity API reference, "Authentication and token management".
"""

from __future__ import annotations

import os
from collections import OrderedDict
from datetime import datetime, timedelta

from events.clock import Clock
from events.fold import Fold
from events.identity import application_credential as application_credentials
from events.identity import domain as domains
from events.identity import identity_provider as identity_providers
from events.identity import project as projects
from events.identity import revocation as revocations
from events.identity import user as users
from events.identity.project import Project
from events.identity.role import Role
from events.identity.user import User
from events.refusals import NotFound, Unauthenticated
from events.settings import Settings
from gateway import tokens
from gateway.identity import grants
from gateway.identity.claims import Claims, Scope, from_bytes, new_audit_id, to_bytes
from gateway.identity.keys import KeyRing
from gateway.identity.passwords import Passwords
from gateway.identity.proof import Proven
from gateway.tokens import Token

REMEMBERED = 20_000  # tokens whose seal was opened
LONGEST = 4096  # characters of a token: one with many groups is long
GRACE = timedelta(days=2)  # how long after its end a service may still ask what a token said


class Tokens:
    """Issues tokens and tells whose they are. `authenticate` is what every service asks."""

    def __init__(self, fold: Fold, settings: Settings, clock: Clock, keys: KeyRing) -> None:
        self.fold = fold
        self.clock = clock
        self.lifetime = timedelta(seconds=settings.identity.token_lifetime)
        self.passwords = Passwords(settings.identity.bcrypt_cost)
        self.keys = keys
        self._opened: OrderedDict[str, Claims] = OrderedDict()

    async def authenticate(self, text: str) -> Token:
        """Whose a token is and what it gives. Raises Unauthenticated."""
        try:
            return self.valid(self.read(text))
        except NotFound as fault:
            raise Unauthenticated("The request you have made requires authentication.") from fault

    def issue(self, proven: Proven, scope: Scope, scope_id: str | None) -> tuple[str, Claims]:
        """A token's text, and what it says; one made of another ends with it."""
        now = self.clock.now()
        end = now + self.lifetime
        parent, credential = proven.parent, proven.credential
        claims = Claims(
            user=proven.user.id,
            methods=tuple(proven.methods),
            scope=scope,
            scope_id=scope_id,
            issued_at=now,
            expires_at=min(end, proven.expires_at) if proven.expires_at is not None else end,
            audit_ids=(new_audit_id(os.urandom(16)), *(parent.audit_ids[-1:] if parent else ())),
            application_credential=credential.id if credential else None,
            access_token=proven.access_token,
            federated=proven.federated,
        )
        text = self.keys.seal(to_bytes(claims))
        self._remember(text, claims)
        return text, claims

    def read(self, text: str) -> Claims:
        """What a token says, whether it holds or not. Raises NotFound if it is none of ours."""
        claims = self._opened.get(text)
        if claims is not None:
            self._opened.move_to_end(text)
            return claims
        data = self.keys.unseal(text) if len(text) <= LONGEST else None
        if data is None:
            raise NotFound("Could not recognize Fernet token")
        try:
            claims = from_bytes(data)
        except ValueError as fault:
            raise NotFound("Could not recognize Fernet token") from fault
        self._remember(text, claims)
        return claims

    def _remember(self, text: str, claims: Claims) -> None:
        self._opened[text] = claims
        if len(self._opened) > REMEMBERED:
            self._opened.popitem(last=False)

    def valid(self, claims: Claims, *, allow_expired: bool = False) -> Token:
        """What a token gives now. Raises NotFound if it does not hold any more."""
        end = claims.expires_at + GRACE if allow_expired else claims.expires_at
        if end <= self.clock.now() or self.fold.get(revocations, claims.audit_ids[0]) is not None:
            raise _invalid()
        user = self._user(claims)
        project = self._project(claims) if claims.scope == "project" else None
        if claims.scope == "domain":
            self._domain(claims.scope_id or "", claims)
        federated = claims.federated
        if federated is not None and self.fold.get(identity_providers, federated.provider) is None:
            raise NotFound(f"Could not find Identity Provider: {federated.provider}.")
        roles = self._roles(claims)
        if not roles and claims.scope != "unscoped":
            raise _invalid()
        return Token(
            user=user.id,
            user_name=user.name,
            user_domain=user.domain,
            scope=claims.scope,
            project=project.id if project else None,
            project_name=project.name if project else None,
            project_domain=project.domain if project else None,
            domain=claims.scope_id if claims.scope == "domain" else None,
            roles=tuple([tokens.Role(role.id, role.name) for role in roles.values()]),
            role_names=frozenset([role.name for role in roles.values()]),
            methods=claims.methods,
            audit_ids=claims.audit_ids,
            issued_at=claims.issued_at,
            expires_at=claims.expires_at,
            application_credential=claims.application_credential,
            provider=federated.provider if federated else None,
            protocol=federated.protocol if federated else None,
            groups=federated.groups if federated else (),
            access_rules=self._rules(claims),
        )

    def _rules(self, claims: Claims) -> tuple[tokens.AccessRule, ...] | None:
        if claims.application_credential is None:
            return None
        credential = self.fold.get(application_credentials, claims.application_credential)
        if credential is None or credential.access_rules is None:
            return None
        return tuple([tokens.AccessRule(one.service, one.method, one.path) for one in credential.access_rules])

    def _user(self, claims: Claims) -> User:
        user = self.fold.get(users, claims.user)
        if user is None or not user.enabled or _void(user.tokens_from, claims):
            raise _invalid()
        self._domain(user.domain, claims)
        return user

    def _project(self, claims: Claims) -> Project:
        project = self.fold.get(projects, claims.scope_id or "")
        if project is None or not project.enabled or _void(project.tokens_from, claims):
            raise _invalid()
        self._domain(project.domain, claims)
        return project

    def _domain(self, id: str, claims: Claims) -> None:
        domain = self.fold.get(domains, id)
        if domain is None or not domain.enabled or _void(domain.tokens_from, claims):
            raise _invalid()

    def _roles(self, claims: Claims) -> dict[str, Role]:
        """The roles that the token gives now; by an application credential no more than it was made for."""
        if claims.scope == "unscoped":
            return {}
        told = grants.Told(claims.federated.groups if claims.federated else (), self.clock.now())
        roles = grants.effective(self.fold, claims.user, claims.scope, claims.scope_id or "all", told)
        if claims.application_credential is None:
            return roles
        credential = self.fold.get(application_credentials, claims.application_credential)
        if credential is None:
            raise NotFound(f"Could not find Application Credential: {claims.application_credential}.")
        if credential.expires_at is not None and credential.expires_at <= self.clock.now():
            raise _invalid()
        return {id: role for id, role in grants.expand(self.fold, credential.roles).items() if id in roles}


def _void(since: datetime | None, claims: Claims) -> bool:
    return since is not None and claims.issued_at < since


def _invalid() -> NotFound:
    return NotFound("Failed to validate token")
