"""The list of role assignments, as granted or as they take effect: groups dissolved, roles implied, targets inherited.

Source: Identity API reference, "List role assignments".
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from events.fold import Fold
from events.identity import assignment as assignments
from events.identity import domain as domains
from events.identity import expiring_membership as expiring_memberships
from events.identity import group as groups
from events.identity import membership as memberships
from events.identity import missing
from events.identity import project as projects
from events.identity import role as roles
from events.identity import user as users
from events.identity.assignment import Assignment
from events.refusals import Invalid
from gateway.identity import grants
from gateway.identity.domain import named as named_domain
from gateway.identity.listing import asked, flag, links
from gateway.identity.targets import domain_of
from gateway.serving import Call

SOME = 500  # assignments that are looked at before others have a turn


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


class Asked(Struct, frozen=True, kw_only=True):
    """What a query asks for."""

    effective: bool
    names: bool
    user: str | None
    group: str | None
    role: str | None
    project: str | None
    domain: str | None
    system: bool
    inherited: bool
    subtree: bool  # projects under the one that is named, too
    now: datetime  # memberships that have expired by then count no more


def _asked(call: Call) -> Asked:
    """Raises Invalid for what excludes each other."""
    found = Asked(
        effective=flag(call, "effective"),
        names=flag(call, "include_names"),
        user=asked(call, "user.id"),
        group=asked(call, "group.id"),
        role=asked(call, "role.id"),
        project=asked(call, "scope.project.id"),
        domain=asked(call, "scope.domain.id"),
        system=asked(call, "scope.system") is not None,
        inherited=asked(call, "scope.OS-INHERIT:inherited_to") is not None,
        subtree=flag(call, "include_subtree"),
        now=call.cloud.clock.now(),
    )
    if found.user is not None and found.group is not None:
        raise Invalid("Specify a user or group, not both")
    if found.domain is not None and found.project is not None:
        raise Invalid("Specify a domain or project, not both")
    if found.subtree and found.project is None:
        raise Invalid("'scope.project.id' is a dependency of 'include_subtree'")
    return found


def _must_exist(fold: Fold, want: Asked) -> None:
    """Raises NotFound for whom nothing can take effect."""
    if want.user is not None and fold.get(users, want.user) is None:
        raise missing("user", want.user)
    if want.project is not None and fold.get(projects, want.project) is None:
        raise missing("project", want.project)


async def listed(call: Call) -> dict[str, Any]:
    """The assignments that the query asks for. Raises Invalid, NotFound, Forbidden."""
    want, fold = _asked(call), call.fold
    reach = domain_of(call)  # to which the list is narrowed for the caller
    if want.effective and want.group is not None:
        raise Invalid("Combining effective and group filter will always result in an empty list.")
    if want.effective:
        _must_exist(fold, want)
    view, shown = _View(call, names=want.names), []
    for number, assignment in enumerate(_candidates(fold, want)):
        if number % SOME == SOME - 1:
            await asyncio.sleep(0)  # others have their turn
        if _alive(fold, assignment):
            shown += [view(grant) for grant in _given(fold, want, assignment, reach)]
    return {"role_assignments": shown, "links": links(call)}


def _given(fold: Fold, want: Asked, assignment: Assignment, reach: str | None) -> Iterator[Grant]:
    """What of an assignment, or of its effects, is asked for and within the caller's reach."""
    for grant in _effects(fold, _grant(assignment), want) if want.effective else (_grant(assignment),):
        if want.effective and not want.system and grant.target_kind == "system":
            continue
        if (reach is None or _home(fold, grant) == reach) and _fits(fold, want, grant):
            yield grant


def _home(fold: Fold, grant: Grant) -> str | None:
    """The domain of what a role is granted on."""
    if grant.target_kind == "domain":
        return grant.target_id
    project = fold.get(projects, grant.target_id) if grant.target_kind == "project" else None
    return project.domain if project else None


def _candidates(fold: Fold, want: Asked) -> Iterable[Assignment]:
    """As few as an index gives; `_fits` does the rest."""
    if want.user is not None:
        told = grants.Told(now=want.now)
        return (
            grants.targets(fold, want.user, told)
            if want.effective
            else fold.by(assignments, "actor", f"user:{want.user}")
        )
    if want.group is not None:
        return fold.by(assignments, "actor", f"group:{want.group}")
    if want.project is not None and not want.subtree:
        return _on_project(fold, want.project, want.effective)
    if want.domain is not None:
        return fold.by(assignments, "target", f"domain:{want.domain}")
    if want.role is not None and not want.effective:
        return fold.by(assignments, "role", want.role)
    return fold.all(assignments)


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


def _effects(fold: Fold, grant: Grant, want: Asked) -> Iterator[Grant]:
    """What an assignment gives, to one user if only they are asked for."""
    for placed in _places(fold, grant):
        for one in _users(fold, placed, want):
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


def _users(fold: Fold, grant: Grant, want: Asked) -> Iterator[Grant]:
    if grant.group is None:
        yield grant
    elif want.user is not None:
        lasting = fold.get(expiring_memberships, (grant.group, want.user))
        if fold.get(memberships, (grant.group, want.user)) or (lasting and lasting.until > want.now):
            yield replace(grant, user=want.user)
    else:
        members = dict.fromkeys(membership.user for membership in fold.by(memberships, "group", grant.group))
        lasts = fold.by(expiring_memberships, "group", grant.group)
        members.update(dict.fromkeys(one.user for one in lasts if one.until > want.now))
        for user in members:
            yield replace(grant, user=user)


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


def _fits(fold: Fold, want: Asked, grant: Grant) -> bool:
    if want.user not in (None, grant.user) or want.group not in (None, grant.group):
        return False
    if want.role not in (None, grant.role) or (want.inherited and not grant.inherited):
        return False
    if want.system and grant.target_kind != "system":
        return False
    if want.domain is not None and (grant.target_kind, grant.target_id) != ("domain", want.domain):
        return False
    if want.project is None:
        return True
    if grant.target_kind != "project":
        return False
    if grant.target_id == want.project or not want.subtree:
        return grant.target_id == want.project
    found = fold.get(projects, grant.target_id)
    return found is not None and f"project:{want.project}" in grants.above(fold, found)


# As it is shown


class _View:
    """Shows the assignments of one answer; what is named more than once in it is looked up once."""

    def __init__(self, call: Call, *, names: bool) -> None:
        self._fold = call.fold
        self._root = call.root
        self._names = names
        self._known: dict[tuple[str, str], dict[str, Any]] = {}

    def __call__(self, grant: Grant) -> dict[str, Any]:
        scope: dict[str, Any]
        if grant.target_kind == "system":
            scope = {"system": {"all": True}}
        else:
            scope = {grant.target_kind: self._named(grant.target_kind, grant.target_id)}
        if grant.inherited:
            scope["OS-INHERIT:inherited_to"] = "projects"
        actor = "user" if grant.user is not None else "group"
        return {
            "links": self._links(grant),
            "scope": scope,
            actor: self._named(actor, grant.user or grant.group or ""),
            "role": self._named("role", grant.role),
        }

    def _named(self, kind: str, id: str) -> dict[str, Any]:
        if not self._names:
            return {"id": id}
        shown = self._known.get((kind, id))
        if shown is None:
            shown = self._known[kind, id] = _named(self._fold, kind, id)
        return shown

    def _links(self, grant: Grant) -> dict[str, str]:
        of, root = grant.of, self._root
        role = grant.prior or of.role
        where = "system" if of.target_kind == "system" else f"{of.target_kind}s/{of.target_id}"
        path = f"{where}/{of.actor_kind}s/{of.actor_id}/roles/{role}"
        if of.inherited:
            path = f"OS-INHERIT/{path}/inherited_to_projects"
        links = {"assignment": f"{root}/v3/{path}"}
        if of.actor_kind == "group" and grant.user is not None:
            links["membership"] = f"{root}/v3/groups/{of.actor_id}/users/{grant.user}"
        if grant.prior is not None:
            links["prior_role"] = f"{root}/v3/prior_role/{grant.role}/implies/{grant.prior}"
        return links


_KINDS: dict[str, Any] = {"user": users, "group": groups, "project": projects, "domain": domains, "role": roles}


def _named(fold: Fold, kind: str, id: str) -> dict[str, Any]:
    found: Any = fold.get(_KINDS[kind], id)
    shown = {"id": id, "name": found.name if found else ""}
    home = getattr(found, "domain", None)
    if home is not None:
        shown["domain"] = named_domain(fold, home)
    return shown
