"""Granting roles over HTTP, one URL for each: actor, target and role stand in the path.

Source: Identity API reference, "Roles", "System role assignments", "OS-INHERIT".
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from events.identity import application_credential as application_credentials
from events.identity import assignment as assignments
from events.identity import domain as domains
from events.identity import group as groups
from events.identity import missing
from events.identity import project as projects
from events.identity import role as roles
from events.identity import user as users
from events.identity.assignment import GrantRole, RevokeRole, grant, not_granted
from events.identity.role import Role
from events.refusals import Forbidden, Invalid
from gateway.identity import cleaning, role
from gateway.identity.listing import collection
from gateway.serving import Answer, Call


class Place(Struct, frozen=True, kw_only=True):
    """What a path names."""

    actor: tuple[Literal["user", "group"], str]
    target: tuple[Literal["project", "domain", "system"], str]
    inherited: bool
    actor_domain: str | None = None
    target_domain: str | None = None


def place(call: Call) -> Place:
    """What the path names, whether it exists or not."""
    path, fold = call.path, call.fold
    inherited = call.request.url.path.endswith("/inherited_to_projects")
    actor: tuple[Literal["user", "group"], str]
    actor = ("user", path["user_id"]) if "user_id" in path else ("group", path["group_id"])
    found = fold.get(users, actor[1]) if actor[0] == "user" else fold.get(groups, actor[1])
    actor_domain = found.domain if found else None
    target: tuple[Literal["project", "domain", "system"], str] = ("system", "all")
    target_domain = None
    if "project_id" in path:
        project = fold.get(projects, path["project_id"])
        target, target_domain = ("project", path["project_id"]), project.domain if project else None
    elif "domain_id" in path:
        domain = fold.get(domains, path["domain_id"])
        target, target_domain = ("domain", path["domain_id"]), domain.id if domain else None
    return Place(
        actor=actor, target=target, inherited=inherited, actor_domain=actor_domain, target_domain=target_domain
    )


def _asked(call: Call) -> Place:
    """What the path names, all of which is there, and was put to the rule. Raises NotFound, Forbidden."""
    where = place(call)
    _ask(call, where)
    if "role_id" in call.path:
        _role(call)
    if where.actor_domain is None:
        raise missing(*where.actor)
    if where.target_domain is None and where.target[0] != "system":
        raise missing(*where.target)
    return where


def _role(call: Call) -> Role:
    id = call.path["role_id"]
    return call.find(roles, id, missing("role", id))


def _wish(call: Call, where: Place) -> GrantRole:
    return grant(where.actor, where.target, call.path["role_id"], where.inherited)


def _ask(call: Call, where: Place) -> None:
    """Put to the rule what the path names, as far as it is there. Raises Forbidden."""
    target: dict[str, Any] = {}
    if where.actor_domain is not None:
        target[f"target.{where.actor[0]}.domain_id"] = where.actor_domain
    if where.target[0] == "domain":
        target["target.domain.id"] = where.target[1]
    elif where.target_domain is not None:
        target["target.project.domain_id"] = where.target_domain
    wanted = call.fold.get(roles, call.path.get("role_id", ""))
    if wanted is not None:
        target |= {"target.role.name": wanted.name, "target.role.domain_id": wanted.domain}
    call.enforce(target)


async def put(call: Call) -> None:
    """Grant a role; nothing if it is granted. Raises NotFound, Forbidden, Invalid."""
    where = _asked(call)
    _must_belong(_role(call), where)
    await call.do(assignments, _wish(call, where))


def _must_belong(wanted: Role, where: Place) -> None:
    """A role of a domain is for its own projects, and never for the system. Raises Forbidden, Invalid."""
    kind, id = where.target
    if wanted.domain is not None and kind == "system":
        raise Invalid(
            f"Role {wanted.id} is a domain-specific role. Unable to use a domain-specific role in a system assignment."
        )
    if wanted.domain is not None and kind == "project" and wanted.domain != where.target_domain:
        raise Forbidden(f"Project {id} must be in the same domain as the role {wanted.id} being assigned.")


async def check(call: Call) -> Answer:
    """Raises NotFound unless the role is granted."""
    key = _wish(call, _asked(call)).id
    if call.fold.get(assignments, key) is None:
        raise not_granted(key)
    return Answer(status=204)


async def delete(call: Call) -> None:
    """Take a role back, and the application credentials that were made with it. Raises NotFound, Forbidden."""
    where = _asked(call)
    await call.do(assignments, RevokeRole(id=_wish(call, where).id))
    if where.actor[0] == "user" and where.target[0] == "project":
        for credential in call.fold.by(application_credentials, "user", where.actor[1]):
            if credential.project_id == where.target[1]:
                await cleaning.delete_credential(call, credential)


async def listed(call: Call) -> dict[str, Any]:
    """The roles that are granted to an actor on a target. Raises NotFound, Forbidden."""
    where = _asked(call)
    pair = f"{where.actor[0]}:{where.actor[1]} {where.target[0]}:{where.target[1]}"
    found = [
        granted
        for assignment in call.fold.by(assignments, "pair", pair)
        if assignment.inherited == where.inherited and (granted := call.fold.get(roles, assignment.role)) is not None
    ]
    return collection(call, "roles", found, lambda granted: role.view(call, granted))
