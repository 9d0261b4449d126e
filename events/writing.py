"""A write into whatever epoch the journal is in, and back once the writer's own fold has it."""

from __future__ import annotations

from events.fold import Fold
from events.journal import Journal, Moved, Stale

PATIENCE = 10.0  # seconds that a write waits while one epoch goes over into the next


async def write(journal: Journal, fold: Fold, subject: str, data: bytes, *, known: int) -> int:
    """Store `data` on top of the sequence that is `known` of the subject; its own, once it is folded in.

    To be called in the moment in which `known` was read from the fold. Raises Stale, Unavailable, TimeoutError.
    """
    epoch = fold.epoch
    try:
        expected = known if known >= epoch.first else 0  # in this epoch nothing came to the subject yet
        sequence = await journal.append(subject, data, expected=expected, epoch=epoch.number)
    except Moved:
        await fold.turned(epoch.number, PATIENCE)
        found = await journal.find(subject, data, after=known, epoch=epoch.number)
        if found is None or found > fold.ends[epoch.number]:
            raise Stale(known) from None
        sequence = found  # it was taken before the epoch ended, and its acknowledgement lost
    await fold.reach(sequence)
    if sequence > fold.ends.get(epoch.number, sequence):  # it came to the stream after the epoch's last entry
        await fold.turned(epoch.number, PATIENCE)
        raise Stale(known)
    return sequence
