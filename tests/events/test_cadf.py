"""Audit records: what the standard demands of each field, and what an auditor wants to find."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import msgspec
import pytest

from events.cadf import action, cadf, outcome
from events.cloudevents import told
from tests.fingerprints import fingerprints
from tests.golden.golden import entries_of, versions

# DSP0262, annex A: the first level of each taxonomy, and those of the actions that are of use here.
ACTIONS = {
    "create",
    "read",
    "update",
    "delete",
    "enable",
    "disable",
    "start",
    "stop",
    "deploy",
    "undeploy",
    "revoke",
    "authenticate",
    "unknown",
}
OUTCOMES = {"success", "failure", "unknown", "pending"}
ROOTS = {"storage", "compute", "network", "service", "data", "unknown"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d\Z")


def records() -> list[dict[str, Any]]:
    entries = entries_of(versions()[-1])
    return [
        msgspec.json.decode(record)
        for entry in entries
        for record in cadf(told(entry.sequence, entry.subject, entry.data))
    ]


def test_a_record_has_what_the_standard_demands() -> None:
    made = records()
    for record in made:
        assert record["typeURI"] == "http://schemas.dmtf.org/cloud/audit/1.0/event"
        assert record["eventType"] == "activity"
        assert record["action"] in ACTIONS
        assert record["outcome"] in OUTCOMES
        assert TIME.match(record["eventTime"])
        assert datetime.fromisoformat(record["eventTime"]).utcoffset() is not None
        for role in ("initiator", "target", "observer"):
            assert record[role]["id"]
            assert record[role]["typeURI"].split("/")[0] in ROOTS
        assert record["outcome"] != "failure" or record["reason"]["reasonCode"]
        assert all({"typeURI", "content"} <= set(one) for one in record["attachments"])
    assert len({record["id"] for record in made}) == len(made)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("ServerRequested", ("create", "pending")),
        ("ServerStarted", ("start", "success")),
        ("ServerFailed", ("update", "failure")),
        ("ServerDeletionRequested", ("delete", "pending")),
        ("ServerDeleted", ("delete", "success")),
        ("RoleGranted", ("create", "success")),
        ("RoleRevoked", ("revoke", "success")),
        ("TokenRevoked", ("revoke", "success")),
        ("HostDisabled", ("disable", "success")),
        ("UserPasswordChanged", ("update", "success")),
        ("SomethingNew", ("update", "success")),
    ],
)
def test_an_event_is_said_in_the_standards_words(event: str, expected: tuple[str, str]) -> None:
    assert (action(event), outcome(event)) == expected


def test_every_event_is_said_so() -> None:
    assert {action(name.split(".")[2]) for name in fingerprints()} <= ACTIONS


def test_an_auditor_finds_who_what_and_by_which_request() -> None:
    made = [record for record in records() if "event?value=ServerRequested" in record["tags"]]
    record = made[0]
    assert record["initiator"]["typeURI"] == "service/security/account/user"
    assert record["initiator"]["request_id"].startswith("req-")
    assert record["target"]["typeURI"] == "compute/machine"
    assert record["target"]["project_id"] == record["attachments"][0]["content"]["owner"]
    assert any(tag.startswith("request?value=req-") for tag in record["tags"])


def test_commands_that_became_one_commit_have_a_record_each() -> None:
    events = [{"type": "RoomClaimed"}, {"type": "RoomClaimed"}, {"type": "RoomReturned"}]
    parts = [{"id": "b", "events": 1, "actor": "bob", "request": "req-b"}, {"id": "c", "events": 1, "actor": "cumulog"}]
    commit = {"id": "a", "at": "2026-01-01T00:00:00Z", "actor": "ann", "events": events, "parts": parts}
    made = cadf(told(7, "ev.compute.quota.p", msgspec.json.encode(commit)))
    records = [msgspec.json.decode(one) for one in made]
    assert [one["initiator"]["id"] for one in records] == ["ann", "bob", "cumulog"]
    assert [one["action"] for one in records] == ["create", "create", "delete"]
    assert len({one["id"] for one in records}) == 3
    assert "request?value=req-b" in records[1]["tags"]
