"""Commands that wait for the same resource: decided one after the other, each upon what the one before it leaves.

What they bring about is appended as one commit, so that any number of them, at a load, costs little more than one.
Nobody waits for others to come: a commit bears those who came while the one before it was on its way. The guard of the
append proves that all was decided upon the newest state; so a refusal among them needs no further proof.
Source: DESIGN, "Hard cases, decided", 1.
"""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import datetime
from typing import Any

from msgspec import Struct

from events.envelope import LINK, Command, Commit, Key, Origin, Part
from events.fold import Known
from events.ids import new_token
from events.shelf import Shelf

MOST = 64  # commands of one commit: what bounds its size, and the time for which deciding keeps all else waiting


class Wish:
    """A command that waits, and who is to hear what came of it."""

    __slots__ = ("command", "done", "id", "origin")

    def __init__(self, command: Command, origin: Origin) -> None:
        self.command = command
        self.origin = origin
        self.id = new_token()
        self.done: asyncio.Future[tuple[Known[Any] | None, bool]] = asyncio.get_running_loop().create_future()

    def refuse(self, fault: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(fault)
            self.done.exception()  # whoever waited may be gone: then nobody is to complain

    def part(self, events: int) -> Part:
        """Its place in a commit, after others."""
        origin = self.origin
        return Part(
            id=self.id,
            events=events,
            actor=origin.actor,
            project=origin.project,
            request=origin.request,
            cause=origin.cause,
            trace=origin.trace,
        )


class Queue:
    """The wishes about one resource; whoever finds none before him works, the others wait."""

    def __init__(self, resource: Any, shelf: Shelf, id: Key, key: str) -> None:
        self.resource = resource
        self.shelf = shelf
        self.id = id
        self.key = key
        self.subject = f"{shelf.prefix}.{key}"
        self.waiting: deque[Wish] = deque()

    def some(self) -> list[Wish]:
        """Who is next; those that nobody waits for any more are dropped."""
        found: list[Wish] = []
        while self.waiting and len(found) < MOST:
            wish = self.waiting.popleft()
            if not wish.done.done():
                found.append(wish)
        return found


class Draft(Struct):
    """What becomes of some wishes, upon what is known."""

    state: Any  # after all of them
    events: list[Any] = []
    made: list[tuple[Wish, int]] = []  # what brings something about, and how many events
    refused: dict[Wish, Exception] = {}

    @classmethod
    def of(cls, resource: Any, known: Known[Any] | None, wishes: list[Wish], at: datetime) -> Draft:
        """Decide them in order."""
        draft = cls(state=known.state if known else None)
        for wish in wishes:
            try:
                events, after = resource.decide(draft.state, wish.command), draft.state
                for event in events:
                    after = resource.evolve(after, event, at)
            except Exception as fault:  # a refusal, or a mistake in the rules: the others are not touched by it
                draft.refused[wish] = fault
                continue
            if events:
                draft.state = after
                draft.events += events
                draft.made.append((wish, len(events)))
        return draft

    def commit(self, known: Known[Any] | None, at: datetime) -> Commit[Any]:
        """The commit that bears what they bring about."""
        first = self.made[0][0]
        return Commit(
            id=first.id,
            at=at,
            actor=first.origin.actor,
            project=first.origin.project,
            request=first.origin.request,
            cause=first.origin.cause,
            trace=first.origin.trace,
            owner=self.state.owner,
            previous=known.hash[:LINK] if known else None,
            events=tuple(self.events),
            parts=tuple([wish.part(events) for wish, events in self.made[1:]]),
        )

    def tell(self, wishes: list[Wish], known: Known[Any] | None) -> None:
        """Let each hear what came of it; `known`: the resource as it is now."""
        made = {wish for wish, _ in self.made}
        for wish in wishes:
            if wish in self.refused:
                wish.refuse(self.refused[wish])
            elif not wish.done.done():
                wish.done.set_result((known, wish in made))
