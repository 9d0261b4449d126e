"""Forgets revocations of tokens that have expired by themselves: the list stays as short as a token's life."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from events.envelope import Event
from events.identity import revocation as revocations
from events.identity.revocation import ForgetToken
from handlers.runner import Sight
from handlers.wishes import Wish

WAKES: tuple[type[Event], ...] = ()

GRACE = 2 * 24 * 60  # minutes after its end in which a service may still ask what a token said


def plan(sight: Sight, now: datetime) -> Iterator[Wish]:
    """The revocations to forget."""
    if not sight.sweeps(__name__):
        return
    last = int(now.timestamp()) // 60 - GRACE
    for minute in [minute for minute in sight.fold.values(revocations, "due") if minute < last]:
        for revocation in sight.fold.by(revocations, "due", minute):
            yield Wish(revocations, ForgetToken(id=revocation.audit_id, now=now))
