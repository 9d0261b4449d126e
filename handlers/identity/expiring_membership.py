"""Ends memberships that an identity provider told of and did not confirm in time, or whose user or group is gone.

They count no longer from the moment that they expire; this only keeps them from piling up.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from events.envelope import Event
from events.fold import Fold
from events.identity import expiring_membership as expiring_memberships
from events.identity import group as groups
from events.identity import user as users
from events.identity.expiring_membership import EndMembership, ExpiringMembership
from handlers.runner import Sight
from handlers.wishes import Wish

WAKES: tuple[type[Event], ...] = ()


def plan(sight: Sight, now: datetime) -> Iterator[Wish]:
    """The memberships to end."""
    if not (sight.sweeps(__name__) and sight.sees_all(__name__)):
        return
    for membership in sight.fold.all(expiring_memberships):
        yield from sight.apart(".".join(membership.key), now, _membership, sight.fold, now, membership)


def _membership(fold: Fold, now: datetime, membership: ExpiringMembership) -> Iterator[Wish]:
    ends = membership.until <= now
    if ends or fold.get(groups, membership.group) is None or fold.get(users, membership.user) is None:
        yield Wish(expiring_memberships, EndMembership(id=membership.key))
