"""A claim: one member of a set whose rule is uniqueness - a name, an address, a MAC, a number.

    FREE -> CLAIMED -> FREE

One subject per member, so that two claims of one member meet at the journal's guard. A resource's module takes these
words and rules as its own: `from events.claims import ...`. A claim names the resource it is for and until when it
stands without that resource: what is claimed for nothing is released by a handler after `until`.
Source: DESIGN, "Hard cases, decided", 1 and 2.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from msgspec.structs import replace

from events.envelope import Command, Event, State
from events.refusals import Conflict

INDEXES = ("holder", "group")


class Claim(State, frozen=True, gc=False, kw_only=True):
    key: tuple[str, ...]
    holder: str  # the id of the resource that it is claimed for
    group: str | None = None  # what the set belongs to: a subnet, a network
    until: datetime | None = None  # without its holder by then, it is released

    @property
    def due(self) -> int | None:
        """The minute of `until`, since 1970: for an index by which what has expired is found."""
        return None if self.until is None else int(self.until.timestamp()) // 60


class Claimed(Event, frozen=True, gc=False, kw_only=True):
    key: tuple[str, ...]
    holder: str
    group: str | None = None
    until: datetime | None = None


class Released(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = Claimed | Released


class Take(Command, frozen=True, gc=False, kw_only=True):
    id: tuple[str, ...]
    holder: str
    group: str | None = None
    until: datetime | None = None
    taken: str = "It is already in use."  # what to say if another holds it


class Release(Command, frozen=True, gc=False, kw_only=True):
    id: tuple[str, ...]
    holder: str


Commands = Take | Release


def decide(claim: Claim | None, command: Commands) -> list[Events]:
    """Taken once, by one holder; released by its holder only. Raises Conflict."""
    held = claim is not None and not claim.deleted
    match command:
        case Take(holder=holder):
            if claim is not None and held:
                if claim.holder == holder:
                    return []
                raise Conflict(command.taken)
            return [Claimed(key=command.id, holder=holder, group=command.group, until=command.until)]
        case Release(holder=holder):
            return [Released()] if claim is not None and held and claim.holder == holder else []
    assert_never(command)


def evolve(claim: Claim | None, event: Events, at: datetime) -> Claim:
    """The claim after `event`."""
    match event:
        case Claimed():
            return Claim(key=event.key, holder=event.holder, group=event.group, until=event.until)
        case Released():
            assert claim is not None, "Released before Claimed"
            return replace(claim, deleted=True)
    assert_never(event)


def evolve_in_group(claim: Claim | None, event: Events, at: datetime) -> Claim:
    """As `evolve`, of claims whose group is the first part of their key."""
    if isinstance(event, Claimed):
        return Claim(key=event.key, holder=event.holder, group=event.key[0], until=event.until)
    return evolve(claim, event, at)
