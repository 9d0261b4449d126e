"""Tokens: sealed claims that any gateway can read, and whether they still hold, asked of the fold each time.

Nothing of a token is kept but its revocation. What was unsealed is remembered by the token's text, for unsealing costs
more than all the rest; whether user, scope and roles are still there is looked up anew when anything of identity has
changed since.
Source: Identity API reference, "Authentication and token management".
"""

from __future__ import annotations

import os
from collections import OrderedDict
from datetime import datetime, timedelta

from msgspec import Struct

from events.clock import Clock
from events.fold import Change, Fold
from events.identity import application_credential as application_credentials
from events.identity import domain as domains
from events.identity import expiring_membership as expiring_memberships
from events.identity import identity_provider as identity_providers
from events.identity import missing
from events.identity import oauth_access_token as access_tokens
from events.identity import project as projects
from events.identity import revocation as revocations
from events.identity import trust as trusts
from events.identity import user as users
from events.identity.project import Project
from events.identity.role import Role
from events.identity.trust import Trust
from events.identity.user import User
from events.refusals import Forbidden, NotFound, Unauthenticated
from events.settings import Settings
from gateway import tokens
from gateway.identity import grants, trusting
from gateway.identity.claims import Claims, Scope, from_bytes, new_audit_id, to_bytes
from gateway.identity.keys import KeyRing
from gateway.identity.passwords import Passwords
from gateway.identity.proof import Proven
from gateway.identity.targets import forbidden
from gateway.tokens import Token

REMEMBERED = 20_000  # tokens whose seal was opened
LONGEST = 4096  # characters of a token: one with many groups is long
ZERO = timedelta(0)
NO_MATTER = ("ev.identity.name.", "ev.identity.passcode.")  # no token rests on these


class Target(Struct, frozen=True, kw_only=True):
    """What a token is for."""

    scope: Scope
    id: str | None = None
    trust: Trust | None = None


class Unentitled(NotFound):
    """The token would give nothing."""

    def __init__(self) -> None:
        super().__init__("Failed to validate token")


class Tokens:
    """Issues tokens and tells whose they are. `authenticate` is what every service asks."""

    def __init__(self, fold: Fold, settings: Settings, clock: Clock, keys: KeyRing) -> None:
        self.fold = fold
        self.clock = clock
        self.lifetime = timedelta(seconds=settings.identity.token_lifetime)
        self.window = timedelta(seconds=settings.identity.allow_expired_window)
        self.passwords = Passwords(settings.identity.bcrypt_cost)
        self.keys = keys
        self._opened: OrderedDict[str, Claims] = OrderedDict()
        self._told: dict[str, tuple[int, Token]] = {}  # what was opened, when `_changes` stood there
        self._changes = 0
        fold.listeners.append(self._hear)
        fold.taken_over.append(self._change)

    def _hear(self, change: Change) -> None:
        if change.subject.startswith("ev.identity.") and not change.subject.startswith(NO_MATTER):
            self._change()

    def _change(self) -> None:
        self._changes += 1

    async def authenticate(self, text: str, service: str | None = None) -> Token:
        """Whose a token is and what it gives; expired or not, if a service shows its own with it.

        Raises Unauthenticated.
        """
        try:
            helps = service is not None and "service" in self.tell(service).role_names
            return self.tell(text, allow_expired=helps)
        except (NotFound, Forbidden) as fault:
            raise Unauthenticated() from fault

    def issue(self, proven: Proven, target: Target) -> tuple[str, Claims]:
        """A token's text, and what it says; it ends with what it was made of."""
        now = self.clock.now()
        parent, credential, trust = proven.parent, proven.credential, target.trust
        ends = [now + self.lifetime, proven.expires_at, trust.expires_at if trust else None]
        claims = Claims(
            user=proven.user.id,
            methods=tuple(dict.fromkeys(proven.methods)),
            scope=target.scope,
            scope_id=target.id,
            issued_at=now,
            expires_at=min(end for end in ends if end is not None),
            audit_ids=(new_audit_id(os.urandom(16)), *(parent.audit_ids[-1:] if parent else ())),
            application_credential=credential.id if credential else None,
            trust=trust.id if trust else None,
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
            self._told.pop(self._opened.popitem(last=False)[0], None)

    def tell(self, text: str, *, allow_expired: bool = False) -> Token:
        """What a token gives now. Raises NotFound, Forbidden if it is none of ours, or does not hold any more."""
        claims, now = self.read(text), self.clock.now()
        told = self._told.get(text)
        if told is not None and told[0] == self._changes and claims.expires_at > now and not self.fold.spoiled:
            return told[1]
        token = self.valid(claims, allow_expired=allow_expired)
        if claims.federated is None and not self.fold.count(expiring_memberships, "user", claims.user):
            self._told[text] = (self._changes, token)  # no time makes it give less before its end
        return token

    def valid(self, claims: Claims, *, allow_expired: bool = False) -> Token:
        """What a token gives now. Raises NotFound, Forbidden if it does not hold any more."""
        self._guard(claims, self.window if allow_expired else ZERO)
        user = self._user(claims.user, claims)
        project = self._project(claims) if claims.scope == "project" else None
        if claims.scope == "domain":
            self._domain(claims.scope_id or "")
        trust = self._trust(claims)
        if trust is not None and trust.impersonation:
            user = self._user(trust.trustor, claims)
        federated = claims.federated
        if federated is not None and self.fold.get(identity_providers, federated.provider) is None:
            raise missing("Identity Provider", federated.provider)
        roles = trusting.roles(self.fold, trust) if trust is not None else self._roles(claims)
        if not roles and claims.scope != "unscoped":
            raise Unentitled
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
            trust=claims.trust,
            access_token=claims.access_token,
            access_rules=self._rules(claims),
        )

    def _rules(self, claims: Claims) -> tuple[tokens.AccessRule, ...] | None:
        if claims.application_credential is None:
            return None
        credential = self.fold.get(application_credentials, claims.application_credential)
        if credential is None or credential.access_rules is None:
            return None
        return tuple([tokens.AccessRule(one.service, one.method, one.path) for one in credential.access_rules])

    def _guard(self, claims: Claims, window: timedelta) -> None:
        """Raises NotFound if the token has expired for longer than `window`, or was revoked."""
        if claims.expires_at + window <= self.clock.now():
            raise _invalid()
        for id in dict.fromkeys((claims.audit_ids[0], claims.audit_ids[-1])):
            revocation = self.fold.get(revocations, id)
            if revocation is not None and (revocation.chain or id == claims.audit_ids[0]):
                raise _invalid()

    def _user(self, id: str, claims: Claims) -> User:
        user = self.fold.get(users, id)
        if user is None:
            raise missing("user", id)
        if not user.enabled or _void(user.tokens_from, claims):
            raise _invalid()
        self._domain(user.domain)
        return user

    def _project(self, claims: Claims) -> Project:
        project = self.fold.get(projects, claims.scope_id or "")
        if project is None:
            raise missing("project", claims.scope_id)
        if not project.enabled:
            raise NotFound(f"Unable to validate token because project {project.id} is disabled")
        self._domain(project.domain)
        return project

    def _domain(self, id: str) -> None:
        domain = self.fold.get(domains, id)
        if domain is None:
            raise missing("domain", id)
        if not domain.enabled:
            raise NotFound(f"Unable to validate token because domain {id} is disabled")

    def _trust(self, claims: Claims) -> Trust | None:
        if claims.trust is None:
            return None
        trust = self.fold.get(trusts, claims.trust)
        if trust is None:
            raise missing("trust", claims.trust)
        trustor = self.fold.get(users, trust.trustor)
        if claims.user != trust.trustee or trustor is None or not trustor.enabled:
            raise forbidden()
        self._user(trustor.id, claims)
        return trust

    def _roles(self, claims: Claims) -> dict[str, Role]:
        """The roles that the token gives now; by what was lent no more than that."""
        if claims.scope == "unscoped":
            return {}
        told = grants.Told(claims.federated.groups if claims.federated else (), self.clock.now())
        roles = grants.effective(self.fold, claims.user, claims.scope, claims.scope_id or "all", told)
        if claims.access_token is not None:
            lent = self.fold.get(access_tokens, claims.access_token)
            if lent is None:
                raise NotFound("Access token not found")
            return {id: role for id, role in grants.expand(self.fold, lent.roles).items() if id in roles}
        if claims.application_credential is None:
            return roles
        credential = self.fold.get(application_credentials, claims.application_credential)
        if credential is None:
            raise missing("Application Credential", claims.application_credential)
        if credential.expires_at is not None and credential.expires_at <= self.clock.now():
            raise _invalid()
        return {id: role for id, role in grants.expand(self.fold, credential.roles).items() if id in roles}


def _void(since: datetime | None, claims: Claims) -> bool:
    return since is not None and claims.issued_at < since


def _invalid() -> NotFound:
    return NotFound("Failed to validate token")
