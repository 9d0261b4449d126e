"""The fence of a gateway beside others: before it works on a request, it knows all that anybody was answered before.

It asks the journal's leader for the last sequence, a question that all requests of the moment share, and waits until
its own fold has come so far. Without it a reader could miss what another gateway has just said is done.
Source: DESIGN 3, "Linearizable with many gateways".
"""

from __future__ import annotations

import asyncio

from events.decider import Executor
from events.journal import Unavailable
from events.refusals import Busy
from events.settings import Settings

PATIENCE = 1.0  # seconds that a read waits if it may be answered from what this process knows


class Fence:
    """Makes one process wait until it is as current as the journal."""

    def __init__(self, execute: Executor, settings: Settings) -> None:
        self._execute = execute
        self._deadline = settings.journal.deadline
        self._stale_reads = settings.gateway.stale_reads

    async def wait(self, *, reads: bool) -> bool:
        """True once the fold holds all that was in the journal when this was asked.

        False for a read that the settings allow to be answered without. Raises Busy if it cannot be found out in time.
        """
        spare = reads and self._stale_reads
        try:
            async with asyncio.timeout(min(self._deadline, PATIENCE) if spare else self._deadline):
                await self._execute.fold.fence(self._execute.journal)
        except (Unavailable, TimeoutError) as fault:
            if spare:
                return False
            raise Busy("The journal is out of reach: it is not known what is true now. Try again.") from fault
        return True
