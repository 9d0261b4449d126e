"""What a request for a token says, and whether it is true. Whatever is wrong, the answer says no more than 401.

Source: Identity API reference, "Authentication and token management".
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from events.fold import Fold
from events.identity import application_credential as application_credentials
from events.identity import domain as domains
from events.identity import project as projects
from events.identity import user as users
from events.identity.application_credential import ApplicationCredential
from events.identity.domain import Domain
from events.identity.project import Project
from events.identity.user import User
from events.refusals import Invalid, NotFound, Unauthenticated
from gateway.bodies import explain
from gateway.identity import grants
from gateway.identity.tokens import METHODS, Claims, Scope, Tokens

Text = Annotated[str, Meta(max_length=255)]
Secret = Annotated[str, Meta(max_length=4096)]


class DomainReference(Struct):
    id: Text | None = None
    name: Text | None = None


class Reference(Struct):
    id: Text | None = None
    name: Text | None = None
    domain: DomainReference | None = None


class UserPassword(Struct):
    id: Text | None = None
    name: Text | None = None
    domain: DomainReference | None = None
    password: Secret | None = None


class PasswordMethod(Struct):
    user: UserPassword | None = None


class TokenMethod(Struct):
    id: Secret


class CredentialMethod(Struct):
    id: Text | None = None
    name: Text | None = None
    secret: Secret | None = None
    user: Reference | None = None


class Identity(Struct):
    methods: Annotated[list[Text], Meta(max_length=16)]
    password: PasswordMethod | None = None
    token: TokenMethod | None = None
    application_credential: CredentialMethod | None = None


class Wanted(Struct):
    project: Reference | None = None
    domain: DomainReference | None = None
    system: dict[str, Any] | None = None
    trust: dict[str, Any] | None = msgspec.field(name="OS-TRUST:trust", default=None)


class Auth(Struct):
    identity: Identity
    scope: Wanted | str | None = None


class Proven(Struct, kw_only=True):
    """Who it is, and what they proved it with."""

    user: User
    methods: list[str] = []
    parent: Claims | None = None  # of the token that they showed
    credential: ApplicationCredential | None = None


def expecting(what: str, where: str) -> Invalid:
    return Invalid(
        f"Expecting to find {what} in {where}. The server could not comply with the request since it is either "
        "malformed or otherwise incorrect. The client is assumed to be in error."
    )


def unauthenticated() -> Unauthenticated:
    return Unauthenticated("The request you have made requires authentication.")


def read(body: Any) -> Auth:
    """What the body of a request for a token says. Raises Invalid."""
    if not isinstance(body, dict):
        raise Invalid("It is no object.", kind="malformed")
    if "auth" not in body:
        raise expecting("auth", "request body")
    try:
        auth = msgspec.convert(body["auth"], Auth)
    except msgspec.ValidationError as fault:
        raise Invalid(explain(str(fault))) from fault
    for method in auth.identity.methods:
        if method not in body["auth"]["identity"]:
            raise expecting(method, "identity")
    return auth


async def prove(tokens: Tokens, auth: Auth) -> Proven:
    """Who asks. Raises Unauthenticated, Invalid."""
    identity = auth.identity
    if not identity.methods:
        raise unauthenticated()
    proven: Proven | None = None
    for method in dict.fromkeys(identity.methods):
        if method not in METHODS:
            raise Unauthenticated("Attempted to authenticate with an unsupported method.", kind="method")
        if method == "password":
            found = await _by_password(tokens, identity.password)
        elif method == "token":
            found = _by_token(tokens, identity.token)
        else:
            found = await _by_credential(tokens, identity.application_credential)
        if proven is not None and proven.user.id != found.user.id:
            raise unauthenticated()
        proven = found if proven is None else _both(proven, found)
    assert proven is not None
    return proven


def _both(one: Proven, other: Proven) -> Proven:
    return Proven(
        user=one.user,
        methods=list(dict.fromkeys([*one.methods, *other.methods])),
        parent=one.parent or other.parent,
        credential=one.credential or other.credential,
    )


async def _by_password(tokens: Tokens, method: PasswordMethod | None) -> Proven:
    if method is None or method.user is None:
        raise expecting("user", "password")
    given = method.user
    if given.password is None:
        raise expecting("password", "user")
    user = find_user(tokens.fold, given.id, given.name, given.domain)
    right = await tokens.passwords.match(given.password, user.password if user else None)
    if user is None or not right or not _enabled(tokens.fold, user):
        raise unauthenticated()
    return Proven(user=user, methods=["password"])


def _by_token(tokens: Tokens, method: TokenMethod | None) -> Proven:
    if method is None:
        raise expecting("token", "identity")
    try:
        claims = tokens.read(method.id)
        tokens.valid(claims)
    except NotFound as fault:
        raise unauthenticated() from fault
    user = tokens.fold.get(users, claims.user)
    assert user is not None, "a valid token has a user"
    credential = None
    if claims.application_credential is not None:
        credential = tokens.fold.get(application_credentials, claims.application_credential)
    return Proven(user=user, methods=["token", *claims.methods], parent=claims, credential=credential)


async def _by_credential(tokens: Tokens, method: CredentialMethod | None) -> Proven:
    if method is None:
        raise expecting("application_credential", "identity")
    if method.secret is None:
        raise expecting("secret", "application_credential")
    fold = tokens.fold
    credential = None
    if method.id is not None:
        credential = fold.get(application_credentials, method.id)
    elif method.name is not None and method.user is not None:
        owner = find_user(fold, method.user.id, method.user.name, method.user.domain)
        candidates = fold.by(application_credentials, "user", owner.id) if owner else []
        credential = next((c for c in candidates if c.name == method.name), None)
    else:
        raise expecting("id, or name and user", "application_credential")
    right = await tokens.passwords.match(method.secret, credential.secret if credential else None)
    user = fold.get(users, credential.user) if credential else None
    if not right or credential is None or user is None or not _enabled(fold, user):
        raise unauthenticated()
    if credential.expires_at is not None and credential.expires_at <= tokens.clock.now():
        raise unauthenticated()
    return Proven(user=user, methods=["application_credential"], credential=credential)


def find_domain(fold: Fold, reference: DomainReference | None) -> Domain | None:
    if reference is None:
        return None
    if reference.id is not None:
        return fold.get(domains, reference.id)
    return next(iter(fold.by(domains, "name", reference.name)), None)


def find_user(fold: Fold, id: str | None, name: str | None, domain: DomainReference | None) -> User | None:
    """The user who is meant. Raises Invalid if nobody is named."""
    if id is not None:
        return fold.get(users, id)
    if name is None:
        raise expecting("id or name", "user")
    if domain is None or (domain.id is None and domain.name is None):
        raise expecting("domain", "user")
    found = find_domain(fold, domain)
    return next(iter(fold.by(users, "place", f"{found.id}:{name}")), None) if found else None


def _find_project(fold: Fold, reference: Reference) -> Project | None:
    if reference.id is not None:
        return fold.get(projects, reference.id)
    if reference.name is None:
        raise expecting("id or name", "project")
    if reference.domain is None:
        raise expecting("domain", "project")
    domain = find_domain(fold, reference.domain)
    return next(iter(fold.by(projects, "place", f"{domain.id}:{reference.name}")), None) if domain else None


def _enabled(fold: Fold, user: User) -> bool:
    domain = fold.get(domains, user.domain)
    return user.enabled and domain is not None and domain.enabled


def scope(fold: Fold, auth: Auth, proven: Proven) -> tuple[Scope, str | None]:
    """The scope that is asked for, and its id. Raises Invalid, Unauthenticated."""
    wanted = auth.scope
    if proven.credential is not None:
        return _credentials_scope(fold, wanted, proven.credential)
    if isinstance(wanted, str):
        if wanted != "unscoped":
            raise expecting("project, domain, OS-TRUST:trust or unscoped", "scope")
        return "unscoped", None
    if wanted is None:
        return _default_scope(fold, proven)
    given = [part for part in (wanted.project, wanted.domain, wanted.system, wanted.trust) if part is not None]
    if len(given) != 1:
        raise expecting("one of project, domain, system, OS-TRUST:trust or unscoped", "scope")
    if wanted.project is not None:
        project = _find_project(fold, wanted.project)
        return "project", project.id if project else ""
    if wanted.domain is not None:
        domain = find_domain(fold, wanted.domain)
        return "domain", domain.id if domain else ""
    if wanted.system is not None:
        if wanted.system.get("all") is not True:
            raise expecting("all", "system")
        return "system", None
    raise unauthenticated()  # trusts there are none


def _credentials_scope(
    fold: Fold, wanted: Wanted | str | None, credential: ApplicationCredential
) -> tuple[Scope, str | None]:
    """An application credential is for one project."""
    if wanted is not None and not isinstance(wanted, str):
        project = _find_project(fold, wanted.project) if wanted.project else None
        if project is None or project.id != credential.project_id:
            raise unauthenticated()
    return "project", credential.project_id


def _default_scope(fold: Fold, proven: Proven) -> tuple[Scope, str | None]:
    """The user's default project if they may work in it; that of the token shown stays out of it."""
    default = proven.user.default_project
    if proven.parent is not None or default is None:
        return "unscoped", None
    project = fold.get(projects, default)
    if project is None or not project.enabled or not grants.effective(fold, proven.user.id, "project", default):
        return "unscoped", None
    return "project", default
