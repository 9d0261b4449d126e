"""What a project may have of everything."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from events.network.quota import ClaimShares, Events, ReturnShares, Room, SetLimits, decide, evolve, limit_of
from events.refusals import OverQuota

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def after(room: Room | None, command: ClaimShares | ReturnShares | SetLimits) -> Room:
    events: list[Events] = decide(room, command)
    for event in events:
        room = evolve(room, event, NOW)
    assert room is not None
    return room


def test_shares_are_claimed_all_or_none() -> None:
    room = after(None, SetLimits(id="p", limits={"security_group": 1, "security_group_rule": 3}))
    group = (("g", "security_group"), ("r1", "security_group_rule"), ("r2", "security_group_rule"))
    room = after(room, ClaimShares(id="p", holders=group))
    assert room.used == {"security_group": 1, "security_group_rule": 2}
    with pytest.raises(OverQuota) as refused:
        decide(room, ClaimShares(id="p", holders=(("h", "security_group"), ("r3", "security_group_rule"))))
    assert refused.value.message == "Quota exceeded for resources: ['security_group']."
    assert refused.value.kind == "OverQuota"


def test_the_same_holder_claims_once() -> None:
    room = after(None, ClaimShares(id="p", holders=(("x", "port"),)))
    assert decide(room, ClaimShares(id="p", holders=(("x", "port"),))) == []


def test_what_must_be_is_taken_even_if_the_quota_does_not_hold_it() -> None:
    room = after(None, SetLimits(id="p", limits={"security_group": 0}))
    room = after(room, ClaimShares(id="p", holders=(("g", "security_group"),), force=True))
    assert room.used == {"security_group": 1}


def test_shares_are_given_back() -> None:
    room = after(None, ClaimShares(id="p", holders=(("x", "port"), ("y", "port"))))
    assert after(room, ReturnShares(id="p", holders=("x", "z"))).used == {"port": 1}
    assert decide(None, ReturnShares(id="p", holders=("x",))) == []


def test_limits_are_the_usual_ones_unless_set() -> None:
    assert limit_of(None, "port") == 500
    assert limit_of(after(None, SetLimits(id="p", limits={"port": -1})), "port") == -1
