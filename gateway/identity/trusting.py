"""What a trust gives, with all that it hangs on.

Source: Identity API reference, "OS-TRUST".
"""

from __future__ import annotations

from datetime import datetime

from events.fold import Fold
from events.identity import missing
from events.identity import trust as trusts
from events.identity import user as users
from events.identity.role import Role
from events.identity.trust import Trust
from gateway.identity import grants
from gateway.identity.proof import is_enabled
from gateway.identity.targets import forbidden


def find(fold: Fold, id: str, now: datetime) -> Trust:
    """A trust that gives tokens, as do all that it hangs on. Raises NotFound, Forbidden."""
    trust = fold.get(trusts, id)
    if trust is None or not trust.holds(now):
        raise missing("trust", id)
    for above in pedigree(fold, trust)[1:]:
        if not above.holds(now):
            raise missing("trust", above.id)
        if not is_there(fold, above.trustee):
            raise forbidden()
    return trust


def pedigree(fold: Fold, trust: Trust) -> list[Trust]:
    """A trust, the one that it hangs on, and so on. Raises NotFound if one of them is gone."""
    chain = [trust]
    while (id := chain[-1].redelegated_trust) is not None:
        above = fold.get(trusts, id)
        if above is None:
            raise missing("trust", id)
        chain.append(above)
    return chain


def is_there(fold: Fold, id: str) -> bool:
    """Whether a user is, and is enabled with their domain."""
    user = fold.get(users, id)
    return user is not None and is_enabled(fold, user)


def roles(fold: Fold, trust: Trust) -> dict[str, Role]:
    """What a trust gives, by id. Raises Forbidden if the trustor, or the first of all, has not all of it any more."""
    if trust.project_id is None:
        return {}
    given = grants.closure(fold, trust.roles)
    for trustor in {trust.trustor, pedigree(fold, trust)[-1].trustor}:
        held = grants.closure(fold, grants.granted(fold, trustor, "project", trust.project_id))
        if not given or not set(trust.roles) <= held.keys() or not given.keys() <= held.keys():
            raise forbidden()
    return {id: role for id, role in given.items() if role.domain is None}
