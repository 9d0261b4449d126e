"""Poison: what fails about one resource is left alone for a while, told of once, and stops nobody else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from events.compute import server as servers
from events.compute.server import DeleteServer, PlaceServer
from events.decider import Step
from handlers.compute import guests, scheduler
from handlers.compute import server as plans
from handlers.poison import PAUSES, Poison
from tests.simulation.clouds import USER, SimulatedCloud
from tests.simulation.moves import ask_for_server
from tests.simulation.test_servers import settle
from tests.simulation.virtual import run

NOW = datetime(2026, 1, 1, tzinfo=UTC)
IDS = ("good-1", "bad", "good-2")


def _work(id: str, wrong: bool) -> Iterator[str]:
    if wrong:
        raise ValueError(id)
    yield id


def test_what_fails_is_left_alone_for_longer_and_longer(caplog: pytest.LogCaptureFixture) -> None:
    poison, now, gaps = Poison(), NOW, []
    for _ in range(6):
        assert poison.apart("a", now, _work, "a", True) == []
        assert poison.apart("a", now, _work, "a", False) == []  # not even tried
        assert poison.apart("b", now, _work, "b", False) == ["b"]
        (held,) = poison.held.values()
        gaps.append((held.until - now).total_seconds())
        now = held.until
    assert gaps == [*PAUSES, PAUSES[-1], PAUSES[-1]]
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
    assert poison.told() == {"tests.handlers.test_poison._work of a": "ValueError('a')"}
    assert poison.apart("a", now, _work, "a", False) == ["a"]
    assert poison.held == {}


async def three(cloud: SimulatedCloud) -> None:
    await cloud.start()
    for id in IDS:
        await ask_for_server(cloud.processes[0], id, (), False)
    await asyncio.sleep(12)


def statuses(cloud: SimulatedCloud) -> dict[str, str]:
    return {server.id: server.status for server in cloud.fold.all(servers)}


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_plan_that_raises_about_one_server_builds_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    choose = scheduler.choose

    def raising(server: Any, *rest: Any) -> Any:
        if server.id == "bad":
            raise ZeroDivisionError
        return choose(server, *rest)

    async def story() -> None:
        cloud = SimulatedCloud(1, processes=1)
        monkeypatch.setattr(scheduler, "choose", raising)
        await three(cloud)
        assert statuses(cloud) == {"good-1": "ACTIVE", "bad": "BUILD", "good-2": "ACTIVE"}
        assert len(errors(caplog)) == 1, "it is told once, not at each turn"
        assert "_place_one of bad" in errors(caplog)[0]
        monkeypatch.setattr(scheduler, "choose", choose)
        await asyncio.sleep(25)
        assert statuses(cloud)["bad"] == "ACTIVE"
        assert cloud.processes[0].sight.poison.held == {}
        await cloud.stop()

    run(story)


def test_what_cannot_be_placed_can_be_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(*arguments: Any) -> Any:
        raise ZeroDivisionError

    async def story() -> None:
        cloud = SimulatedCloud(1)
        await cloud.start()
        await ask_for_server(cloud.processes[0], "bad", (), False)
        await asyncio.sleep(10)
        await cloud.processes[0].execute.all([Step(servers, DeleteServer(id="bad"))], USER)
        await settle(cloud)
        assert statuses(cloud) == {}
        await cloud.stop()

    monkeypatch.setattr(plans, "_placement", raising)
    run(story)


def test_a_rule_that_raises_about_one_server_builds_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    decide = servers.decide

    def raising(server: Any, command: Any) -> Any:
        if isinstance(command, PlaceServer) and command.id == "bad":
            raise ZeroDivisionError
        return decide(server, command)

    async def story() -> None:
        cloud = SimulatedCloud(1, processes=1)
        monkeypatch.setattr(servers, "decide", raising)
        await three(cloud)
        assert statuses(cloud) == {"good-1": "ACTIVE", "bad": "BUILD", "good-2": "ACTIVE"}
        (error,) = errors(caplog)
        assert "about bad failed" in error
        assert "request req-1" in error
        monkeypatch.setattr(servers, "decide", decide)
        await asyncio.sleep(25)
        assert statuses(cloud)["bad"] == "ACTIVE"
        assert list(cloud.witness.left_over()) == []
        await cloud.stop()

    run(story)


def test_an_order_that_raises_keeps_no_other_from_being_put(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    orders = guests.orders

    def raising(fold: Any, key: str) -> Any:
        if key == "bad":
            raise ZeroDivisionError
        return orders(fold, key)

    raising.__module__, raising.__name__ = orders.__module__, orders.__name__

    async def story() -> None:
        cloud = SimulatedCloud(1, processes=1)
        monkeypatch.setattr(guests, "orders", raising)
        await three(cloud)
        assert statuses(cloud) == {"good-1": "ACTIVE", "bad": "BUILD", "good-2": "ACTIVE"}
        assert len(errors(caplog)) == 1
        monkeypatch.setattr(guests, "orders", orders)
        await asyncio.sleep(25)
        assert statuses(cloud)["bad"] == "ACTIVE"
        await cloud.stop()

    run(story)


def test_a_report_that_nobody_can_take_keeps_its_host_from_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Eight guests are worked on at a time: so many whose reports fail would else be all that the host does."""
    caplog.set_level(logging.CRITICAL)
    decide = servers.decide

    def raising(server: Any, command: Any) -> Any:
        if type(command).__name__ == "ReportServer" and command.id.startswith("bad"):
            raise ZeroDivisionError
        return decide(server, command)

    async def story() -> None:
        cloud = SimulatedCloud(1, hosts=4)
        monkeypatch.setattr(servers, "decide", raising)
        await cloud.start()
        for i in range(9):
            await ask_for_server(cloud.processes[0], f"bad-{i}", (), False)
        await asyncio.sleep(5)
        await ask_for_server(cloud.processes[0], "good", (), False)
        await asyncio.sleep(25)
        assert statuses(cloud)["good"] == "ACTIVE"
        monkeypatch.setattr(servers, "decide", decide)
        await settle(cloud)
        assert set(statuses(cloud).values()) == {"ACTIVE"}
        await cloud.stop()

    run(story)
