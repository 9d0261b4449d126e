"""Replays: what happened once more, on the same hosts or on others, by the same scheduler or by another."""

from __future__ import annotations

import asyncio
import xml.etree.ElementTree as xml
from dataclasses import dataclass

import pytest

from events.chronicle import JournalChronicle
from events.compute import host as hosts
from events.compute import server as servers
from events.compute.host import DisableHost
from events.compute.server import DeleteServer, StopServer
from events.envelope import CLOUD
from events.settings import Compute, Settings
from gateway.history import History, history
from gateway.replay_report import Comparison, compare, svg, text
from gateway.replaying import Options, Replayed, Scheduler, replay
from tests.simulation.clouds import USER, SimulatedCloud
from tests.simulation.moves import ask_for_server
from tests.simulation.virtual import run

SETTINGS = Settings(compute=Compute(patience=20, build_deadline=60))


@dataclass
class Past:
    cloud: SimulatedCloud
    before: int  # sequence at which the history that is replayed begins
    end: int

    def history(self) -> History:
        return asyncio.run(history(JournalChronicle(self.cloud.journal), self.before, self.end))


def lived(*, requests: int = 12, every: float = 2.0, hosts_: int = 3, delay: float = 1.0) -> Past:
    """A cloud with two servers already, of which one is stopped, in which some more are asked for; some are deleted."""
    found: list[Past] = []

    async def story() -> None:
        cloud = SimulatedCloud(11, hosts=hosts_)
        cloud.dice.delay = delay
        await cloud.start()
        await asyncio.sleep(1)
        for id in ("old-1", "old-2"):
            await ask_for_server(cloud.processes[0], id, (), False)
        await asyncio.sleep(10)
        await cloud.processes[0].execute(servers, StopServer(id="old-2", request="req-2"), USER)
        await asyncio.sleep(10)
        before = await cloud.journal.last()
        for number in range(requests):
            await ask_for_server(cloud.processes[0], f"new-{number}", (), number % 4 == 0)
            await asyncio.sleep(every)
            if number % 3 == 2:
                await cloud.processes[0].execute(servers, DeleteServer(id=f"new-{number - 1}"), USER)
        await asyncio.sleep(5)
        end = await cloud.journal.last()
        await asyncio.sleep(30)
        await cloud.stop()
        found.append(Past(cloud, before, end))

    run(story)
    return found[0]


@pytest.fixture(scope="module")
def past() -> Past:
    return lived()


def outcome(past: Past, options: Options) -> tuple[Comparison, Replayed]:
    found = past.history()
    replayed = replay(found, SETTINGS, options)
    return compare(found, replayed), replayed


def test_a_history_has_what_was_there_and_what_was_asked_for(past: Past) -> None:
    found = past.history()
    there = {one.state.id for _, one in found.known if isinstance(one.state, servers.Server)}
    assert there == {"old-1", "old-2"}
    assert set(found.outcomes) == {f"new-{n}" for n in range(12)}
    assert len(found.hosts()) == 3
    kinds = [type(happening.command).__name__ for happening in found.happenings]
    assert kinds.count("RequestServer") == 12
    assert kinds.count("DeleteServer") == 4
    assert [h.at for h in found.happenings] == sorted(h.at for h in found.happenings)
    assert all(0 < seconds <= 1.0 for seconds in found.builds.values())


def test_where_there_is_room_for_all_the_same_comes_out_again() -> None:
    found, _ = outcome(lived(requests=5, hosts_=5), Options())
    assert (found.was.asked, found.was.running, found.was.failed) == (5, 5, 0)
    assert (found.replayed.running, found.replayed.failed, found.replayed.unfinished) == (5, 0, 0)
    assert found.replayed.starting[-1] == pytest.approx(found.was.starting[-1], abs=0.5)
    assert found.refused == 0


def test_a_seed_is_a_replay(past: Past) -> None:
    once, again = (outcome(past, Options(scheduler="chance", seed=5))[1] for _ in range(2))
    assert once == again
    others = [outcome(past, Options(scheduler="chance", seed=seed))[1] for seed in range(6, 9)]
    assert any(other != once for other in others)


@pytest.mark.parametrize("scheduler", ["filter", "simple", "chance"])
def test_every_server_runs_or_fails_whatever_the_scheduler(past: Past, scheduler: Scheduler) -> None:
    found, replayed = outcome(past, Options(scheduler=scheduler))
    assert found.replayed.unfinished == 0
    assert {one.host for one in replayed.outcomes.values() if one.host} <= set(replayed.hosts)


def test_more_hosts_hold_more(past: Past) -> None:
    found, replayed = outcome(past, Options(hosts=8))
    assert len(replayed.hosts) == 8
    assert found.was.failed > 0
    assert found.replayed.failed == 0
    assert found.replayed.running == 12


def test_fewer_hosts_hold_less_and_say_why(past: Past) -> None:
    found, _ = outcome(past, Options(hosts=1))
    assert found.replayed.failed > found.was.failed
    assert any("No valid host was found" in reason for reason in found.replayed.reasons)


def test_hosts_are_disabled_when_they_were() -> None:
    found: list[Past] = []

    async def story() -> None:
        cloud = SimulatedCloud(12, hosts=2)
        await cloud.start()
        await asyncio.sleep(1)
        before = await cloud.journal.last()
        await cloud.processes[0].execute(hosts, DisableHost(id="host-0", reason="repair"), CLOUD)
        await asyncio.sleep(1)
        await ask_for_server(cloud.processes[0], "new", (), False)
        await asyncio.sleep(5)
        end = await cloud.journal.last()
        await cloud.stop()
        found.append(Past(cloud, before, end))

    run(story)
    for seed in range(4):
        _, replayed = outcome(found[0], Options(scheduler="chance", seed=seed))
        assert replayed.outcomes["new"].host == "host-1"


def test_the_table_and_the_drawing_tell_both(past: Past) -> None:
    found, _ = outcome(past, Options(scheduler="simple"))
    lines = text(past.history(), found, "scheduler simple")
    assert any(line.split() == ["servers", "asked", "for", "12", "12"] for line in lines)
    assert any("until running, p50" in line for line in lines)
    drawing = xml.fromstring(svg(found, "a <title>"))
    bars = [bar for bar in drawing.iter("{http://www.w3.org/2000/svg}rect") if len(bar)]
    assert len(bars) == 2 * len({*found.was.hosts, *found.replayed.hosts})
    for bar in bars:
        assert 0 <= float(bar.get("y", -1)) <= float(drawing.get("height", 0))
