"""Orders: what stands is not put again, and what many hosts are told is looked through a part at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from events.fold import Change, Fold
from events.nats.assignments import MemoryAssignments
from events.services import deciders
from handlers.orders import PART, Order, Orders
from tests.waiting import until

HOSTS = 5
KEYS = 3 * PART


class Groups:
    """A module with many unsettled resources, each with an order for several hosts."""

    __name__ = "groups"
    KIND = "group"
    PURGES = True
    PAUSE = 0.0

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.data = b"members"

    def touched(self, fold: Fold, change: Change) -> list[str]:
        return []

    def orders(self, fold: Fold, key: str) -> list[Order]:
        self.asked.append(key)
        return [Order(host=f"h{n}", kind=self.KIND, id=key, data=self.data, sequence=7) for n in range(HOSTS)]

    def unsettled(self, fold: Fold) -> list[str]:
        return [str(n) for n in range(KEYS)]


class Servers(Groups):
    """A module whose resources have an order for one host each."""

    __name__ = "servers"
    KIND = "server"
    PURGES = False
    keys: list[str] = []

    def unsettled(self, fold: Fold) -> list[str]:
        return self.keys


class Counting(MemoryAssignments):
    """Counts what is put and what is read."""

    puts = reads = 0

    def __init__(self, stuck: str = "") -> None:
        super().__init__()
        self.stuck = stuck  # the kind whose puts do not end before all may
        self.free = asyncio.Event()

    async def put(self, host: str, kind: str, id: str, data: bytes, sequence: int) -> bool:
        self.puts += 1
        if kind == self.stuck:
            await self.free.wait()
        return await super().put(host, kind, id, data, sequence)

    async def standing(self, kind: str, id: str) -> dict[str, bytes]:
        self.reads += 1
        return await super().standing(kind, id)


@asynccontextmanager
async def orders(assignments: Counting, *modules: Groups) -> AsyncIterator[Orders]:
    running = Orders(Fold(deciders()), assignments, modules, period=0.01)
    running.start()
    yield running
    await running.stop()


async def all_looked_at(module: Groups, times: int = 1) -> None:
    await until(lambda: len(module.asked) >= KEYS * times + PART)  # those before are done when more are asked for


async def test_unsettled_resources_of_many_hosts_are_looked_through_in_parts() -> None:
    assignments, module = Counting(), Groups()
    async with orders(assignments, module):
        await until(lambda: module.asked)
        assert len(module.asked) <= PART
        await all_looked_at(module, times=2)
    assert set(module.asked) == set(module.unsettled(Fold(deciders())))
    assert assignments.puts == KEYS * HOSTS, "each once"


async def test_a_process_that_begins_puts_only_what_does_not_stand() -> None:
    assignments, module = Counting(), Groups()
    async with orders(assignments, module):
        await all_looked_at(module)
    assignments.entries["h1", "group", "3"] = (5, b"older")
    del assignments.entries["h2", "group", "4"]
    assignments.puts = assignments.reads = 0
    async with orders(assignments, module):
        await all_looked_at(module, times=3)
    assert assignments.puts == 2
    assert assignments.reads == KEYS, "one question about each, whatever the number of its hosts"
    assert {data for _, data in assignments.entries.values()} == {b"members"}


async def test_an_order_for_one_host_does_not_wait_for_those_for_many() -> None:
    assignments, many, one = Counting(stuck="group"), Groups(), Servers()
    async with orders(assignments, many, one):
        await until(lambda: assignments.puts)
        one.keys = ["web"]
        await until(lambda: ("h1", "server", "web") in assignments.entries)
        assert not any(kind == "group" for _, kind, _ in assignments.entries)
        assignments.free.set()
        await all_looked_at(many)
    assert {id for _, kind, id in assignments.entries if kind == "group"} == set(many.unsettled(Fold(deciders())))
