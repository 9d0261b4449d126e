"""From the tables back to the fold, at a start: what lives, and what died within the hour.

A fold of 50 000 resources is there in a third of a second, where folding their events anew would take many. Python's
collector of garbage rests meanwhile, and leaves alone for good what was made.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from operator import attrgetter, itemgetter
from typing import Any

import msgspec

from events.fold import BURIAL, Fold, Known
from events.garbage import resting
from events.shelf import Shelf
from projections.store import Bookmark, Store
from projections.tables import BORN, Table, quoted

_log = logging.getLogger(__name__)


def restore(store: Store, fold: Fold, now: datetime, last: int) -> Bookmark:
    """Restore a fold from the store: what lives and what died within the hour. Raises InUse, OSError.

    `last` is the newest sequence of the journal: a file that knows more is of another journal.
    """
    import duckdb

    bookmark = store.open()
    if bookmark.sequence > last:
        _log.error("%s is ahead of the journal: the tables are made anew.", store.path)
        store.discard()
        bookmark = store.open()
    with resting():
        try:
            known = [
                (table.prefix, one)
                for table in store.tables.values()
                for one in _kept(store, table, fold.shelves[table.prefix], now)
            ]
        except (duckdb.Error, msgspec.DecodeError) as fault:
            _log.error("The tables in %s cannot be read (%s): they are made anew from the journal.", store.path, fault)
            store.discard()
            return store.open()
        fold.restore(known, bookmark.sequence)
        fold.newest_at = bookmark.newest_at
    return bookmark


def _kept(store: Store, one: Table[Any], shelf: Shelf, now: datetime) -> list[Known[Any]]:
    """The living in the order in which they came to life, then the dead in the order in which they died."""
    question = f"SELECT coalesce({BORN}, 0), known FROM {quoted(one.name)} WHERE NOT deleted OR updated_at > ?"
    since = (now - BURIAL).astimezone(UTC).replace(tzinfo=None)
    rows = []
    for born, text in store.read(question, [since]):
        known = one.decode(text)
        shelf.share(None, known)  # at once: what they have alike would leave holes in memory if it were let go of later
        rows.append((born, known))
    rows.sort(key=itemgetter(0))
    dead = [known for _, known in rows if known.state.deleted]
    dead.sort(key=attrgetter("sequence"))
    return [*(known for _, known in rows if not known.state.deleted), *dead]
