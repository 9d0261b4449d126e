"""Forgets what was asked for or lent by OAuth 1 and has expired."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from events.envelope import Event
from events.identity import oauth_access_token as access_tokens
from events.identity import oauth_request_token as request_tokens
from events.identity.record import Delete
from handlers.runner import Sight
from handlers.wishes import Wish

WAKES: tuple[type[Event], ...] = ()


def plan(sight: Sight, now: datetime) -> Iterator[Wish]:
    """The tokens to forget; their secrets are swept."""
    if not sight.sweeps(__name__):
        return
    last = int(now.timestamp()) // 60 - 1
    for kind in (request_tokens, access_tokens):
        for minute in [minute for minute in sight.fold.values(kind, "due") if minute < last]:
            for token in sight.fold.by(kind, "due", minute):
                yield Wish(kind, Delete(id=token.id))
