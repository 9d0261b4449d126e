"""The list of role assignments, as granted or as they take effect: groups dissolved, roles implied, targets inherited.

Source: Identity API reference, "List role assignments".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from events.fold import Fold
from events.identity import assignment as assignments
from events.identity import domain as domains
from events.identity import group as groups
from events.identity import membership as memberships
from events.identity import project as projects
from events.identity import role as roles
from events.identity import user as users
from events.identity.assignment import Assignment
from events.refusals import Invalid
from gateway.identity import grants
from gateway.identity.listing import asked, flag, self_link
from gateway.identity.personas import domain_of
from gateway.serving import Call


class Grant(Struct, frozen=True, kw_only=True):
    """An assignment as it takes effect."""

    user: str | None = None
    group: str | None = None
    target_kind: str
    target_id: str
    role: str
    inherited: bool = False
    of: Assignment  # the one that was made
    prior: str | None = None  # the role that implies this one


def _grant(assignment: Assignment) -> Grant:
    return Grant(
        user=assignment.actor_id if assignment.actor_kind == "user" else None,
        group=assignment.actor_id if assignment.actor_kind == "group" else None,
        target_kind=assignment.target_kind,
        target_id=assignment.target_id,
        role=assignment.role,
        inherited=assignment.inherited,
        of=assignment,
    )


async def listed(call: Call) -> dict[str, Any]:
    """The assignments that the query asks for. Raises Invalid, Forbidden."""
    reach = _guard(call)
    effective, names = flag(call, "effective"), flag(call, "include_names")
    if effective and asked(call, "group.id") is not None:
        raise Invalid("Combining effective and group filter will always result in an empty list.")
    found = [_grant(assignment) for assignment in _candidates(call, effective) if _alive(call.fold, assignment)]
    if effective:
        found = [grant for one in found for grant in _effects(call.fold, one)]
        if asked(call, "scope.system") is None:
            found = [grant for grant in found if grant.target_kind != "system"]
    if reach is not None:
        found = [grant for grant in found if _home(call.fold, grant) == reach]
    shown = [_view(call, grant, names) for grant in found if _fits(call, grant)]
    return {"role_assignments": shown, "links": {"next": None, "self": self_link(call), "previous": None}}


def _guard(call: Call) -> str | None:
    """The domain to which the list is narrowed for the caller. Raises Invalid, Forbidden."""
    if asked(call, "user.id") is not None and asked(call, "group.id") is not None:
        raise Invalid("Specify a user or group, not both")
    if asked(call, "scope.domain.id") is not None and asked(call, "scope.project.id") is not None:
        raise Invalid("Specify a domain or project, not both")
    return domain_of(call)


def _home(fold: Fold, grant: Grant) -> str | None:
    """The domain of what a role is granted on."""
    if grant.target_kind == "domain":
        return grant.target_id
    project = fold.get(projects, grant.target_id) if grant.target_kind == "project" else None
    return project.domain if project else None


def _candidates(call: Call, effective: bool) -> Iterable[Assignment]:
    """As few as an index gives; `_fits` does the rest."""
    user, group, role = asked(call, "user.id"), asked(call, "group.id"), asked(call, "role.id")
    if user is not None:
        return grants.targets(call.fold, user) if effective else call.fold.by(assignments, "actor", f"user:{user}")
    if group is not None:
        return call.fold.by(assignments, "actor", f"group:{group}")
    project, domain = asked(call, "scope.project.id"), asked(call, "scope.domain.id")
    if project is not None and not flag(call, "include_subtree"):
        return _on_project(call.fold, project, effective)
    if domain is not None:
        return call.fold.by(assignments, "target", f"domain:{domain}")
    if role is not None and not effective:
        return call.fold.by(assignments, "role", role)
    return call.fold.all(assignments)


def _on_project(fold: Fold, id: str, effective: bool) -> Iterator[Assignment]:
    """The assignments on a project, and if they are to take effect those that it inherits."""
    yield from fold.by(assignments, "target", f"project:{id}")
    project = fold.get(projects, id) if effective else None
    for target in grants.above(fold, project) if project else ():
        yield from (one for one in fold.by(assignments, "target", target) if one.inherited)


def _alive(fold: Fold, assignment: Assignment) -> bool:
    """Whether role, actor and target are all there."""
    kind, id = assignment.target_kind, assignment.target_id
    return (
        fold.get(roles, assignment.role) is not None
        and (fold.get(users, assignment.actor_id) or fold.get(groups, assignment.actor_id)) is not None
        and (kind == "system" or (fold.get(projects, id) or fold.get(domains, id)) is not None)
    )


def _effects(fold: Fold, grant: Grant) -> Iterator[Grant]:
    for placed in _places(fold, grant):
        for one in _users(fold, placed):
            yield from _roles(fold, one)


def _places(fold: Fold, grant: Grant) -> Iterator[Grant]:
    if not grant.inherited:
        yield grant
        return
    if grant.target_kind == "domain":
        below: Iterable[Any] = fold.by(projects, "domain", grant.target_id)
    else:
        below = grants.below(fold, grant.target_id)
    for project in below:
        yield replace(grant, target_kind="project", target_id=project.id)


def _users(fold: Fold, grant: Grant) -> Iterator[Grant]:
    if grant.group is None:
        yield grant
        return
    for membership in fold.by(memberships, "group", grant.group):
        yield replace(grant, user=membership.user)


def _roles(fold: Fold, grant: Grant) -> Iterator[Grant]:
    """The role and those it implies, each with the one that implies it."""
    seen = set()
    waiting = [grant]
    for one in waiting:  # grows while it is walked
        role = fold.get(roles, one.role)
        if role is None or role.id in seen:
            continue
        seen.add(role.id)
        if role.domain is None:
            yield one
        waiting.extend(replace(one, role=implied, prior=role.id) for implied in role.implies)


def _fits(call: Call, grant: Grant) -> bool:
    user, group, role = asked(call, "user.id"), asked(call, "group.id"), asked(call, "role.id")
    if (user not in (None, grant.user)) or (group not in (None, grant.group)) or (role not in (None, grant.role)):
        return False
    if asked(call, "scope.OS-INHERIT:inherited_to") is not None and not grant.inherited:
        return False
    if asked(call, "scope.system") is not None and grant.target_kind != "system":
        return False
    domain, project = asked(call, "scope.domain.id"), asked(call, "scope.project.id")
    if domain is not None and (grant.target_kind, grant.target_id) != ("domain", domain):
        return False
    if project is None:
        return True
    if grant.target_kind != "project":
        return False
    if grant.target_id == project:
        return True
    if not flag(call, "include_subtree"):
        return False
    found = call.fold.get(projects, grant.target_id)
    return found is not None and f"project:{project}" in grants.above(call.fold, found)


# As it is shown


def _view(call: Call, grant: Grant, names: bool) -> dict[str, Any]:
    scope: dict[str, Any]
    if grant.target_kind == "system":
        scope = {"system": {"all": True}}
    else:
        scope = {grant.target_kind: _named(call.fold, grant.target_kind, grant.target_id, names)}
    if grant.inherited:
        scope["OS-INHERIT:inherited_to"] = "projects"
    actor = "user" if grant.user is not None else "group"
    return {
        "links": _links(call, grant),
        "scope": scope,
        actor: _named(call.fold, actor, grant.user or grant.group or "", names),
        "role": _named(call.fold, "role", grant.role, names),
    }


def _named(fold: Fold, kind: str, id: str, names: bool) -> dict[str, Any]:
    if not names:
        return {"id": id}
    modules: dict[str, Any] = {"user": users, "group": groups, "project": projects, "domain": domains, "role": roles}
    found: Any = fold.get(modules[kind], id)
    shown = {"id": id, "name": found.name if found else ""}
    home = getattr(found, "domain", None)
    if home is not None:
        domain = fold.get(domains, home)
        shown["domain"] = {"id": home, "name": domain.name if domain else ""}
    return shown


def _links(call: Call, grant: Grant) -> dict[str, str]:
    of = grant.of
    role = grant.prior or of.role
    where = "system" if of.target_kind == "system" else f"{of.target_kind}s/{of.target_id}"
    path = f"{where}/{of.actor_kind}s/{of.actor_id}/roles/{role}"
    if of.inherited:
        path = f"OS-INHERIT/{path}/inherited_to_projects"
    links = {"assignment": f"{call.root}/v3/{path}"}
    if of.actor_kind == "group" and grant.user is not None:
        links["membership"] = f"{call.root}/v3/groups/{of.actor_id}/users/{grant.user}"
    if grant.prior is not None:
        links["prior_role"] = f"{call.root}/v3/prior_role/{grant.role}/implies/{grant.prior}"
    return links
