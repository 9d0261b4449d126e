"""What methods of authentication have in common: how bodies name users and projects, and what has been proved.

Source: Identity API reference, "Authentication and token management".
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from events.fold import Fold
from events.identity import domain as domains
from events.identity import project as projects
from events.identity import user as users
from events.identity.application_credential import ApplicationCredential
from events.identity.domain import Domain
from events.identity.project import Project
from events.identity.user import User
from events.refusals import Invalid, Unauthenticated
from gateway.identity.claims import Claims, Federated

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


def unauthenticated() -> Unauthenticated:
    return Unauthenticated("The request you have made requires authentication.")


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


def find_project(fold: Fold, reference: Reference) -> Project | None:
    """The project that is meant. Raises Invalid if none is named."""
    if reference.id is not None:
        return fold.get(projects, reference.id)
    if reference.name is None:
        raise expecting("id or name", "project")
    if reference.domain is None:
        raise expecting("domain", "project")
    domain = find_domain(fold, reference.domain)
    return next(iter(fold.by(projects, "place", f"{domain.id}:{reference.name}")), None) if domain else None


def is_enabled(fold: Fold, user: User) -> bool:
    """Whether a user and their domain are."""
    domain = fold.get(domains, user.domain)
    return user.enabled and domain is not None and domain.enabled
