"""Personas: what a role on a scope may do, found out by asking the tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal, cast

from gateway.policy import Table
from gateway.rules import Target
from gateway.tokens import Role, Token

IMPLIED = {
    "admin": ("admin", "manager", "member", "reader"),
    "manager": ("manager", "member", "reader"),
    "member": ("member", "reader"),
    "reader": ("reader",),
    "service": ("service",),
}
SCOPES = ("project", "domain", "system")
NAMES = (*(f"{scope}-{role}" for scope in SCOPES for role in IMPLIED), "unscoped")
USER, PROJECT, DOMAIN = "a-user", "a-project", "a-domain"

May = Literal["all", "own", ""]
"""To anything; to what is their own, or depending on what it is; not at all."""


def token(name: str) -> Token:
    """What the token of a persona says: `project-member`, `system-reader`, …, `unscoped`. Raises KeyError."""
    scope, _, role = name.partition("-")
    if name not in NAMES:
        raise KeyError(name)
    names = IMPLIED[role] if role else ()
    return Token(
        user=USER,
        user_name=name,
        user_domain=DOMAIN,
        scope=cast("Any", scope),
        project=PROJECT if scope == "project" else None,
        project_domain=DOMAIN if scope == "project" else None,
        domain=DOMAIN if scope == "domain" else None,
        roles=tuple(Role(one, one) for one in names),
        role_names=frozenset(names),
        issued_at=datetime(2026, 1, 1, tzinfo=UTC),
        expires_at=datetime(2126, 1, 1, tzinfo=UTC),
    )


class _Own(dict[str, Any]):
    """A target all of which is the persona's own, whatever a rule asks."""

    def __contains__(self, key: object) -> bool:
        return True

    def __getitem__(self, key: str) -> Any:
        if key.endswith(("project_id", "tenant_id", "project.id", "owner", "member_id")):
            return PROJECT
        if key.endswith(("domain_id", "domain.id")):
            return None if key == "target.role.domain_id" else DOMAIN
        if key.endswith(("user_id", "user.id")):
            return USER
        return {"target.role.name": "member", "visibility": "private"}.get(key, "")


OWN: Target = _Own()


def may(table: Table, name: str, who: Token) -> May:
    """How far a rule lets the persona go."""
    verdict = table.verdict(name, who)
    if verdict is not None:
        return "all" if verdict else ""
    return "own" if table.allows(name, who, OWN) else ""


def rights(table: Table, who: Token) -> Iterator[tuple[str, May]]:
    """Every operation of a service that the persona may do."""
    for rule in table.rules.values():
        if rule.scopes or ":" in rule.name:
            found = may(table, rule.name, who)
            if found:
                yield rule.name, found
