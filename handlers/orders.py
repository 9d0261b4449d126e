"""Orders: what each host is to hold. The latest wanted state of a resource, put where its host's agent reads it.

An order bears the position of the fold it follows from; only a higher one replaces it, so that any number of processes
may put orders in any sequence, and the one that knew most stands. Source: DESIGN, "Hard cases, decided", 9.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Protocol

from msgspec import Struct

from events import tracing
from events.clock import Clock, SystemClock
from events.fold import Change, Fold
from events.journal import Unavailable
from handlers.poison import Poison

log = logging.getLogger("cumulog.orders")

AT_ONCE = 32  # resources whose orders are put at a time
WIDE = 4  # the same of those that are told to many hosts each: no other order waits for them
REMEMBERED = 200_000  # orders whose digests are kept: of the servers that are gone too, so not for ever
PERIOD = 5.0  # seconds after which unsettled resources are ordered again: a process may have died before its put
PART = 50  # of a module's unsettled resources that purges, and so has many, are ordered again at one time


class Order(Struct, frozen=True, gc=False, kw_only=True):
    """What one host is to do about one resource."""

    host: str
    kind: str  # `server`
    id: str
    data: bytes
    news: bytes = b""  # what is worth an order of its own, if not all of `data` is
    sequence: int
    trace: str | None = None  # of the request that it follows from


class Orderly(Protocol):
    """A handler's module that gives orders."""

    __name__: str

    @property
    def PAUSE(self) -> float:
        """Seconds for which changes are gathered before their orders are put."""

    @property
    def KIND(self) -> str:
        """Of its orders."""

    @property
    def PURGES(self) -> bool:
        """Whether `sweep` takes its orders away when they are not needed any more, for no host reports that."""

    @property
    def touched(self) -> Callable[[Fold, Change], Iterable[str]]:
        """The keys of the resources whose orders may differ after a change."""

    @property
    def orders(self) -> Callable[[Fold, str], list[Order]]:
        """The orders that a resource gives rise to, one for each host."""

    @property
    def unsettled(self) -> Callable[[Fold], Iterable[str]]:
        """Keys of those whose hosts may not have heard of their newest state."""


class Assignments(Protocol):
    """Where orders are put."""

    async def put(self, host: str, kind: str, id: str, data: bytes, sequence: int) -> bool:
        """False if one as new stands there. Raises Unavailable."""

    async def purge(self, host: str, kind: str, id: str, sequence: int) -> bool:
        """Take it away; False if a newer one stands there. Raises Unavailable."""

    async def names(self, kind: str) -> list[tuple[str, str]]:
        """Host and id of each order of a kind that stands there, or did lately. Raises Unavailable."""

    async def standing(self, kind: str, id: str) -> dict[str, bytes]:
        """The orders about one resource that stand there, by host; none if they are too many. Raises Unavailable."""


class _Lane:
    """Keys whose orders are to be put, in turn: so many at a time, and those of one key never twice at once."""

    def __init__(self, put: Callable[[Orderly, str], Awaitable[None]], at_once: int) -> None:
        self.ripe: OrderedDict[tuple[Orderly, str], None] = OrderedDict()
        self._put = put
        self._at_once = at_once
        self._bell = asyncio.Event()

    def add(self, one: tuple[Orderly, str]) -> None:
        self.ripe[one] = None
        self._bell.set()

    async def run(self) -> None:
        """Put what comes, until cancelled."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            while self.ripe:
                batch = [self.ripe.popitem(last=False)[0] for _ in range(min(self._at_once, len(self.ripe)))]
                await asyncio.gather(*(self._put(*one) for one in batch))


class Orders:
    """Puts the orders of the given modules whenever their states change."""

    def __init__(
        self,
        fold: Fold,
        assignments: Assignments,
        modules: Sequence[Orderly],
        *,
        period: float = PERIOD,
        poison: Poison | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._period = period
        self._poison = poison or Poison()
        self._clock: Clock = clock or SystemClock()
        self._fold = fold
        self._assignments = assignments
        self._modules = list(modules)
        self._due: dict[tuple[Orderly, str], None] = {}
        self._told: dict[tuple[Orderly, str], set[str]] = {}  # to which hosts, of modules that purge
        self._learned: set[tuple[Orderly, str]] = set()  # of modules that purge: whose orders of before are known
        self._put_last: dict[tuple[str, str, str], bytes] = {}  # digests: what was put need not be put again
        self._turn = 0  # how often it was looked for what is unsettled
        self._single = _Lane(self._put_all, AT_ONCE)
        self._wide = _Lane(self._put_all, WIDE)  # of modules that purge: each is told to many hosts
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._fold.listeners.append(self._hear)
        running = (self._run(), self._single.run(), self._wide.run())
        self._tasks = [asyncio.create_task(one, name="orders") for one in running]

    async def stop(self) -> None:
        self._fold.listeners.remove(self._hear)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def waiting(self) -> int:
        """How many orders are to be put."""
        return len(self._single.ripe) + len(self._wide.ripe) + len(self._due)

    def _hear(self, change: Change) -> None:
        now = self._clock.now()
        for module in self._modules:
            for key in self._poison.apart(change.subject, now, module.touched, self._fold, change):
                self._touch(module, key)

    def _touch(self, module: Orderly, key: str) -> None:
        if module.PAUSE and (module, key) not in self._due:
            self._due[module, key] = None
            asyncio.get_running_loop().call_later(module.PAUSE, self._ripen, module, key)
        elif not module.PAUSE:
            self._ripen(module, key)

    async def _run(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(self._period)

    def _look(self) -> None:
        """See to what is unsettled: at once, or where there is much, one after the other until the next look."""
        now, later = self._clock.now(), asyncio.get_running_loop().call_later
        for module in self._modules:
            keys = self._poison.apart("all", now, module.unsettled, self._fold)
            if not module.PURGES:
                for key in keys:
                    self._ripen(module, key)
                continue
            first = self._turn % max(-(-len(keys) // PART), 1) * PART
            for n, key in enumerate(keys[first : first + PART]):
                later(self._period * n / PART, self._ripen, module, key)
        self._turn += 1

    def _ripen(self, module: Orderly, key: str) -> None:
        (self._wide if module.PURGES else self._single).add((module, key))

    async def _put_all(self, module: Orderly, key: str) -> None:
        self._due.pop((module, key), None)
        try:
            orders = self._poison.apart(key, self._clock.now(), module.orders, self._fold, key)
            if module.PURGES:
                self._forget(module, key, {order.host for order in orders})
                if orders and (module, key) not in self._learned:
                    await self._learn(module, key, {order.host for order in orders})
            said, digest = b"", b""
            for order in orders:
                if (order.news or order.data) is not said:  # those for many hosts say the same
                    said = order.news or order.data
                    digest = _digest(said)
                await self._put(order, digest)
        except Unavailable:
            log.warning("the orders for %s could not be put; it is tried again", key)
            await asyncio.sleep(min(0.5, self._period))
            self._ripen(module, key)

    async def _learn(self, module: Orderly, key: str, hosts: set[str]) -> None:
        """See what was put before this process began: in a large cloud that is most of what there is to be put."""
        for host, data in (await self._assignments.standing(module.KIND, key)).items():
            if host in hosts:
                self._remember((host, module.KIND, key), _digest(data))
        self._learned.add((module, key))

    def _forget(self, module: Orderly, key: str, hosts: set[str]) -> None:
        """Hosts that need the order no more may need it again after it was taken away."""
        for host in self._told.get((module, key), set()) - hosts:
            self._put_last.pop((host, module.KIND, key), None)
        if hosts:
            self._told[module, key] = hosts
        else:
            self._told.pop((module, key), None)
            self._learned.discard((module, key))

    async def sweep(self) -> None:
        """Take away what no host needs any more, and put what is missing; the fold must be current.

        Raises Unavailable.
        """
        for module in self._modules:
            if module.PURGES:
                await self._sweep(module)

    async def _sweep(self, module: Orderly) -> None:
        found = set(await self._assignments.names(module.KIND))
        keys = dict.fromkeys([*module.unsettled(self._fold), *sorted(id for _, id in found)])
        wanted = {(order.host, order.id): key for key in keys for order in module.orders(self._fold, key)}
        for host, id in sorted(found - wanted.keys()):
            await self._assignments.purge(host, module.KIND, id, self._fold.position)
            self._put_last.pop((host, module.KIND, id), None)
        for host, id in wanted.keys() - found:
            self._put_last.pop((host, module.KIND, id), None)
            self._touch(module, wanted[host, id])

    async def _put(self, order: Order, digest: bytes) -> None:
        """Put it, if it is not known to stand; `digest`: of what it says. Raises Unavailable."""
        place = (order.host, order.kind, order.id)
        if self._put_last.get(place) == digest:
            return
        with tracing.below(f"order {order.kind}", order.trace, **{"cumulog.id": order.id, "cumulog.host": order.host}):
            await self._assignments.put(order.host, order.kind, order.id, order.data, order.sequence)
        self._remember(place, digest)

    def _remember(self, place: tuple[str, str, str], digest: bytes) -> None:
        self._put_last[place] = digest
        if len(self._put_last) > REMEMBERED:
            del self._put_last[next(iter(self._put_last))]  # the oldest: at worst it is put once more


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()
