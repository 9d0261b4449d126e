"""What can be done with a server, and when."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from events.compute import server as servers
from events.compute.server import (
    ChangeServer,
    Commands,
    DeleteServer,
    Events,
    FailServer,
    ForgetServer,
    LockServer,
    PlaceServer,
    RebootServer,
    ReportServer,
    RequestServer,
    ResetServerState,
    Server,
    ServerChanged,
    ServerLocked,
    Size,
    StartServer,
    StopServer,
    UnlockServer,
    decide,
    evolve,
    task_state,
    vm_state,
)
from events.refusals import Conflict, Invalid, NotFound, OverQuota

NOW = datetime(2026, 1, 1, tzinfo=UTC)
S, H = "s1", "h1"
ASK = RequestServer(
    id=S,
    project="p",
    user="u",
    name="web",
    hostname="web",
    size=Size(id="1", name="tiny", vcpus=1, ram=64, disk=1),
    metadata={"a": "b"},
    tags=("red",),
)
BUILT = (ASK, PlaceServer(id=S, host=H), ReportServer(id=S, host=H, generation=1, seen="running"))


def given(*commands: Commands) -> Server:
    """The server after commands."""
    server: Server | None = None
    for command in commands:
        for event in decide(server, command):
            server = evolve(server, event, NOW)
    assert server is not None
    return server


def when(server: Server | None, command: Commands) -> list[Events]:
    return decide(server, command)


def test_a_server_is_asked_for_once() -> None:
    assert when(given(ASK), ASK) == []


def test_a_server_goes_through_its_phases() -> None:
    server = given(ASK)
    assert (server.phase, vm_state(server), task_state(server)) == ("place", "building", "scheduling")
    server = given(*BUILT[:2])
    assert (server.phase, vm_state(server), task_state(server)) == ("build", "building", "spawning")
    server = given(*BUILT)
    assert (server.phase, vm_state(server), task_state(server)) == (None, "active", None)
    server = given(*BUILT, StopServer(id=S))
    assert (server.phase, vm_state(server), task_state(server)) == ("stop", "active", "powering-off")
    server = given(*BUILT, RebootServer(id=S, kind="HARD"))
    assert (server.status, task_state(server)) == ("HARD_REBOOT", "rebooting_hard")


def test_what_is_not_there_cannot_be_changed() -> None:
    with pytest.raises(NotFound, match="Instance s1 could not be found"):
        when(None, StopServer(id=S))


@pytest.mark.parametrize("command", [StartServer(id=S), StopServer(id=S), RebootServer(id=S, kind="SOFT")])
def test_what_is_building_has_no_power_yet(command: Commands) -> None:
    with pytest.raises(Conflict, match="while it is in vm_state building"):
        when(given(ASK), command)


def test_what_runs_is_not_started() -> None:
    with pytest.raises(Conflict, match="Cannot 'start' instance s1 while it is in vm_state active"):
        when(given(*BUILT), StartServer(id=S))


def test_a_hard_reboot_may_follow_a_soft_one() -> None:
    rebooting = given(*BUILT, RebootServer(id=S, kind="SOFT"))
    with pytest.raises(Conflict, match="task_state rebooting"):
        when(rebooting, RebootServer(id=S, kind="SOFT"))
    assert when(rebooting, RebootServer(id=S, kind="HARD"))


def test_a_late_word_of_the_host_counts_for_nothing() -> None:
    stopping = given(*BUILT, StopServer(id=S))
    assert when(stopping, ReportServer(id=S, host=H, generation=1, seen="running")) == []
    assert when(stopping, ReportServer(id=S, host="h2", generation=2, seen="stopped")) == []
    assert given(*BUILT, StopServer(id=S), ReportServer(id=S, host=H, generation=2, seen="stopped")).status == "SHUTOFF"


def test_a_failure_is_told_with_its_reasons() -> None:
    failed = given(
        ASK, FailServer(id=S, phase="place", generation=1, message="No valid host was found.", details="host by host")
    )
    assert failed.fault is not None
    assert (failed.status, failed.fault.message, failed.phase) == ("ERROR", "No valid host was found.", None)


def test_whatever_its_state_a_server_can_be_deleted() -> None:
    for commands in ((ASK,), BUILT[:2], BUILT, (*BUILT, StopServer(id=S))):
        server = given(*commands, DeleteServer(id=S))
        assert server.wanted == "gone"
        assert when(server, DeleteServer(id=S)) == []
    with pytest.raises(Conflict):
        when(given(*BUILT, DeleteServer(id=S)), ForgetServer(id=S))


def test_only_what_differs_is_changed() -> None:
    server = given(*BUILT)
    assert when(server, ChangeServer(id=S, name="web", description=None)) == []
    assert when(server, ChangeServer(id=S, name="new")) == [ServerChanged(name="new")]
    described = given(*BUILT, ChangeServer(id=S, description="x"))
    assert given(*BUILT, ChangeServer(id=S, description="x"), ChangeServer(id=S, undescribed=True)).description is None
    assert when(described, ChangeServer(id=S, description="x")) == []


def test_metadata_is_changed_item_by_item() -> None:
    more = ChangeServer(id=S, more_metadata={"c": "d"}, most_metadata=2)
    assert given(*BUILT, more).metadata == {"a": "b", "c": "d"}
    assert given(*BUILT, more, ChangeServer(id=S, less_metadata=("a",))).metadata == {"c": "d"}
    assert given(*BUILT, ChangeServer(id=S, metadata={})).metadata == {}
    with pytest.raises(OverQuota, match="Maximum number of metadata items exceeds 1"):
        when(given(*BUILT), ChangeServer(id=S, more_metadata={"c": "d"}, most_metadata=1))
    with pytest.raises(NotFound):
        when(given(*BUILT), ChangeServer(id=S, less_metadata=("nosuch",)))


def test_tags_are_changed_one_by_one() -> None:
    assert given(*BUILT, ChangeServer(id=S, more_tags=("blue", "red"))).tags == ("red", "blue")
    assert given(*BUILT, ChangeServer(id=S, less_tags=("red",))).tags == ()
    with pytest.raises(NotFound):
        when(given(*BUILT), ChangeServer(id=S, less_tags=("nosuch",)))
    with pytest.raises(Invalid, match="per-server limit 50"):
        when(given(*BUILT), ChangeServer(id=S, more_tags=tuple(map(str, range(50)))))


def test_some_changes_wait_until_the_server_rests() -> None:
    change = ChangeServer(id=S, action="update metadata", more_metadata={"c": "d"})
    with pytest.raises(Conflict, match="Cannot 'update metadata' instance s1 while it is in vm_state building"):
        when(given(ASK), change)
    assert when(given(*BUILT), change)


def test_a_lock_bears_who_locked() -> None:
    locked = given(*BUILT, LockServer(id=S, reason="mine", by="admin"))
    assert (locked.locked, locked.locked_reason, locked.locked_by) == (True, "mine", "admin")
    assert when(locked, LockServer(id=S, reason="mine", by="admin")) == []
    assert when(locked, LockServer(id=S, by="owner")) == [ServerLocked(by="owner")]
    assert given(*BUILT, LockServer(id=S), UnlockServer(id=S)).locked_by is None


def test_an_admin_resets_the_state() -> None:
    assert given(*BUILT, ResetServerState(id=S, status="ERROR")).status == "ERROR"
    assert (
        given(
            ASK, FailServer(id=S, phase="place", generation=1, message="x"), ResetServerState(id=S, status="ACTIVE")
        ).fault
        is None
    )


def test_servers_are_found_by_what_is_asked_of_them() -> None:
    assert set(servers.INDEXES) >= {"project", "host", "phase", "reservation"}


def test_what_is_said_to_be_active_before_it_ever_was_is_still_to_be_built() -> None:
    """Else it would rest without a guest for ever."""
    late = datetime(2026, 1, 1, tzinfo=UTC)
    placed = given(ASK, BUILT[1], ResetServerState(id=S, status="ACTIVE", deadline=late))
    assert (placed.status, placed.phase, placed.deadline) == ("ACTIVE", "build", late)
    seen = ReportServer(id=S, host=placed.host or "", generation=1, seen="running")
    assert given(ASK, BUILT[1], ResetServerState(id=S, status="ACTIVE"), seen).phase is None
    assert given(ASK, ResetServerState(id=S, status="ACTIVE")).phase == "place"


def test_a_placement_of_before_a_reset_is_too_late() -> None:
    reset = ResetServerState(id=S, status="ACTIVE", deadline=NOW)
    server = given(ASK, FailServer(id=S, phase="place", generation=1, message="x"), reset)
    with pytest.raises(Conflict, match="given back"):
        when(server, BUILT[1])
    assert when(server, PlaceServer(id=S, host=H, due=NOW)) == [servers.ServerPlaced(host=H)]
