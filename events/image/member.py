"""The members of an image: the projects that it is offered to while it is shared, and what they say to that.

    pending <-> accepted <-> rejected;   the last one gone, or the image -> deleted

All members of one image are one resource, under the image's id: so there are never too many, nor one twice.
Source: Image API guide, "Sharing images"; Image API reference, "Sharing".
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, assert_never

from msgspec import Struct
from msgspec.structs import replace

from events.envelope import Command, Event, State
from events.refusals import Conflict, NotFound, TooLarge

INDEXES = ("ids",)

Status = Literal["pending", "accepted", "rejected"]

MOST = 128  # of one image


class Member(Struct, frozen=True, gc=False):
    """One project."""

    id: str
    status: Status
    created_at: datetime
    updated_at: datetime


class Members(State, frozen=True, gc=False, kw_only=True):
    id: str  # the image's
    members: dict[str, Member] = {}

    @property
    def ids(self) -> tuple[str, ...]:
        """Of the projects, for the fold's index."""
        return tuple(self.members)


class MemberAdded(Event, frozen=True, gc=False, kw_only=True):
    id: str
    member: str


class MemberAnswered(Event, frozen=True, gc=False, kw_only=True):
    member: str
    status: Status


class MemberRemoved(Event, frozen=True, gc=False, kw_only=True):
    member: str


class MembersDropped(Event, frozen=True, gc=False, kw_only=True):
    """The image is gone."""


Events = MemberAdded | MemberAnswered | MemberRemoved | MembersDropped


class AddMember(Command, frozen=True, gc=False, kw_only=True):
    member: str


class AnswerAsMember(Command, frozen=True, gc=False, kw_only=True):
    member: str
    status: Status


class RemoveMember(Command, frozen=True, gc=False, kw_only=True):
    member: str


class DropMembers(Command, frozen=True, gc=False, kw_only=True):
    pass


Commands = AddMember | AnswerAsMember | RemoveMember | DropMembers


def unknown(image: str, member: str) -> NotFound:
    return NotFound(f"{member} not found in the member list of the image {image}.")


def decide(members: Members | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict, TooLarge."""
    known = members.members if members is not None and not members.deleted else {}
    match command:
        case AddMember(id=id, member=member):
            if member in known:
                raise Conflict(f"Member {member} is duplicated for image {id}")
            if len(known) >= MOST:
                raise TooLarge(
                    f"Image member limit exceeded for image {id}: The limit has been exceeded on the number of "
                    f"allowed image members for this image. Attempted: {len(known) + 1}, Maximum: {MOST}:"
                )
            return [MemberAdded(id=id, member=member)]
        case AnswerAsMember(id=id, member=member, status=status):
            if member not in known:
                raise unknown(id, member)
            return [] if known[member].status == status else [MemberAnswered(member=member, status=status)]
        case RemoveMember(id=id, member=member):
            if member not in known:
                raise unknown(id, member)
            return [MemberRemoved(member=member)]
        case DropMembers():
            return [MembersDropped()] if known else []
    assert_never(command)


def evolve(members: Members | None, event: Events, at: datetime) -> Members:
    """The members after `event`."""
    if isinstance(event, MemberAdded):
        known = members.members if members is not None else {}
        return Members(id=event.id, members={**known, event.member: Member(event.member, "pending", at, at)})
    assert members is not None, f"{event!r} before MemberAdded"
    match event:
        case MemberAnswered(member=member, status=status):
            answered = replace(members.members[member], status=status, updated_at=at)
            return replace(members, members={**members.members, member: answered})
        case MemberRemoved(member=member):
            left = {id: one for id, one in members.members.items() if id != member}
            return replace(members, members=left, deleted=not left)
        case MembersDropped():
            return replace(members, members={}, deleted=True)
    assert_never(event)
