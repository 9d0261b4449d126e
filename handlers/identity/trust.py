"""Deletes trusts that can give nothing any more: of users and projects that are gone, used up or ended long ago."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from events.envelope import Event
from events.fold import Fold
from events.identity import project as projects
from events.identity import trust as trusts
from events.identity import user as users
from events.identity.record import Delete
from events.identity.trust import ForgetTrust, Trust, is_spent
from handlers.runner import Sight
from handlers.wishes import Wish

WAKES: tuple[type[Event], ...] = ()


def plan(sight: Sight, now: datetime) -> Iterator[Wish]:
    """The trusts to delete."""
    if not (sight.sweeps(__name__) and sight.sees_all(__name__)):
        return
    for trust in sight.fold.all(trusts):
        yield from sight.apart(trust.id, now, _trust, sight.fold, now, trust)


def _trust(fold: Fold, now: datetime, trust: Trust) -> Iterator[Wish]:
    if not stands(fold, trust):
        yield Wish(trusts, Delete(id=trust.id))
    elif is_spent(trust, now):
        yield Wish(trusts, ForgetTrust(id=trust.id, now=now))


def stands(fold: Fold, trust: Trust) -> bool:
    """Whether both users are there, and the project and the trust that it hangs on if it names them."""
    project = trust.project_id is None or fold.get(projects, trust.project_id) is not None
    above = trust.redelegated_trust is None or fold.get(trusts, trust.redelegated_trust) is not None
    return project and above and all(fold.get(users, id) is not None for id in (trust.trustor, trust.trustee))
