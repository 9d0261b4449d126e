"""The one door: every change of every resource of every service goes through `execute`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakValueDictionary

import msgspec
from msgspec import Struct

from events.clock import Clock, SystemClock
from events.envelope import Command, Commit, Event, Key, Origin, State
from events.fold import Fold, Known, Shelf
from events.ids import new_hex
from events.journal import Journal, Stale, Unavailable
from events.refusals import Busy, Refusal
from events.subjects import key_of
from events.writing import write

S = TypeVar("S", bound=State)
C = TypeVar("C", bound=Command, contravariant=True)
E = TypeVar("E", bound=Event)

log = logging.getLogger("cumulog.decider")

ATTEMPTS = 60
TICK = timedelta(microseconds=1)


class Decider(Protocol[S, C, E]):
    """A resource's words and rules: a module, with neither base class nor registry.

    It may declare `INDEXES`, the names of the state's fields and properties by which the fold finds it.
    """

    __name__: str

    @property
    def decide(self) -> Callable[[S | None, C], list[E]]:
        """The events that a command brings about; none if it is so already. Raises a Refusal."""

    @property
    def evolve(self) -> Callable[[S | None, E, datetime], S]:
        """The state after an event. It never refuses: what has happened has happened."""


class Outcome(Struct, Generic[S], frozen=True, gc=False):
    """The resource as it is after a command."""

    found: Known[S] | None  # None: nothing was wished of what does not exist, such as a release
    changed: bool

    @property
    def known(self) -> Known[S]:
        assert self.found is not None, "nothing is known of a resource that never was"
        return self.found

    @property
    def state(self) -> S:
        return self.known.state


class Unsure(Busy):
    """It is not known whether the change was made."""


class Step(Struct, frozen=True, gc=False):
    """One command of several that belong together, and what undoes it."""

    resource: Decider[Any, Any, Any]
    command: Command
    undo: Command | None = None
    keeps: bool = False  # what was claimed before it is in use once it is done: that is not undone any more


class Executor:
    """The one door: takes commands, has them decided, appends what happened."""

    def __init__(self, journal: Journal, fold: Fold, clock: Clock | None = None) -> None:
        self.journal = journal
        self.fold = fold
        self.clock: Clock = clock or SystemClock()
        self._queues: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._encode = msgspec.json.Encoder().encode

    async def __call__(
        self, resource: Decider[S, C, E], command: C, origin: Origin, *, id: str | None = None
    ) -> Outcome[S]:
        """Do `command`; the resource as it then is.

        Raises what `decide` raises, Busy if the subject changes too fast or the journal takes no write now.
        `id` names the command; one that is repeated under its id happens once.
        """
        shelf = self.fold.shelf(resource)
        key = key_of(command.id)
        subject = f"{shelf.prefix}.{key}"
        queue = self._queues.get(subject)
        if queue is None:
            queue = self._queues[subject] = asyncio.Lock()
        async with queue:  # one at a time within a process; the journal's guard keeps it right over all of them
            try:
                return await self._attempt(resource, command, origin, id or new_hex(), shelf, key, subject)
            except (Unavailable, TimeoutError) as fault:
                raise Unsure("The journal cannot take the change now; it may or may not have been made.") from fault

    async def all(self, steps: Iterable[Step], origin: Origin) -> list[Any]:
        """Do commands one after the other; if one is refused, undo those before it, the last first, and raise.

        What is left over when the process dies in between is found by its claims' deadlines (DESIGN 8.2). So is what
        was claimed for a step that may or may not have been done: nothing is undone of which that may make use.
        """
        states: list[Any] = []
        done: list[Step] = []
        try:
            for step in steps:
                outcome: Outcome[Any] = await self(step.resource, step.command, origin)
                states.append(outcome.found.state if outcome.found else None)
                if step.keeps:
                    done.clear()
                elif outcome.changed:
                    done.append(step)
        except Unsure:
            raise
        except Exception:
            await self._undo(done, origin)
            raise
        return states

    async def _undo(self, done: list[Step], origin: Origin) -> None:
        for step in reversed(done):
            if step.undo is not None:
                try:
                    await self(step.resource, step.undo, origin)
                except Refusal as refusal:
                    log.warning("what was done before a refusal was not undone: %s", refusal.message)
                    return  # what that step made may use what was made before it

    async def _attempt(
        self, resource: Decider[S, C, E], command: C, origin: Origin, id: str, shelf: Shelf, key: str, subject: str
    ) -> Outcome[S]:
        dug = False  # whether an earlier epoch was asked for it
        fenced = False  # until then the fold may lag behind what another process has written
        for _ in range(ATTEMPTS):
            self.fold.check(subject)
            known: Known[S] | None = shelf.known.get(key)
            if known is None and self.fold.epoch.number > 1 and not dug:
                await self.fold.dig(resource, command.id, self.journal)
                dug = True
                known = shelf.known.get(key)
            try:
                events = resource.decide(known.state if known else None, command)
            except Refusal:
                if fenced:
                    raise
                events = []
            if not events:  # a refusal, or nothing to do: true only of the newest state
                if fenced:
                    return Outcome(known, False)
                await self._fence(resource, command.id, known)
                fenced = True
                continue
            at = max(self.clock.now(), known.updated_at + TICK) if known else self.clock.now()
            commit = self._commit(resource, known, events, origin, id, at)
            try:
                await write(
                    self.journal, self.fold, subject, self._encode(commit), known=known.sequence if known else 0, id=id
                )  # whoever asks this process next sees it
            except Stale as stale:
                await self.fold.reach(stale.sequence)
                if shelf.known.get(key) is None:
                    await self.fold.exhume(resource, command.id, self.journal)
                continue
            self.fold.check(subject)
            return Outcome(shelf.known[key], True)
        raise Busy(f"{subject} is changing too fast.")

    async def _fence(self, resource: Decider[S, C, E], key: Key, known: Known[S] | None) -> None:
        await self.fold.fence(self.journal)
        if known is None:
            await self.fold.exhume(resource, key, self.journal)

    @staticmethod
    def _commit(
        resource: Decider[S, C, E], known: Known[S] | None, events: list[E], origin: Origin, id: str, at: datetime
    ) -> Commit[E]:
        state = known.state if known else None
        for event in events:
            state = resource.evolve(state, event, at)
        assert state is not None
        return Commit(
            id=id,
            at=at,
            actor=origin.actor,
            project=origin.project,
            request=origin.request,
            cause=origin.cause,
            owner=state.owner,
            previous=known.hash if known else None,
            events=tuple(events),
        )
