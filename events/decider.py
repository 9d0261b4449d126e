"""The one door: every change of every resource of every service goes through `execute`.

Commands that wait for the same resource are one commit: events/waiting.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import Context
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from msgspec import Struct

from events.clock import Clock, SystemClock
from events.envelope import Command, Event, Origin, State
from events.fold import Fold, Known
from events.journal import Journal, Stale, Unavailable
from events.refusals import Busy, Refusal
from events.subjects import key_of
from events.waiting import Draft, Queue, Wish
from events.writing import write

S = TypeVar("S", bound=State)
C = TypeVar("C", bound=Command, contravariant=True)
E = TypeVar("E", bound=Event)

log = logging.getLogger("cumulog.decider")

ATTEMPTS = 60
AT_ONCE = 32  # commands of one caller in the air
LARGEST = 1 << 20  # bytes of a commit of several commands
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


Look = Callable[[], None]
"""Raises a refusal if the fold, which has all that was done before, holds what is in the way."""

Stride = Step | Sequence[Step] | Look
"""A step, or several that need nothing of each other and are taken at once; or a look between two of them."""
Steps = Iterable[Stride]


def some_at_once(steps: Sequence[Step]) -> Iterator[Sequence[Step]]:
    """Steps that need nothing of each other, as many at once as do not crowd out what others ask for."""
    return (steps[begin : begin + AT_ONCE] for begin in range(0, len(steps), AT_ONCE))


class Executor:
    """The one door: takes commands, has them decided, appends what happened."""

    def __init__(self, journal: Journal, fold: Fold, clock: Clock | None = None) -> None:
        self.journal = journal
        self.fold = fold
        self.clock: Clock = clock or SystemClock()
        self._queues: dict[str, Queue] = {}  # of the resources that somebody works on
        self._workers: dict[asyncio.Task[None], None] = {}
        self._encode = msgspec.json.Encoder().encode

    async def __call__(self, resource: Decider[S, C, E], command: C, origin: Origin) -> Outcome[S]:
        """Do `command`; the resource as it then is.

        Raises what `decide` raises, Busy if the subject changes too fast or the journal takes no write now.
        """
        shelf = self.fold.shelf(resource)
        key = key_of(command.id)
        wish = Wish(command, origin)
        queue = self._queues.get(f"{shelf.prefix}.{key}")
        if queue is not None:  # one after the other within a process; the journal's guard is for all of them
            queue.waiting.append(wish)
            return Outcome(*await wish.done)
        queue = Queue(resource, shelf, command.id, key)
        self._queues[queue.subject] = queue
        try:
            await self._work(queue, [wish])
        finally:
            self._go_on(queue)
        return Outcome(*wish.done.result())

    async def all(self, steps: Steps, origin: Origin) -> list[Any]:
        """Do commands in order; if one is refused, undo those before it, the last first, and raise.

        What is left over when the process dies in between is found by its claims' deadlines (DESIGN 8.2). So is what
        was claimed for a step that may or may not have been done: nothing is undone of which that may make use.
        """
        states: list[Any] = []
        done: list[Step] = []
        try:
            for some in steps:
                if callable(some):
                    some()
                    continue
                together = (some,) if isinstance(some, Step) else some
                faults: list[BaseException] = []
                for step, outcome in zip(together, await self._together(together, origin), strict=True):
                    if isinstance(outcome, BaseException):
                        faults.append(outcome)
                        continue
                    states.append(outcome.found.state if outcome.found else None)
                    if step.keeps:
                        done.clear()
                    elif outcome.changed:
                        done.append(step)
                if faults:
                    raise max(faults, key=lambda fault: (not isinstance(fault, Exception), isinstance(fault, Unsure)))
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

    async def _together(self, steps: Sequence[Step], origin: Origin) -> Sequence[Outcome[Any] | BaseException]:
        """What came of each, once all have come to an end."""
        if len(steps) == 1:
            return [await self(steps[0].resource, steps[0].command, origin)]
        commands = [self(step.resource, step.command, origin) for step in steps]
        outcomes: list[Outcome[Any] | BaseException] = await asyncio.gather(*commands, return_exceptions=True)
        return outcomes

    # The wishes about one resource

    def _go_on(self, queue: Queue) -> None:
        """Have those who wait served, by a task of its own: if one of them is cancelled, the others are not."""
        if queue.waiting:
            worker = asyncio.create_task(self._serve(queue), name=queue.subject, context=Context())  # no request's own
            self._workers[worker] = None
            worker.add_done_callback(lambda done: self._workers.pop(done, None))
        else:
            del self._queues[queue.subject]

    async def _serve(self, queue: Queue) -> None:
        try:
            while wishes := queue.some():
                await self._work(queue, wishes)
        finally:
            del self._queues[queue.subject]
            for wish in queue.waiting:
                wish.done.cancel()

    async def _work(self, queue: Queue, wishes: list[Wish]) -> None:
        """Tell each what came of it."""
        try:
            await self._attempt(queue, wishes)
        except (Unavailable, TimeoutError) as fault:
            for wish in wishes:
                unsure = Unsure("The journal cannot take the change now; it may or may not have been made.")
                unsure.__cause__ = fault
                wish.refuse(unsure)
        except Exception as fault:
            for wish in wishes:
                wish.refuse(fault)
        except BaseException:
            for wish in wishes:
                wish.done.cancel()
            raise

    async def _attempt(self, queue: Queue, wishes: list[Wish]) -> None:
        fold, shelf, key = self.fold, queue.shelf, queue.key
        dug = False  # whether an earlier epoch was asked for it
        fenced = False  # until then the fold may lag behind what another process has written
        for _ in range(ATTEMPTS):
            wishes = [wish for wish in wishes if not wish.done.done()]  # but of those whom nobody waits for any more
            fold.check(queue.subject)
            known: Known[Any] | None = shelf.known.get(key)
            if known is None and fold.epoch.number > 1 and not dug:
                await fold.dig(queue.resource, queue.id, self.journal)
                dug = True
                known = shelf.known.get(key)
            at = max(self.clock.now(), known.updated_at + TICK) if known else self.clock.now()
            draft = Draft.of(queue.resource, known, wishes, at)
            if not draft.made and not fenced:  # refusals, or nothing to do: true only of the newest state
                await fold.fence(self.journal)
                await self._exhume(queue)
                fenced = True
                continue
            if draft.made:
                commit = draft.commit(known, at)
                data = self._encode(commit)
                if len(data) > LARGEST and len(wishes) > 1:
                    await self._attempt(queue, wishes[: len(wishes) // 2])
                    await self._attempt(queue, wishes[len(wishes) // 2 :])
                    return
                try:
                    await write(self.journal, fold, queue.subject, data, known=known.sequence if known else 0)
                except Stale as stale:
                    await fold.reach(stale.sequence)
                    await self._exhume(queue)
                    continue
                fold.check(queue.subject)  # whoever asks this process next sees it
                known = shelf.known[key]
            draft.tell(wishes, known)
            return
        raise Busy(f"{queue.subject} is changing too fast.")

    async def _exhume(self, queue: Queue) -> None:
        if queue.shelf.known.get(queue.key) is None:
            await self.fold.exhume(queue.resource, queue.id, self.journal)
