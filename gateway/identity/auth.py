"""What a request for a token says, and whether it is true. Whatever is wrong, the answer says no more than 401.

How something is proved is in `methods`, a file each. Source: Identity API reference, "Authentication and token
management".
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from events.fold import Fold
from events.identity import oauth_access_token as access_tokens
from events.identity import project as projects
from events.refusals import CannotAuthenticate, Invalid, NotFound, Unauthenticated
from events.settings import Settings
from gateway.bodies import explain
from gateway.identity import compliance, grants, trusting
from gateway.identity.delegation import is_secondary
from gateway.identity.methods import BY_NAME, external
from gateway.identity.proof import (
    DomainReference,
    Proven,
    Reference,
    Text,
    expecting,
    find_domain,
    find_project,
    guard_named,
)
from gateway.identity.targets import forbidden
from gateway.identity.tokens import Target
from gateway.serving import Call


class Identity(Struct):
    methods: Annotated[list[Text], Meta(max_length=16)]


class TrustReference(Struct):
    id: Text | None = None


class System(Struct):
    all: bool | None = None


class Wanted(Struct):
    """One of these."""

    project: Reference | UnsetType = UNSET
    domain: DomainReference | UnsetType = UNSET
    system: System | UnsetType = UNSET
    trust: TrustReference | UnsetType = msgspec.field(name="OS-TRUST:trust", default=UNSET)
    unscoped: Any = UNSET


class Auth(Struct):
    identity: Identity
    scope: Wanted | str | UnsetType = UNSET


class Request(Struct):
    """A request for a token."""

    methods: dict[str, Any]  # what is said, by the method's name
    scope: Wanted | None  # None: none is named


def read(body: Any, offered: tuple[str, ...]) -> Request:
    """What the body of a request for a token says. Raises Invalid, Unauthenticated if by a method that is none."""
    if not isinstance(body, dict):
        raise Invalid("It is no object.", kind="malformed")
    if body.get("auth") is None:
        raise expecting("auth", "request body")
    match body["auth"]:
        case {"identity": {**identity}} if "methods" not in identity:
            raise Invalid("Invalid input for field 'identity': 'methods' is a required property")
    auth = _typed(body["auth"], Auth)
    given = body["auth"]["identity"]
    names = list(dict.fromkeys(auth.identity.methods))
    for name in names:
        if name not in given:
            raise expecting(name, "identity")
    if not names:
        raise Unauthenticated()
    for name in names:
        if name not in offered or name not in BY_NAME:
            raise CannotAuthenticate("Attempted to authenticate with an unsupported method.", offered)
    return Request({name: _typed(given[name], BY_NAME[name].Body) for name in names}, _wanted(auth.scope))


def _wanted(scope: Wanted | str | UnsetType) -> Wanted | None:
    """The scope that is named; the word `unscoped` names one too. Raises Invalid."""
    if scope is UNSET:
        return None
    if isinstance(scope, str):
        scope = Wanted(unscoped={}) if scope == "unscoped" else Wanted()
    given = [value for value in asdict(scope).values() if value is not UNSET]
    if len(given) != 1:
        raise expecting("system, project, domain, OS-TRUST:trust or unscoped", "scope")
    if scope.project is not UNSET:
        guard_named("scope/project", scope.project)
        if scope.project.domain is not None:
            guard_named("scope/project/domain", scope.project.domain)
    if scope.domain is not UNSET:
        guard_named("scope/domain", scope.domain)
    return scope


def _typed(value: Any, kind: Any) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as fault:
        raise Invalid(explain(str(fault))) from fault


async def prove(call: Call, request: Request) -> Proven:
    """Who asks; a user whom a proxy names need not say so. Raises Unauthenticated, Invalid."""
    proven: Proven | None = None
    said = request.methods
    if external.NAME not in said and external.offered(call) is not None:
        said = {external.NAME: external.Body(), **said}
    for name, body in said.items():
        found = await BY_NAME[name].prove(call, body)
        if proven is not None and proven.user.id != found.user.id:
            raise Unauthenticated()
        proven = found if proven is None else _both(proven, found)
    assert proven is not None, "a request has a method"
    await compliance.admit(call, proven)
    return proven


def _both(one: Proven, other: Proven) -> Proven:
    return Proven(
        user=one.user,
        methods=list(dict.fromkeys([*one.methods, *other.methods])),
        parent=one.parent or other.parent,
        credential=one.credential or other.credential,
        federated=one.federated or other.federated,
        access_token=one.access_token or other.access_token,
        expires_at=_earliest(one.expires_at, other.expires_at),
    )


def _earliest(*times: datetime | None) -> datetime | None:
    return min((time for time in times if time is not None), default=None)


def guard_scope(settings: Settings, request: Request, proven: Proven) -> None:
    """What was made for less, or for the system, is not exchanged for more. Raises Unauthenticated, Forbidden."""
    wanted, parent = request.scope, proven.parent
    if "application_credential" in request.methods and wanted is not None:
        raise CannotAuthenticate(
            "Error authenticating with application credential: Application credentials cannot request a scope."
        )
    if parent is None:
        return
    if parent.trust is not None:
        raise forbidden("Using trust-scoped token to create another token. Create a new trust-scoped token instead")
    if parent.scope == "system" and wanted is not None and not (wanted.project is UNSET and wanted.domain is UNSET):
        raise forbidden("Using a system-scoped token to create a project-scoped or domain-scoped token is not allowed.")
    if is_secondary(parent.methods):
        raise forbidden("Using a delegated token to create another token is not allowed.")
    if parent.scope != "unscoped" and not settings.identity.allow_rescope_scoped_token:
        raise forbidden("rescope a scoped token")


def target(fold: Fold, now: datetime, wanted: Wanted | None, proven: Proven) -> Target:
    """What the token is to be for. Raises Invalid, Unauthenticated, NotFound, Forbidden."""
    if proven.credential is not None:
        return Target(scope="project", id=proven.credential.project_id)
    if proven.access_token is not None:
        lent = fold.get(access_tokens, proven.access_token)
        return Target(scope="project", id=lent.project_id if lent else "")
    if wanted is None:
        return _default(fold, proven)
    if wanted.project is not UNSET:
        project = find_project(fold, wanted.project)
        return Target(scope="project", id=project.id if project else "")
    if wanted.domain is not UNSET:
        domain = find_domain(fold, wanted.domain)
        return Target(scope="domain", id=domain.id if domain else "")
    if wanted.trust is not UNSET:
        return _trust(fold, now, wanted.trust, proven)
    return Target(scope="unscoped" if wanted.system is UNSET else "system")


def _trust(fold: Fold, now: datetime, wanted: TrustReference, proven: Proven) -> Target:
    if not wanted.id:
        raise expecting("trust_id", "trust")
    try:
        trust = trusting.find(fold, wanted.id, now)
    except NotFound as fault:
        raise Unauthenticated() from fault
    if trust.project_id is None:
        raise NotFound("Could not find project: None.")
    if trust.trustee != proven.user.id:
        raise forbidden()
    return Target(scope="project", id=trust.project_id, trust=trust)


def _default(fold: Fold, proven: Proven) -> Target:
    """The user's default project if they may work in it; that of the token shown stays out of it."""
    default = proven.user.default_project
    if proven.parent is not None or default is None:
        return Target(scope="unscoped")
    project = fold.get(projects, default)
    if project is None or not project.enabled or not grants.effective(fold, proven.user.id, "project", default):
        return Target(scope="unscoped")
    return Target(scope="project", id=default)
