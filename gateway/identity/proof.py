"""What methods of authentication have in common: how bodies name users and projects, and what has been proved.

Source: Identity API reference, "Authentication and token management".
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct

from events.decider import Decider
from events.envelope import State
from events.fold import Fold
from events.identity import domain as domains
from events.identity import project as projects
from events.identity import user as users
from events.identity.application_credential import ApplicationCredential
from events.identity.domain import Domain
from events.identity.project import Project
from events.identity.user import User
from events.refusals import Invalid
from gateway.identity.claims import Claims, Federated

S = TypeVar("S", bound=State)

Text = Annotated[str, Meta(max_length=255)]
Secret = Annotated[str, Meta(max_length=4096)]


class DomainReference(Struct):
    id: Text | None = None
    name: Text | None = None


class Reference(Struct):
    id: Text | None = None
    name: Text | None = None
    domain: DomainReference | None = None


class Proven(Struct, kw_only=True):
    """Who it is, and what they proved it with."""

    user: User
    methods: list[str] = []
    parent: Claims | None = None  # of the token that they showed
    credential: ApplicationCredential | None = None
    federated: Federated | None = None  # whom an identity provider vouches for
    access_token: str | None = None  # of OAuth 1
    expires_at: datetime | None = None  # no token that comes of it lives longer


def expecting(what: str, where: str) -> Invalid:
    return malformed(f"Expecting to find {what} in {where}.")


def malformed(what: str) -> Invalid:
    return Invalid(
        f"{what} The server could not comply with the request since it is either malformed or otherwise incorrect. "
        "The client is assumed to be in error."
    )


def guard_named(where: str, reference: Reference | DomainReference) -> None:
    """Raises Invalid if neither id nor name is given."""
    if reference.id is None and reference.name is None:
        raise Invalid(f"Invalid input for field {where}: id or name must be present.")


def find_domain(fold: Fold, reference: DomainReference | None) -> Domain | None:
    if reference is None:
        return None
    if reference.id is not None:
        return fold.get(domains, reference.id)
    return next(iter(fold.by(domains, "name", reference.name)), None)


def find_user(fold: Fold, reference: Reference) -> User | None:
    """The user who is meant. Raises Invalid if nobody is named."""
    return _find(fold, users, "user", reference)


def find_project(fold: Fold, reference: Reference) -> Project | None:
    """The project that is meant. Raises Invalid if none is named."""
    return _find(fold, projects, "project", reference)


def _find(fold: Fold, resource: Decider[S, Any, Any], kind: str, reference: Reference) -> S | None:
    if reference.id is not None:
        return fold.get(resource, reference.id)
    if reference.name is None:
        raise expecting("id or name", kind)
    if reference.domain is None or (reference.domain.id is None and reference.domain.name is None):
        raise expecting("domain", kind)
    domain = find_domain(fold, reference.domain)
    return next(iter(fold.by(resource, "place", f"{domain.id}:{reference.name}")), None) if domain else None


def is_enabled(fold: Fold, user: User) -> bool:
    """Whether a user and their domain are."""
    domain = fold.get(domains, user.domain)
    return user.enabled and domain is not None and domain.enabled
