"""Gives back names that were claimed for nothing: their holder was never made, is gone, or has another name by now.

Source: DESIGN, "Hard cases, decided", 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from events.envelope import Event
from events.fold import Fold
from events.identity import application_credential as application_credentials
from events.identity import domain as domains
from events.identity import group as groups
from events.identity import identity_provider as identity_providers
from events.identity import limit as limits
from events.identity import name as names
from events.identity import project as projects
from events.identity import registered_limit as registered_limits
from events.identity import role as roles
from events.identity import user as users
from events.identity.name import Claim, Release
from handlers.runner import Sight
from handlers.wishes import Wish

WAKES: tuple[type[Event], ...] = ()

RECENT = 10  # minutes of deadlines that are looked at in every turn

KINDS: dict[str, tuple[Any, Callable[[Any], tuple[str, ...]]]] = {
    "domain": (domains, lambda it: (it.name,)),
    "project": (projects, lambda it: (it.domain, it.name)),
    "user": (users, lambda it: (it.domain, it.name)),
    "group": (groups, lambda it: (it.domain, it.name)),
    "role": (roles, lambda it: (it.domain or "", it.name)),
    "application_credential": (application_credentials, lambda it: (it.user, it.name)),
    "registered_limit": (registered_limits, lambda it: (it.service, it.region or "", it.resource_name)),
    "limits": (limits, lambda it: ()),  # held by a request that changes some; nobody's once that is over
    "limit": (limits, lambda it: (it.of or "", it.service, it.region or "", it.resource_name)),
}


def plan(sight: Sight, now: datetime) -> Iterator[Wish]:
    """The names to give back."""
    if not sight.sweeps(__name__):
        return
    last = int(now.timestamp()) // 60
    whole = sight.sees_all(__name__)
    minutes = list(sight.fold.values(names, "due")) if whole else range(last - RECENT, last + 1)
    for minute in minutes:
        if minute <= last:
            for claim in sight.fold.by(names, "due", minute):
                yield from sight.apart(".".join(claim.key), now, _claim, sight.fold, now, claim)


def _claim(fold: Fold, now: datetime, claim: Claim) -> Iterator[Wish]:
    if claim.until is not None and claim.until < now and not justified(fold, claim):
        yield Wish(names, Release(id=claim.key, holder=claim.holder))


def justified(fold: Fold, claim: Claim) -> bool:
    """Whether the holder is there and has the name."""
    if claim.key[0] == "remote_id":
        provider = fold.get(identity_providers, claim.holder)
        return provider is not None and claim.key[1] in provider.remote_ids
    if claim.key[0] not in KINDS:  # what is used once: it has no holder
        return False
    module, name_of = KINDS[claim.key[0]]
    holder = fold.get(module, claim.holder)
    return holder is not None and name_of(holder) == claim.key[1:]
