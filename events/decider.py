"""The one door: every change of every resource of every service goes through `execute`.

Commands that wait for the same resource are decided one after the other, each upon what the one before it leaves, and
appended as one commit: as many as wait, at a load, for the price of one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from msgspec import Struct

from events.clock import Clock, SystemClock
from events.envelope import Command, Commit, Event, Key, Origin, Part, State
from events.fold import Fold, Known, Shelf
from events.ids import new_hex
from events.journal import Journal, Stale, Unavailable
from events.refusals import Busy, Refusal
from events.subjects import key_of

S = TypeVar("S", bound=State)
C = TypeVar("C", bound=Command, contravariant=True)
E = TypeVar("E", bound=Event)

log = logging.getLogger("cumulog.decider")

ATTEMPTS = 60
MOST = 64  # commands of one commit: what bounds its size, and the time for which deciding keeps all else waiting
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


Stride = Step | Sequence[Step]
"""A step, or several that need nothing of each other and are taken at once."""
Steps = Iterable[Stride]


def one_by_one(steps: Steps) -> Iterator[Step]:
    """All steps, in an order in which they may be taken."""
    for some in steps:
        yield from (some,) if isinstance(some, Step) else some


def some_at_once(steps: Sequence[Step]) -> Iterator[Sequence[Step]]:
    """Steps that need nothing of each other, as many at once as do not crowd out what others ask for."""
    return (steps[begin : begin + AT_ONCE] for begin in range(0, len(steps), AT_ONCE))


class _Wish:
    """A command that waits, and who is to hear what came of it."""

    __slots__ = ("command", "done", "id", "lone", "origin")

    def __init__(self, command: Command, origin: Origin, id: str | None) -> None:
        self.command = command
        self.origin = origin
        self.id = id or new_hex()
        self.lone = id is not None  # who repeats it under its id is recognised by that of a commit
        self.done: asyncio.Future[Outcome[Any]] = asyncio.get_running_loop().create_future()


class _Draft(Struct):
    """What becomes of some wishes, upon what is known."""

    state: Any  # after all of them
    events: list[Any] = []
    made: list[tuple[_Wish, int]] = []  # what brings something about, and how many events
    refused: dict[_Wish, Exception] = {}


class _Queue:
    """The wishes about one resource; whoever finds none before him works, the others wait."""

    def __init__(self, resource: Any, shelf: Shelf, id: Key, key: str) -> None:
        self.resource = resource
        self.shelf = shelf
        self.id = id
        self.key = key
        self.subject = f"{shelf.prefix}.{key}"
        self.waiting: deque[_Wish] = deque()

    def some(self) -> list[_Wish]:
        """Who is next; those that nobody waits for any more are dropped."""
        found: list[_Wish] = []
        while self.waiting and len(found) < MOST:
            if found and (self.waiting[0].lone or found[0].lone):
                break
            wish = self.waiting.popleft()
            if not wish.done.done():
                found.append(wish)
        return found


class Executor:
    """The one door: takes commands, has them decided, appends what happened."""

    def __init__(self, journal: Journal, fold: Fold, clock: Clock | None = None) -> None:
        self.journal = journal
        self.fold = fold
        self.clock: Clock = clock or SystemClock()
        self._queues: dict[str, _Queue] = {}  # of the resources that somebody works on
        self._workers: dict[asyncio.Task[None], None] = {}
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
        wish = _Wish(command, origin, id)
        queue = self._queues.get(f"{shelf.prefix}.{key}")
        if queue is not None:  # one after the other within a process; the journal's guard is for all of them
            queue.waiting.append(wish)
            return await wish.done
        queue = _Queue(resource, shelf, command.id, key)
        self._queues[queue.subject] = queue
        try:
            await self._work(queue, [wish])
        finally:
            self._go_on(queue)
        return wish.done.result()

    async def all(self, steps: Steps, origin: Origin) -> list[Any]:
        """Do commands in order; if one is refused, undo those before it, the last first, and raise.

        What is left over when the process dies in between is found by its claims' deadlines (DESIGN 8.2). So is what
        was claimed for a step that may or may not have been done: nothing is undone of which that may make use.
        """
        states: list[Any] = []
        done: list[Step] = []
        try:
            for some in steps:
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

    def _go_on(self, queue: _Queue) -> None:
        """Have those who wait served, by a task of its own: if one of them is cancelled, the others are not."""
        if queue.waiting:
            worker = asyncio.create_task(self._serve(queue), name=queue.subject)
            self._workers[worker] = None
            worker.add_done_callback(lambda done: self._workers.pop(done, None))
        else:
            del self._queues[queue.subject]

    async def _serve(self, queue: _Queue) -> None:
        try:
            while wishes := queue.some():
                await self._work(queue, wishes)
        finally:
            del self._queues[queue.subject]
            for wish in queue.waiting:
                wish.done.cancel()

    async def _work(self, queue: _Queue, wishes: list[_Wish]) -> None:
        """Tell each what came of it."""
        try:
            await self._attempt(queue, wishes)
        except (Unavailable, TimeoutError) as fault:
            for wish in wishes:
                unsure = Unsure("The journal cannot take the change now; it may or may not have been made.")
                unsure.__cause__ = fault
                _refuse(wish, unsure)
        except Exception as fault:
            for wish in wishes:
                _refuse(wish, fault)
        except BaseException:
            for wish in wishes:
                wish.done.cancel()
            raise

    async def _attempt(self, queue: _Queue, wishes: list[_Wish]) -> None:
        shelf, key = queue.shelf, queue.key
        fenced = False  # until then the fold may lag behind what another process has written
        for _ in range(ATTEMPTS):
            wishes = [wish for wish in wishes if not wish.done.done()]  # but of those whom nobody waits for any more
            known: Known[Any] | None = shelf.known.get(key)
            at = max(self.clock.now(), known.updated_at + TICK) if known else self.clock.now()
            draft = _draft(queue.resource, known, wishes, at)
            if draft.made:
                commit = _commit(draft, known, at)
                data = self._encode(commit)
                if len(data) > LARGEST and len(wishes) > 1:
                    await self._attempt(queue, wishes[: len(wishes) // 2])
                    await self._attempt(queue, wishes[len(wishes) // 2 :])
                    return
                try:
                    sequence = await self.journal.append(
                        queue.subject, data, expected=known.sequence if known else 0, id=commit.id
                    )
                except Stale as stale:
                    await self._catch_up(queue, stale.sequence)
                    continue
                await self.fold.reach(sequence)  # whoever asks this process next sees it
            elif not fenced:  # refusals, or nothing to do: true only of the newest state
                await self._catch_up(queue, await self.journal.last())
                fenced = True
                continue
            _tell(draft, wishes, shelf.known.get(key) if draft.made else known)
            return
        raise Busy(f"{queue.subject} is changing too fast.")

    async def _catch_up(self, queue: _Queue, sequence: int) -> None:
        await self.fold.reach(sequence)
        if queue.shelf.known.get(queue.key) is None:
            await self.fold.exhume(queue.resource, queue.id, self.journal)


def _draft(resource: Any, known: Known[Any] | None, wishes: list[_Wish], at: datetime) -> _Draft:
    """What each wish brings about, upon what the ones before it leave. A guarded append proves that it was so."""
    draft = _Draft(state=known.state if known else None)
    for wish in wishes:
        try:
            events, after = resource.decide(draft.state, wish.command), draft.state
            for event in events:
                after = resource.evolve(after, event, at)
        except Exception as fault:  # a refusal, or a mistake in these rules: the others' wishes are not touched by it
            draft.refused[wish] = fault
            continue
        if events:
            draft.state = after
            draft.events += events
            draft.made.append((wish, len(events)))
    return draft


def _commit(draft: _Draft, known: Known[Any] | None, at: datetime) -> Commit[Any]:
    first = draft.made[0][0]
    return Commit(
        id=first.id,
        at=at,
        actor=first.origin.actor,
        project=first.origin.project,
        request=first.origin.request,
        cause=first.origin.cause,
        owner=draft.state.owner,
        previous=known.hash if known else None,
        events=tuple(draft.events),
        parts=tuple([_part(wish, events) for wish, events in draft.made[1:]]),
    )


def _part(wish: _Wish, events: int) -> Part:
    origin = wish.origin
    return Part(
        id=wish.id,
        events=events,
        actor=origin.actor,
        project=origin.project,
        request=origin.request,
        cause=origin.cause,
    )


def _tell(draft: _Draft, wishes: list[_Wish], known: Known[Any] | None) -> None:
    made = {wish for wish, _ in draft.made}
    for wish in wishes:
        if wish in draft.refused:
            _refuse(wish, draft.refused[wish])
        elif not wish.done.done():
            wish.done.set_result(Outcome(known, wish in made))


def _refuse(wish: _Wish, fault: Exception) -> None:
    if not wish.done.done():
        wish.done.set_exception(fault)
        wish.done.exception()  # whoever waited may be gone: then nobody is to complain
