"""Orders: what each host is to hold. The latest wanted state of a resource, put where its host's agent reads it.

An order bears the position of the fold it follows from; only a higher one replaces it, so that any number of processes
may put orders in any sequence, and the one that knew most stands. Source: DESIGN, "Hard cases, decided", 9.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct

from events.fold import Change, Fold
from events.journal import Unavailable
from events.subjects import split

log = logging.getLogger("cumulog.orders")

AT_ONCE = 32
PERIOD = 5.0  # seconds after which unsettled resources are ordered again: a process may have died before its put


class Order(Struct, frozen=True, gc=False, kw_only=True):
    """What one host is to do about one resource."""

    host: str
    kind: str  # `server`
    id: str
    data: bytes
    sequence: int


class Orderly(Protocol):
    """A handler's module whose resources are held by hosts."""

    PREFIX: str  # of the resource's subjects

    @property
    def order(self) -> Any:
        """`order(fold, key) -> Order | None`."""

    @property
    def unsettled(self) -> Any:
        """`unsettled(fold) -> list[str]`: keys of those whose host may not have heard of their newest state."""


class Assignments(Protocol):
    """Where orders are put."""

    async def put(self, host: str, kind: str, id: str, data: bytes, sequence: int) -> bool:
        """False if one as new stands there. Raises Unavailable."""

    async def purge(self, host: str, kind: str, id: str, sequence: int) -> bool:
        """Take it away; False if a newer one stands there. Raises Unavailable."""


class Orders:
    """Puts the orders of the given modules whenever their states change."""

    def __init__(
        self, fold: Fold, assignments: Assignments, modules: Sequence[Orderly], *, period: float = PERIOD
    ) -> None:
        self._period = period
        self._fold = fold
        self._assignments = assignments
        self._modules = {module.PREFIX: module for module in modules}
        self._due: dict[tuple[str, str], None] = {}
        self._put_last: dict[tuple[str, str], bytes] = {}  # of the unsettled: what was put need not be put again
        self._bell = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._fold.listeners.append(self._hear)
        self._task = asyncio.create_task(self._run(), name="orders")

    async def stop(self) -> None:
        self._fold.listeners.remove(self._hear)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _hear(self, change: Change) -> None:
        prefix, key = split(change.subject)
        if prefix in self._modules:
            self._due[prefix, key] = None
            self._bell.set()

    async def _run(self) -> None:
        periodic = asyncio.get_running_loop().time()
        while True:
            try:
                async with asyncio.timeout_at(periodic):
                    await self._bell.wait()
            except TimeoutError:
                periodic = asyncio.get_running_loop().time() + self._period
                for prefix, module in self._modules.items():
                    self._due.update(dict.fromkeys((prefix, key) for key in module.unsettled(self._fold)))
            self._bell.clear()
            while self._due:
                batch = list(self._due)[:AT_ONCE]
                for one in batch:
                    del self._due[one]
                await asyncio.gather(*(self._put(*one) for one in batch))

    async def _put(self, prefix: str, key: str) -> None:
        order: Order | None = self._modules[prefix].order(self._fold, key)
        if order is None:
            self._put_last.pop((prefix, key), None)
            return
        if self._put_last.get((prefix, key)) == order.data:
            return
        try:
            await self._assignments.put(order.host, order.kind, order.id, order.data, order.sequence)
            self._put_last[prefix, key] = order.data
        except Unavailable:
            log.warning("the order for %s %s could not be put; it is tried again", order.kind, order.id)
            await asyncio.sleep(0.5)
            self._due[prefix, key] = None
