"""Takes back what was granted to, on or by what is gone: a deletion that ended half-way leaves it behind.

Nothing is granted by what is left; this only keeps it from piling up.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from events.envelope import Event
from events.fold import Fold
from events.identity import assignment as assignments
from events.identity import domain as domains
from events.identity import group as groups
from events.identity import membership as memberships
from events.identity import project as projects
from events.identity import role as roles
from events.identity import user as users
from events.identity.assignment import Assignment, RevokeRole
from events.identity.membership import Leave, Membership
from handlers.runner import Sight
from handlers.wishes import Wish

WAKES: tuple[type[Event], ...] = ()


def plan(sight: Sight, now: datetime) -> Iterator[Wish]:
    """The assignments and memberships to take back."""
    if not (sight.sweeps(__name__) and sight.sees_all(__name__)):
        return
    fold = sight.fold
    for assignment in fold.all(assignments):
        yield from sight.apart(".".join(assignment.key), now, _assignment, fold, assignment)
    for membership in fold.all(memberships):
        yield from sight.apart(f"{membership.group}.{membership.user}", now, _membership, fold, membership)


def _assignment(fold: Fold, assignment: Assignment) -> Iterator[Wish]:
    if not stands(fold, assignment):
        yield Wish(assignments, RevokeRole(id=assignment.key))


def _membership(fold: Fold, membership: Membership) -> Iterator[Wish]:
    if fold.get(groups, membership.group) is None or fold.get(users, membership.user) is None:
        yield Wish(memberships, Leave(id=(membership.group, membership.user)))


def stands(fold: Fold, assignment: Assignment) -> bool:
    """Whether role, actor and target are all there."""
    actor = fold.get(users if assignment.actor_kind == "user" else groups, assignment.actor_id)
    target: object = "all"
    if assignment.target_kind == "project":
        target = fold.get(projects, assignment.target_id)
    elif assignment.target_kind == "domain":
        target = fold.get(domains, assignment.target_id)
    return actor is not None and target is not None and fold.get(roles, assignment.role) is not None
