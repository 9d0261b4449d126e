"""Wherever commands lead a server, there is a way on: walks at random over all that can be asked of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Literal

import pytest

from events.compute import server as servers
from events.compute.server import (
    AbandonServer,
    ChangePorts,
    ChangeServer,
    Commands,
    DeleteServer,
    FailServer,
    ForgetServer,
    LockServer,
    PlaceServer,
    RebootServer,
    ReportServer,
    RequestServer,
    ResetServerState,
    Server,
    StartServer,
    StopServer,
    UnlockServer,
)
from events.compute.server_words import Phase
from events.refusals import Refusal
from tests.simulation.clouds import SMALL

SEEDS = 40
STEPS = 60
START = datetime(2026, 1, 1, tzinfo=UTC)
Seen = Literal["running", "stopped", "missing", "failed", "gone"]
PHASES: tuple[Phase, ...] = ("place", "build", "start", "stop", "reboot", "remove", "clean")
SEEN: tuple[Seen, ...] = ("running", "running", "stopped", "stopped", "missing", "failed", "gone")


def some_command(random: Random, server: Server | None) -> Commands:
    """Anything that anybody may ask for, in any state: a user, a plan that is late, an agent that is confused."""
    generation = (server.generation if server else 1) + random.choice((-1, 0, 0, 0, 0, 1))
    host = random.choice((server.host or "h1" if server else "h1", "h1", "h2"))
    deadline = START + timedelta(minutes=10)
    makers: list[Callable[[], Commands]] = [
        lambda: RequestServer(id="s", project="p", user="u", name="s", hostname="s", size=SMALL),
        lambda: PlaceServer(id="s", host=host, deadline=deadline),
        lambda: StartServer(id="s", deadline=deadline),
        lambda: StopServer(id="s", deadline=deadline),
        lambda: RebootServer(id="s", kind=random.choice(("SOFT", "HARD")), deadline=deadline),
        lambda: ReportServer(id="s", host=host, generation=generation, seen=random.choice(SEEN)),
        lambda: FailServer(id="s", phase=random.choice(PHASES), generation=generation, message="late"),
        lambda: ResetServerState(id="s", status=random.choice(("ACTIVE", "ERROR")), deadline=deadline),
        lambda: random.choice((LockServer(id="s"), UnlockServer(id="s"), ChangePorts(id="s", ports=("p1",)))),
        lambda: ChangeServer(id="s", name=random.choice(("a", "b"))),
    ]
    if random.random() < 0.2:
        makers = [lambda: DeleteServer(id="s", deadline=deadline), lambda: AbandonServer(id="s")]
        makers.append(lambda: ForgetServer(id="s"))
    return random.choice(makers)()


def after(server: Server | None, command: Any, at: datetime) -> Server | None:
    """The server after a command; as it was, if it is refused. Anything but a Refusal is a fault of the rules."""
    try:
        events = servers.decide(server, command)
    except Refusal:
        return server
    for event in events:
        server = servers.evolve(server, event, at)
    return server


def walk(seed: int) -> list[Server]:
    """The states of one walk."""
    random, states, server = Random(seed), [], None
    for step in range(STEPS):
        server = after(server, some_command(random, server), START + timedelta(seconds=step))
        if server is not None:
            states.append(server)
    return states


def test_delete_is_never_refused(seed: int) -> None:
    for server in walk(seed):
        if not server.deleted:
            gone = after(server, DeleteServer(id="s"), START)
            assert gone is not None
            assert gone.wanted == "gone", server


def test_what_is_deleted_goes(seed: int) -> None:
    """By its host's word, or without its host; and then nothing holds it."""
    for server in walk(seed):
        if not server.deleted:
            gone = after(server, DeleteServer(id="s"), START)
            assert gone is not None
            for way in (
                ReportServer(id="s", host=gone.host or "", generation=gone.generation, seen="gone"),
                AbandonServer(id="s"),
            ):
                left = after(after(gone, way, START), ForgetServer(id="s"), START)
                assert left is not None
                assert left.deleted, server


def test_every_phase_has_a_deadline_that_ends_it(seed: int) -> None:
    """A server that is deleted shows that it is late, and goes on being deleted."""
    for server in walk(seed):
        phase = server.phase
        if server.deleted or phase is None or phase == "clean":
            continue
        if phase != "place":
            assert server.deadline is not None or server.status == "ERROR", server
        failed = after(server, FailServer(id="s", phase=phase, generation=server.generation, message="late"), START)
        assert failed is not None
        assert failed.status == "ERROR", server
        assert failed.phase == ("remove" if phase == "remove" else None), server


def test_every_phase_ends_when_its_host_has_done_what_is_wanted(seed: int) -> None:
    for server in walk(seed):
        if server.deleted or server.phase not in ("build", "start", "stop", "reboot"):
            continue
        seen: Seen = "running" if server.wanted == "on" else "stopped"
        report = ReportServer(id="s", host=server.host or "", generation=server.generation, seen=seen)
        rests = after(server, report, START)
        assert rests is not None
        assert rests.phase is None, server
        assert rests.status == ("ACTIVE" if seen == "running" else "SHUTOFF"), server


def test_the_dead_stay_dead(seed: int) -> None:
    states = walk(seed)
    first = next((i for i, server in enumerate(states) if server.deleted), len(states))
    assert all(server.deleted for server in states[first:])


def test_walks_come_everywhere() -> None:
    """Else they would prove nothing."""
    seen = {(server.phase, server.status) for seed in range(SEEDS) for server in walk(seed)}
    assert {phase for phase, _ in seen} >= {*PHASES, None}
    assert len(seen) > 15


def test_a_state_that_is_reset_while_it_is_deleted_stays_deleted() -> None:
    server = after(None, RequestServer(id="s", project="p", user="u", name="s", hostname="s", size=SMALL), START)
    server = after(after(server, DeleteServer(id="s"), START), ResetServerState(id="s", status="ACTIVE"), START)
    assert server is not None
    assert server.phase == "clean"


@pytest.mark.parametrize("kind", ["running", "stopped", "missing", "failed"])
def test_a_word_from_a_host_that_the_server_is_not_on_changes_nothing(kind: Any) -> None:
    server = after(None, RequestServer(id="s", project="p", user="u", name="s", hostname="s", size=SMALL), START)
    placed = after(server, PlaceServer(id="s", host="h1"), START)
    assert servers.decide(placed, ReportServer(id="s", host="h2", generation=1, seen=kind)) == []
