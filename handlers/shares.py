"""The shares of a room whose deadlines have passed: of a large room a part at a time."""

from __future__ import annotations

from datetime import datetime
from itertools import islice

from events.room import Room

SHARES = 1000  # of one room that are looked at in one turn of the clock


def late(room: Room, now: datetime, turn: int) -> list[str]:
    """Whose shares stand without a deadline that is still to come: of all, or of those whose turn it is."""
    parts = max(-(-len(room.shares) // SHARES), 1)
    first = turn % parts * SHARES
    some = islice(room.shares.items(), first, first + SHARES)
    return sorted(name for name, share in some if share.until is not None and share.until <= now)
