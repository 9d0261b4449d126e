"""What `/healthcheck` finds out: which part is behind, and for how long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import cast

import pytest

from events.clock import SystemClock
from events.compute import host as hosts
from events.compute import server as servers
from events.compute.host import Capacity, JoinHost, MissHost
from events.compute.server import RequestServer, Size
from events.envelope import CLOUD
from events.fold import Fold
from events.journal import MemoryJournal, Unavailable
from events.nats.wire import Wire
from events.services import deciders
from events.watched import WatchedJournal
from gateway import watch as watching
from gateway.health import Health
from gateway.watch import Watch
from projections.projector import Projector
from tests.waiting import until
from tests.worlds import world


class Known(MemoryJournal):
    """A journal of which the writes are looked at; it can fall silent."""

    closed = failure = ""
    failed_at = 0.0
    silent = False

    async def last(self) -> int:
        if self.silent:
            raise Unavailable("nobody answers")
        return await super().last()


class Line:
    """A connection, or none."""

    is_connected = True


class Scene:
    """A watch over a fold that reads nothing by itself."""

    def __init__(self) -> None:
        self.journal, self.line, self.fold, self.clock = Known(), Line(), Fold(deciders()), SystemClock()
        self.tables = Projector(self.fold, None)
        journal, wire = cast(WatchedJournal, self.journal), cast(Wire, self.line)
        self.watch = Watch(wire, journal, self.fold, self.tables, self.clock)
        self.health = Health()
        self.watch.look(self.health)


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(watching, "EVERY", 0.01)
    monkeypatch.setattr(watching, "LATE", 0.05)
    one = Scene()
    async with running(one):
        yield one


@asynccontextmanager
async def running(scene: Scene) -> AsyncIterator[None]:
    task = asyncio.create_task(scene.watch.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_all_is_well_at_first(scene: Scene) -> None:
    await asyncio.sleep(0.03)
    assert scene.health.report().text() == "OK\n"


async def test_without_a_connection_it_is_ill(scene: Scene) -> None:
    scene.line.is_connected = False
    assert scene.health.report().ill == {"journal": "there is no connection to NATS"}


async def test_a_journal_that_falls_silent_is_told_of(scene: Scene) -> None:
    scene.journal.silent = True
    await until(lambda: scene.health.report().ill)
    report = scene.health.report()
    assert report.status == "ill"
    assert "has not answered" in report.ill["journal"]


async def test_a_fold_that_does_not_follow_is_behind_by_commits_and_seconds(scene: Scene) -> None:
    await scene.journal.append("ev.compute.server.a", b"{}", expected=0)
    await until(lambda: "fold" in scene.health.report().degraded)
    report = scene.health.report(verbose=True)
    assert report.status == "degraded"
    assert report.degraded["fold"].startswith("1 commits")
    assert report.figures is not None
    assert 0.05 <= report.figures["fold_lag_seconds"] < 5
    scene.fold.position = 1  # it has read it
    assert scene.health.report().status == "ok"
    assert scene.watch.fold_lag() == 0


async def test_a_write_that_failed_is_told_of_until_one_succeeds(scene: Scene) -> None:
    scene.journal.failure, scene.journal.failed_at = "no answer in time", time.monotonic()
    assert "was not taken: no answer in time" in scene.health.report().degraded["writes"]
    scene.journal.failed_at -= watching.FRESH  # nobody has tried since
    assert scene.health.report().status == "ok"
    scene.journal.closed = "The journal's disk is full."
    assert scene.health.report().degraded == {"writes": "The journal's disk is full."}


async def test_tables_that_cannot_be_written_are_told_of(scene: Scene) -> None:
    scene.tables.failure = "no space"
    assert "no space" in scene.health.report().degraded["tables"]


class Ahead(SystemClock):
    """A clock that is some minutes ahead."""

    def now(self) -> datetime:
        return super().now() + timedelta(minutes=5)


async def test_hosts_that_are_down_and_what_waits_by_age_are_seen() -> None:
    async with world() as cloud:
        journal, line = cast(WatchedJournal, Known()), cast(Wire, Line())
        watch = Watch(line, journal, cloud.fold, Projector(cloud.fold, None), Ahead())
        health = Health()
        watch.look(health)
        capacity = Capacity(vcpus=1, ram=1, disk=1, hypervisor_type="simulated", hypervisor_version=1)
        for name in ("a", "b"):
            await cloud.execute(hosts, JoinHost(id=name, zone="nova", capacity=capacity), CLOUD)
        await cloud.execute(hosts, MissHost(id="b"), CLOUD)
        figures = health.report(verbose=True).figures
        assert figures is not None
        assert figures["hosts"] == {"up": 1, "down": 1}
        size = Size(id="1", name="small", vcpus=1, ram=64, disk=1)
        wish = RequestServer(id="s", project="p", user="u", name="s", hostname="s", size=size, image=None)
        await cloud.execute(servers, wish, CLOUD)
        waiting = {(state, age): n for (kind, state, age), n in watch.waiting((60, 600)) if kind == "compute.server"}
        assert (waiting["place", "60"], waiting["place", "600"], waiting["build", "60"]) == (1, 0, 0)
        report = health.report()
        assert report.degraded == {
            "hosts": "1 of 2 are down",
            "waiting": "servers for more than 120 s: 1 in place",
        }


def test_a_part_that_is_only_behind_is_no_reason_to_go_elsewhere() -> None:
    health = Health()
    health.worries["tables"] = lambda: "late"
    assert health.report().status == "degraded"
    assert health.report().text() == "DEGRADED\ntables: late\n"
    health.checks["journal"] = lambda: "away"
    assert health.report().status == "ill"
