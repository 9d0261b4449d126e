"""What is printed of a commit of several commands: who asked for each of them."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from events.envelope import Commit, Part
from gateway.reading import Filter, Line, as_cadf, as_text, passes

LINE = Line(
    7,
    "ev.compute.quota.p",
    Commit(
        id="a",
        at=datetime(2026, 1, 1, tzinfo=UTC),
        actor="ann",
        project="p",
        request="req-1",
        events=({"type": "RoomClaimed"}, {"type": "RoomClaimed"}, {"type": "RoomReturned"}),
        parts=(Part(id="b", events=1, actor="bob", project="q", request="req-2"), Part(id="c", events=1)),
    ),
)


def test_each_command_has_a_line() -> None:
    assert [line.split("compute.quota p ")[1] for line in as_text(LINE).splitlines()] == [
        "RoomClaimed by ann req-1",
        "RoomClaimed by bob req-2",
        "RoomReturned by -",
    ]


def test_each_command_has_an_audit_record() -> None:
    records = [msgspec.json.decode(line) for line in as_cadf(LINE).splitlines()]
    assert [record["initiator"]["id"] for record in records] == ["ann", "bob", "unknown"]
    assert len({record["id"] for record in records}) == 3


def test_a_commit_is_of_each_project_that_asked() -> None:
    assert passes(LINE, Filter(project="q"))
    assert not passes(LINE, Filter(project="r"))
