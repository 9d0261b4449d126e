"""A simulation is believed once it has caught a planted fault: each test takes a guard out, and expects the alarm."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from events.compute import host_room
from events.compute import server as servers
from events.compute.server import PlaceServer, ReportServer, ServerPlaced
from events.decider import Executor, Step, Steps
from events.envelope import Origin
from events.epochs import Closed, Closer
from events.ids import new_hex
from events.journal import CARRIED, Moved, Stale
from events.network import address as addresses
from events.network.address import Claimed, Take
from events.passage import EpochClosed, word
from handlers.compute import guests, scheduler
from handlers.compute import host_room as room_plans
from handlers.compute import server as server_plans
from handlers.network import port as port_plans
from tests.simulation.clouds import SimulatedCloud
from tests.simulation.shaky import Recorded
from tests.simulation.test_servers import deleted_while_its_host_was_down, history
from tests.simulation.virtual import run
from tests.worlds import one_by_one

WITHIN = 150  # seeds
FIRST = 1000
ROOM_FILTERS = ("RamFilter", "CoreFilter", "DiskFilter")


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL + 1)


def caught(*words: str, first: int = FIRST) -> str:
    """The alarm that has one of the words; the test fails if none of the seeds sounds it."""
    others: list[str] = []

    async def story(seed: int) -> None:
        others.extend(await history(SimulatedCloud(seed, hosts=2, processes=3)))

    for seed in range(first, first + WITHIN):
        run(partial(story, seed))
        for alarm in others:
            if any(word in alarm for word in words):
                return alarm
    pytest.fail(f"nobody noticed; only {others[:5]}")


def test_a_host_that_is_given_more_than_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out: the sum's check in the decider of a host's room; and the scheduler's own look, which mostly prevents it."""
    guard = host_room.decide

    def decide(room: Any, command: Any) -> Any:
        return guard(room, replace(command, defaults={}) if isinstance(command, host_room.ClaimRoom) else command)

    monkeypatch.setattr(host_room, "decide", decide)
    others = [test for name, test in scheduler.FILTERS if name not in ROOM_FILTERS]

    def passing(server: Any, candidates: Any, asked: Any) -> Any:
        return [one for one in candidates if not any(test(one, server, asked) for test in others)]

    monkeypatch.setattr(scheduler, "passing", passing)
    caught("is overfull")


def test_an_address_that_is_claimed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out: the uniqueness of a claim."""
    guard = addresses.decide

    def decide(claim: Any, command: Any) -> Any:
        if isinstance(command, Take):
            return [Claimed(key=command.id, holder=command.holder, group=command.group, until=command.until)]
        return guard(claim, command)

    monkeypatch.setattr(addresses, "decide", decide)
    caught("was taken from", "held by two ports")


def test_a_late_word_of_an_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out: the check of the generation that a report speaks of."""
    guard = servers.decide

    def decide(server: Any, command: Any) -> Any:
        if isinstance(command, ReportServer) and server is not None:
            command = replace(command, generation=server.generation)
        return guard(server, command)

    monkeypatch.setattr(servers, "decide", decide)
    caught("whose guest is", first=1050)  # most seeds have no late word


def test_a_server_that_is_placed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out: that only a server without a host is placed."""
    guard = servers.decide

    def decide(server: Any, command: Any) -> Any:
        if isinstance(command, PlaceServer) and server is not None and not server.deleted:
            return [ServerPlaced(host=command.host, ports=command.ports, deadline=command.deadline)]
        return guard(server, command)

    monkeypatch.setattr(servers, "decide", decide)
    caught("has guests on", "has no room there", "is held for", "a guest of nobody")


def test_undoing_what_may_be_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """In: undo also where it is not known whether the step was done."""

    async def careless(self: Executor, steps: Steps, origin: Origin) -> list[Any]:
        done: list[Step] = []
        states: list[Any] = []
        try:
            for step in one_by_one(steps):
                outcome = await self(step.resource, step.command, origin)
                states.append(outcome.found.state if outcome.found else None)
                done.append(step)
        except Exception:  # the mistake: not only of what was refused
            await self._undo(done, origin)
            raise
        return states

    monkeypatch.setattr(Executor, "all", careless)
    caught("whose claim is None", "has no share of the quota")


def test_claims_of_the_dead_that_nobody_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out: the look for what processes left behind."""
    monkeypatch.setattr(room_plans, "plan", lambda sight, now: iter(()))
    caught("is held for")


def test_addresses_of_the_dead_that_nobody_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out: the same, of the network."""
    monkeypatch.setattr(port_plans, "_claims", lambda *arguments: iter(()))
    caught("is held for")


def test_a_host_that_never_hears_of_a_deletion(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out: the order to a host that was down while its server was deleted."""
    guard = guests.orders

    def orders(fold: Any, key: str) -> Any:
        known = fold.known(servers, key)
        return [] if known and known.state.removed else guard(fold, key)

    monkeypatch.setattr(guests, "orders", orders)
    with pytest.raises(AssertionError, match="a guest of nobody"):
        run(deleted_while_its_host_was_down)


def test_deadlines_that_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out: the plan that ends what takes too long."""
    monkeypatch.setattr(server_plans, "_give_up", lambda sight, now: iter(()))
    monkeypatch.setattr(server_plans, "_abandon", lambda sight: iter(()))
    monkeypatch.setattr(server_plans, "_clean", lambda sight: iter(()))
    caught("does not rest")


def test_a_journal_without_its_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out: the sequence that a write expects on its subject."""
    guard = Recorded.append

    async def append(self: Recorded, subject: str, data: bytes, *, expected: int, epoch: int = 1) -> int:
        return await guard(self, subject, data, expected=self._last.get(subject, 0), epoch=epoch)

    monkeypatch.setattr(Recorded, "append", append)
    caught("is overfull", "was taken from", "has no room", "whose claim is", "says that", "has no share", "Stuck")


def test_a_writer_who_does_not_know_all_that_was_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out: the epoch that a write expects."""
    guard = Recorded.append

    async def append(self: Recorded, subject: str, data: bytes, *, expected: int, epoch: int = 1) -> int:
        if not subject.startswith(CARRIED) and self._epochs[-1].last is None:
            epoch = self._epochs[-1].number
        return await guard(self, subject, data, expected=expected, epoch=epoch)

    monkeypatch.setattr(Recorded, "append", append)
    caught("is not what was true", "is overfull", "was taken from", "has no room", "whose claim is", "says that")


def test_a_carrier_who_has_not_read_the_epoch_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out: that whoever carries waits until its fold has come to the last entry."""
    carry = Closer._carry

    async def run(self: Closer) -> Closed:
        last = await self.journal.end(self.number, word(new_hex(), self.clock.now(), EpochClosed(number=self.number)))
        await self.journal.begin(self.number + 1, last + 1)
        self.fold.ends[self.number] = last
        position, self.fold.position = self.fold.position, max(self.fold.position, last)  # it says that it has
        try:
            carrying = asyncio.ensure_future(carry(self, last))
            await asyncio.sleep(0)
        finally:
            self.fold.position = position
        with suppress(Stale, Moved):  # another may have carried meanwhile
            await carrying
        await self.fold.turned(self.number)
        return Closed(self.number, last, 0, 0.0)

    monkeypatch.setattr(Closer, "run", run)
    caught("is not what was true", "knows something else")
