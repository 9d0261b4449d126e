"""Who may do what where: roles granted to a user or their groups, on a target or above it, with what roles imply.

All by the fold's indexes: a question costs as many look-ups as the user has groups and the project has ancestors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from msgspec import Struct

from events.fold import Fold
from events.identity import assignment as assignments
from events.identity import domain as domains
from events.identity import expiring_membership as expiring_memberships
from events.identity import group as groups
from events.identity import membership as memberships
from events.identity import project as projects
from events.identity import role as roles
from events.identity.assignment import Assignment
from events.identity.domain import Domain
from events.identity.expiring_membership import ExpiringMembership
from events.identity.project import Project
from events.identity.role import Role

DEEPEST = 32  # levels of projects that are looked at: more than can be made


class Told(Struct, frozen=True):
    """Groups of a user by an identity provider's word: those that a token names, and those that last until later."""

    groups: tuple[str, ...] = ()
    now: datetime | None = None


NOTHING = Told()


def actors(fold: Fold, user: str, told: Told = NOTHING) -> list[str]:
    """By whom a role may come to a user: themselves and the groups they are in."""
    inside = dict.fromkeys(membership.group for membership in fold.by(memberships, "user", user))
    inside.update(dict.fromkeys(told.groups))
    if told.now is not None:
        inside.update((one.group, None) for one in lasting(fold, user, told.now))
    return [f"user:{user}", *(f"group:{group}" for group in inside if fold.get(groups, group) is not None)]


def lasting(fold: Fold, user: str, now: datetime) -> list[ExpiringMembership]:
    """The memberships that an identity provider told of, as far as they have not expired."""
    return [one for one in fold.by(expiring_memberships, "user", user) if one.until > now]


def above(fold: Fold, project: Project) -> list[str]:
    """The targets from which a project inherits, the nearest first, its domain last."""
    found: list[str] = []
    parent = project.parent
    while parent is not None and len(found) < DEEPEST:
        found.append(f"project:{parent}")
        higher = fold.get(projects, parent)
        parent = higher.parent if higher else None
    return [*found, f"domain:{project.domain}"]


def on(fold: Fold, user: str, kind: str, id: str, told: Told = NOTHING) -> Iterator[Assignment]:
    """The assignments that give a user a role on a project, a domain or the system (`all`)."""
    project = fold.get(projects, id) if kind == "project" else None
    higher = above(fold, project) if project else []
    here = f"{kind}:{id}"
    for actor in actors(fold, user, told):
        for assignment in fold.by(assignments, "pair", f"{actor} {here}"):
            if not assignment.inherited:
                yield assignment
        for target in higher:
            for assignment in fold.by(assignments, "pair", f"{actor} {target}"):
                if assignment.inherited:
                    yield assignment


def named(fold: Fold, name: str) -> Role | None:
    """The role of this name, of those of no domain."""
    return next((role for role in fold.by(roles, "name", name) if role.domain is None), None)


def closure(fold: Fold, ids: Iterable[str]) -> dict[str, Role]:
    """Roles by id with all that they imply, those of domains too."""
    found: dict[str, Role] = {}
    waiting = list(ids)
    for id in waiting:  # grows while it is walked
        role = fold.get(roles, id) if id not in found else None
        if role is not None:
            found[id] = role
            waiting.extend(role.implies)
    return found


def expand(fold: Fold, ids: Iterable[str]) -> dict[str, Role]:
    """Roles by id with all that they imply; those of a domain, which only imply, left out."""
    return {id: role for id, role in closure(fold, ids).items() if role.domain is None}


def granted(fold: Fold, user: str, kind: str, id: str, told: Told = NOTHING) -> list[str]:
    """The roles that a user was given on a project, a domain or the system (`all`)."""
    return [assignment.role for assignment in on(fold, user, kind, id, told)]


def effective(fold: Fold, user: str, kind: str, id: str, told: Told = NOTHING) -> dict[str, Role]:
    """All roles that a user has on a project, a domain or the system (`all`), by id."""
    return expand(fold, granted(fold, user, kind, id, told))


def targets(fold: Fold, user: str, told: Told = NOTHING) -> Iterator[Assignment]:
    """Every assignment of a user or their groups, wherever it holds."""
    for actor in actors(fold, user, told):
        yield from fold.by(assignments, "actor", actor)


def below(fold: Fold, project: str) -> Iterator[Project]:
    """The projects under a project, at any depth, each after the one above it."""
    waiting = [(child, 0) for child in fold.by(projects, "parent", project)]
    for child, depth in waiting:  # grows while it is walked
        yield child
        if depth < DEEPEST:
            waiting.extend((grandchild, depth + 1) for grandchild in fold.by(projects, "parent", child.id))


def projects_of(fold: Fold, user: str, told: Told = NOTHING) -> list[Project]:
    """The enabled projects on which a user has a role, each once."""
    found: dict[str, Project] = {}
    for assignment in targets(fold, user, told):
        if fold.get(roles, assignment.role) is None:
            continue
        for project in _projects(fold, assignment):
            domain = fold.get(domains, project.domain)
            if project.enabled and domain is not None and domain.enabled:
                found[project.id] = project
    return list(found.values())


def _projects(fold: Fold, assignment: Assignment) -> Iterable[Project]:
    """Where an assignment gives a role on projects."""
    if assignment.target_kind == "project":
        if assignment.inherited:
            return below(fold, assignment.target_id)
        project = fold.get(projects, assignment.target_id)
        return [project] if project else []
    if assignment.target_kind == "domain" and assignment.inherited:
        return fold.by(projects, "domain", assignment.target_id)
    return []


def domains_of(fold: Fold, user: str, told: Told = NOTHING) -> list[Domain]:
    """The enabled domains on which a user has a role, each once."""
    found: dict[str, Domain] = {}
    for assignment in targets(fold, user, told):
        if assignment.target_kind != "domain" or assignment.inherited or not fold.get(roles, assignment.role):
            continue
        domain = fold.get(domains, assignment.target_id)
        if domain is not None and domain.enabled:
            found[domain.id] = domain
    return list(found.values())


def has_system(fold: Fold, user: str, told: Told = NOTHING) -> bool:
    """Whether a user has a role on the system."""
    return any(a.target_kind == "system" and fold.get(roles, a.role) for a in targets(fold, user, told))
