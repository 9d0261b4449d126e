"""Servers settle and nothing is lost or kept for nothing, whatever happens to those who run them."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import timedelta
from multiprocessing import get_context
from subprocess import PIPE, Popen
from typing import Any

import pytest

from events.compute import server as servers
from events.compute.server import DeleteServer, StartServer, StopServer
from events.decider import Step
from tests.simulation.clouds import USER, SimulatedCloud
from tests.simulation.moves import Moves, ask_for_server
from tests.simulation.virtual import run

SEEDS = 100
MOVES = 200
REST = 60.0  # seconds in which every server rests once nothing fails any more
DEADLINES = 400.0  # seconds after which no claim stands for what does not exist


async def settle(cloud: SimulatedCloud, seconds: float = REST) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not cloud.resting() and loop.time() < end:
        await asyncio.sleep(0.1)


async def history(cloud: SimulatedCloud, moves: int = MOVES) -> list[str]:
    """What went wrong in a whole history."""
    world = Moves(cloud)
    await world.begin()
    try:
        await world.run(moves)
        await world.end()
        await settle(cloud)
        unsettled = [f"{s.id} does not rest: {s}" for s in cloud.fold.all(servers) if s.phase is not None]
        found = cloud.alarms + cloud.poisoned() + unsettled
        if not found:
            await asyncio.sleep(DEADLINES)
            found = cloud.alarms + list(cloud.witness.left_over()) + list(cloud.witness.strays())
            found += list(cloud.differing())
        return found
    finally:
        await cloud.stop()


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Things break here all the time: only what should never be said is."""
    caplog.set_level(logging.CRITICAL)


def test_a_server_is_placed_built_and_deleted() -> None:
    async def story() -> None:
        cloud = SimulatedCloud(1)
        await cloud.start()
        await ask_for_server(cloud.processes[0], "s", (), False)
        await settle(cloud)
        (server,) = cloud.fold.all(servers)
        assert server.status == "ACTIVE"
        assert server.host in cloud.names
        await cloud.processes[0].execute.all([Step(servers, DeleteServer(id="s"))], USER)
        await settle(cloud)
        assert cloud.fold.all(servers) == []
        assert cloud.memory.guests[server.host] == {}
        assert cloud.alarms + list(cloud.witness.left_over()) == []
        await cloud.stop()

    run(story)


def test_a_guest_that_was_lost_while_its_agent_was_away_is_not_made_again() -> None:
    async def story() -> None:
        cloud = SimulatedCloud(1)
        await cloud.start()
        await ask_for_server(cloud.processes[0], "s", (), False)
        await settle(cloud)
        (server,) = cloud.fold.all(servers)
        assert server.status == "ACTIVE"
        assert server.host is not None
        await cloud.kill_agent(server.host)
        cloud.memory.put(server.host, "s", None)
        await cloud.start_agent(server.host)
        await asyncio.sleep(30)
        assert cloud.fold.all(servers)[0].status == "ERROR"
        assert cloud.memory.guests[server.host] == {}
        await cloud.stop()

    run(story)


def test_what_failed_before_it_was_built_can_be_stopped_and_started() -> None:
    async def story() -> None:
        cloud = SimulatedCloud(1)
        await cloud.start()
        cloud.dice.failures = cloud.dice.hopeless = 1.0
        await ask_for_server(cloud.processes[0], "s", (), False)
        await settle(cloud)
        (server,) = cloud.fold.all(servers)
        assert (server.status, server.launched_at) == ("ERROR", None)
        assert server.host is not None
        cloud.dice.failures = 0.0
        deadline = cloud.processes[0].execute.clock.now() + timedelta(minutes=10)
        for command, status in (
            (StopServer(id="s", deadline=deadline), "SHUTOFF"),
            (StartServer(id="s", deadline=deadline), "ACTIVE"),
        ):
            await cloud.processes[0].execute.all([Step(servers, command)], USER)
            await settle(cloud)
            assert cloud.fold.all(servers)[0].status == status
            assert cloud.memory.guests[server.host]["s"].running is (status == "ACTIVE")
        assert cloud.alarms == []
        await cloud.stop()

    run(story)


async def deleted_while_its_host_was_down() -> None:
    """And while no order could be put: the host hears of it when it is back."""
    cloud = SimulatedCloud(1)
    await cloud.start()
    await ask_for_server(cloud.processes[0], "s", (), False)
    await settle(cloud)
    (server,) = cloud.fold.all(servers)
    assert server.host is not None
    await cloud.kill_agent(server.host)
    await asyncio.sleep(60)
    cloud.assignments.unreachable = 1.0
    await cloud.processes[0].execute.all([Step(servers, DeleteServer(id="s"))], USER)
    await settle(cloud)
    assert cloud.fold.all(servers) == []
    await asyncio.sleep(10)
    await cloud.heal()
    await asyncio.sleep(30)
    left = list(cloud.witness.strays()) + cloud.alarms
    known = cloud.fold.known(servers, "s")
    if known is None or known.state.abandoned:
        left.append(f"nobody knows that it has gone: {known}")
    await cloud.stop()
    assert not left, left


def test_a_guest_is_removed_when_its_host_is_back() -> None:
    run(deleted_while_its_host_was_down)


TELL = """
from tests.simulation.test_servers import *
logging.disable(logging.CRITICAL)
async def story():
    cloud = SimulatedCloud(10224)
    await history(cloud)
    print("\\n".join(entry.subject for entry in cloud.journal.entries))
run(story)
"""


def test_a_seed_is_a_history() -> None:
    """In every process: no choice may come of the order of a set, which differs from process to process."""
    processes = [
        Popen([sys.executable, "-c", TELL], stdout=PIPE, text=True, env={**os.environ, "PYTHONHASHSEED": seed})
        for seed in ("1", "2", "3")
    ]
    told = [process.communicate()[0] for process in processes]
    assert len(told[0].splitlines()) > 60
    assert told[0] == told[1] == told[2]


def outcome(seed: int) -> str:
    """What went wrong in the history of a seed, and its newest commits; nothing if all went well."""
    logging.disable(logging.CRITICAL)
    told = ""

    async def story() -> None:
        nonlocal told
        cloud = SimulatedCloud(seed, processes=5 if seed % 4 == 3 else 2)
        found = await history(cloud)
        told = "\n".join((*found[:20], "", cloud.witness.history())) if found else ""

    run(story)
    return told


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest) -> Iterator[dict[int, Future[str]]]:
    """Of all seeds that are asked for, worked out on all processors."""
    seeds: set[Any] = {
        item.callspec.params["seed"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == "test_servers_settle"
    }
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        yield {seed: pool.submit(outcome, seed) for seed in sorted(seeds)}
        pool.shutdown(cancel_futures=True)


def test_servers_settle(seed: int, outcomes: dict[int, Future[str]]) -> None:
    told = outcomes[seed].result()
    assert not told, f"seed {seed}:\n{told}"
