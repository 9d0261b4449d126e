"""What can happen to the members of an image."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from events.image.member import (
    AddMember,
    AnswerAsMember,
    DropMembers,
    Events,
    MemberAdded,
    MemberAnswered,
    MemberRemoved,
    Members,
    MembersDropped,
    RemoveMember,
    decide,
    evolve,
)
from events.refusals import Conflict, NotFound, TooLarge

NOW = datetime(2026, 1, 1, tzinfo=UTC)
added = MemberAdded(id="i", member="p1")


def given(*events: Events) -> Members:
    members = None
    for event in events:
        members = evolve(members, event, NOW)
    assert members is not None
    return members


def test_a_project_is_a_member_once() -> None:
    assert decide(None, AddMember(id="i", member="p1")) == [added]
    with pytest.raises(Conflict, match="Member p1 is duplicated for image i"):
        decide(given(added), AddMember(id="i", member="p1"))


def test_there_are_128_members_at_most() -> None:
    full = given(*(MemberAdded(id="i", member=str(n)) for n in range(128)))
    with pytest.raises(TooLarge, match="Attempted: 129, Maximum: 128"):
        decide(full, AddMember(id="i", member="another"))


def test_a_member_answers() -> None:
    accept = AnswerAsMember(id="i", member="p1", status="accepted")
    answered = MemberAnswered(member="p1", status="accepted")
    assert decide(given(added), accept) == [answered]
    assert decide(given(added, answered), accept) == []
    assert given(added, answered).members["p1"].status == "accepted"
    for members in (None, given(added, MemberRemoved(member="p1"))):
        with pytest.raises(NotFound, match="p1 not found in the member list of the image i"):
            decide(members, accept)


def test_a_member_who_comes_back_is_asked_again() -> None:
    again = given(added, MemberAnswered(member="p1", status="rejected"), MemberRemoved(member="p1"), added)
    assert not again.deleted
    assert again.members["p1"].status == "pending"


def test_members_go_with_the_image() -> None:
    assert decide(given(added), DropMembers(id="i")) == [MembersDropped()]
    gone = given(added, MembersDropped())
    assert gone.deleted
    assert gone.ids == ()
    assert decide(gone, DropMembers(id="i")) == decide(None, DropMembers(id="i")) == []
    with pytest.raises(NotFound):
        decide(gone, RemoveMember(id="i", member="p1"))
