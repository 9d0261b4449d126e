"""What a request for a token says, and whether it is true. Whatever is wrong, the answer says no more than 401.

How something is proved is in `methods`, a file each. Source: Identity API reference, "Authentication and token
management".
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from events.fold import Fold
from events.identity import project as projects
from events.identity.application_credential import ApplicationCredential
from events.refusals import Invalid, Unauthenticated
from gateway.bodies import explain
from gateway.identity import grants
from gateway.identity.claims import Scope
from gateway.identity.methods import BY_NAME
from gateway.identity.proof import (
    DomainReference,
    Proven,
    Reference,
    Text,
    expecting,
    find_domain,
    find_project,
    unauthenticated,
)
from gateway.serving import Call


class Identity(Struct):
    methods: Annotated[list[Text], Meta(max_length=16)]


class Wanted(Struct):
    project: Reference | None = None
    domain: DomainReference | None = None
    system: dict[str, Any] | None = None
    trust: dict[str, Any] | None = msgspec.field(name="OS-TRUST:trust", default=None)


class Auth(Struct):
    identity: Identity
    scope: Wanted | str | None = None


class Request(Struct):
    """A request for a token."""

    methods: dict[str, Any]  # what is said, by the method's name
    scope: Wanted | str | None = None


def read(body: Any) -> Request:
    """What the body of a request for a token says. Raises Invalid, Unauthenticated if by a method that is none."""
    if not isinstance(body, dict):
        raise Invalid("It is no object.", kind="malformed")
    if "auth" not in body:
        raise expecting("auth", "request body")
    auth = _typed(body["auth"], Auth)
    given = body["auth"]["identity"]
    names = list(dict.fromkeys(auth.identity.methods))
    for name in names:
        if name not in given:
            raise expecting(name, "identity")
    if not names:
        raise unauthenticated()
    for name in names:
        if name not in BY_NAME:
            raise Unauthenticated("Attempted to authenticate with an unsupported method.", kind="method")
    return Request({name: _typed(given[name], BY_NAME[name].Body) for name in names}, auth.scope)


def _typed(value: Any, kind: Any) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as fault:
        raise Invalid(explain(str(fault))) from fault


async def prove(call: Call, request: Request) -> Proven:
    """Who asks. Raises Unauthenticated, Invalid."""
    proven: Proven | None = None
    for name, body in request.methods.items():
        found = await BY_NAME[name].prove(call, body)
        if proven is not None and proven.user.id != found.user.id:
            raise unauthenticated()
        proven = found if proven is None else _both(proven, found)
    assert proven is not None, "a request has a method"
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


def scope(fold: Fold, wanted: Wanted | str | None, proven: Proven) -> tuple[Scope, str | None]:
    """The scope that is asked for, and its id. Raises Invalid, Unauthenticated."""
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
        project = find_project(fold, wanted.project)
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
        project = find_project(fold, wanted.project) if wanted.project else None
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
