"""The handlers' runner: wake, plan, execute.

An event rings, the state instructs: a plan reads the fold and says what is to be done, so it may run twice, late, or
after a crash. Any number of processes run all plans; `decide` and the journal's guard absorb the second of each.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container, Iterable, Sequence
from datetime import datetime
from random import Random
from time import thread_time
from typing import Any, Protocol, TypeVar

from msgspec import Struct, field

from events import logs, metrics, tracing
from events.decider import Executor, Step, Steps
from events.envelope import Event, Origin
from events.fold import Change, Fold
from events.journal import Unavailable
from events.nats.vault import Vault
from events.refusals import Busy, Refusal
from events.settings import Settings
from handlers.poison import Poison
from handlers.wishes import Wish, Wishes

T = TypeVar("T")

log = logging.getLogger("cumulog.handlers")

PERIOD = 5.0  # seconds after which every plan runs though nothing rang
AT_ONCE = 64  # wishes of all plans in the air
REST = 5.0  # seconds that a plan rests after it failed
SHARE = 4.0  # a plan rests so many times as long as it took: it has a fifth of the time at most
SHORT = 0.004  # seconds of rest that are not worth waiting for
PAUSE = 0.05  # seconds until what was refused is planned again
BUSY = 1.0  # and until then, if the journal takes nothing now
WHOLE = 720  # turns of the clock between two looks at everything, which are an hour
SOON = 12  # turns until everything is looked at once more of which something could not be done


class Sight(Struct, kw_only=True):
    """What a plan sees."""

    fold: Fold
    settings: Settings
    random: Random = field(default_factory=Random)
    salt: str = ""  # of the scheduler's dice, which are the same in every process; other ones in a replay
    vault: Vault
    heard: dict[str, datetime] = {}  # host -> when its agent was last heard
    listened: datetime | None = None  # when this process last looked who was heard
    is_deaf: Callable[[], bool] = lambda: False  # whether no agent can be heard now: NATS is away
    turn: int = 0  # how often the plans ran by the clock
    swept: dict[str, int] = {}  # module -> the turn in which it last looked at a part of everything
    missed: dict[str, int] = {}  # module -> the turn since which something that it asked for has not been done
    poison: Poison = field(default_factory=Poison)
    busy: Container[str] = ()  # what wishes are in the air about: what is planned about it now is not started
    memory: dict[str, Any] = {}  # what a plan keeps from round to round, by a name of its own, and may lose

    def apart(self, id: str, now: datetime, work: Callable[..., Iterable[T]], *arguments: Any) -> list[T]:
        """What `work` yields about one resource: whatever is the matter with it, the plans for all others go on."""
        return self.poison.apart(id, now, work, *arguments)

    def sweeps(self, module: str) -> bool:
        """Whether `module` is to look at its part of everything now: once a turn."""
        due = self.swept.get(module) != self.turn
        self.swept[module] = self.turn
        return due

    def sees_all(self, module: str) -> bool:
        """Whether `module`, where it sweeps, is to look at everything: now and then, or as it missed something."""
        due = self.turn % WHOLE == 0 or self.turn >= self.missed.get(module, self.turn) + SOON
        if due:
            self.missed.pop(module, None)
        return due


class Planner(Protocol):
    """A handler's module."""

    __name__: str

    @property
    def WAKES(self) -> tuple[type[Event], ...]:
        """The events that ring for it."""

    @property
    def plan(self) -> Any:
        """`plan(sight, now) -> Iterator[Wish | Wishes]`: what is to be done, as far as is known.

        It looks at each resource by `sight.apart`.
        """


class Runner:
    """Runs the plans of the given modules over one fold."""

    def __init__(self, execute: Executor, sight: Sight, modules: Sequence[Planner], *, period: float = PERIOD) -> None:
        self._period = period
        self.execute = execute
        self.sight = sight
        self._modules = list(modules)
        self._wakes: dict[type[Event], list[Planner]] = {}
        for module in modules:
            for event in module.WAKES:
                self._wakes.setdefault(event, []).append(module)
        self._due: set[str] = set()
        self._rested: dict[str, float] = {}  # plan -> loop time from which it may run again
        self._resting: set[str] = set()
        self._bell = asyncio.Event()
        self._busy: set[str] = set()
        sight.busy = self._busy
        self._room = asyncio.Semaphore(AT_ONCE)
        self._tasks: dict[asyncio.Task[None], None] = {}  # ended in the order in which they began
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.sight.fold.listeners.append(self._hear)
        self._due = {module.__name__ for module in self._modules}
        self._bell.set()
        self._loop = asyncio.create_task(self._run(), name="handlers")

    async def stop(self) -> None:
        self.sight.fold.listeners.remove(self._hear)
        tasks = [task for task in (self._loop, *self._tasks) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def ring(self) -> None:
        """Run every plan soon."""
        self._due = {module.__name__ for module in self._modules}
        self._bell.set()

    def _hear(self, change: Change) -> None:
        for event in change.commit.events:
            for module in self._wakes.get(type(event), ()):
                self._due.add(module.__name__)
                self._bell.set()

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        periodic = clock() + self._period
        while True:
            try:
                async with asyncio.timeout_at(periodic):
                    await self._bell.wait()
            except TimeoutError:
                periodic = clock() + self._period
                self.sight.turn += 1
                self.ring()
            self._bell.clear()
            due, self._due = self._due, set()
            for module in self._modules:
                if module.__name__ in due and not self._rests(module.__name__):
                    began, used = clock(), thread_time()
                    self.plan(module)
                    took = min(clock() - began, thread_time() - used)  # not while others had the processor
                    self._rested[module.__name__] = clock() + SHARE * took
            await asyncio.sleep(0)

    def _rests(self, name: str) -> bool:
        """Whether it is too soon for this plan; then it is woken when it has rested."""
        wait = self._rested.get(name, 0.0) - asyncio.get_running_loop().time()
        if wait <= SHORT:
            return False
        if name not in self._resting:
            self._resting.add(name)
            asyncio.get_running_loop().call_later(wait, self._rise, name)
        return True

    def _rise(self, name: str) -> None:
        self._resting.discard(name)
        self._again(name)

    def plan(self, module: Planner) -> None:
        """Run one plan, and start what it asks for. What raises is reported, and stops nobody else."""
        now, poison = self.execute.clock.now(), self.sight.poison
        wishes: list[Wish | Wishes] = []
        try:
            with metrics.PLAN_SECONDS.labels(_short(module)).time():
                wishes.extend(module.plan(self.sight, now))
        except Exception as fault:  # a mistake of ours, whatever it is
            poison.failed(module.__name__, fault, now)
            asyncio.get_running_loop().call_later(min(REST, self._period), self._again, module.__name__)
        else:
            poison.well(module.__name__)
        for wish in wishes:
            about = wish.about if isinstance(wish, Wishes) else repr(wish.command)
            if about not in self._busy and not poison.rests(_name(module, about), now):
                self._busy.add(about)
                task = asyncio.create_task(self._fulfil(module, about, wish))
                self._tasks[task] = None
                task.add_done_callback(lambda done: self._tasks.pop(done, None))

    def _again(self, name: str) -> None:
        self._due.add(name)
        self._bell.set()

    async def _fulfil(self, module: Planner, about: str, wish: Wish | Wishes) -> None:
        pause, kind, name = min(REST, self._period), _short(module), _name(module, about)
        logs.about(part="handlers", request=wish.request)
        outcome = "failed"
        try:
            async with self._room:
                with tracing.below(f"wish {kind}", tracing.of(wish.request)):
                    done = await fulfil(self.execute, self.sight.vault, wish)
            pause, outcome = (0.0, "done") if done else (PAUSE, "refused")
        except (Busy, Unavailable) as fault:  # what cannot be written or read now would be refused at once again
            log.info("%s waits: %s", name, fault)
            pause, outcome = min(BUSY, self._period), "busy"
        except Exception as fault:  # likewise
            self.sight.poison.failed(name, fault, self.execute.clock.now(), f"request {wish.request}")
        else:
            self.sight.poison.well(name)
        finally:
            if outcome in ("busy", "failed"):
                self.sight.missed.setdefault(module.__name__, self.sight.turn)
            metrics.WISHES.labels(kind, outcome).inc()
            self._busy.discard(about)
            asyncio.get_running_loop().call_later(pause, self._again, module.__name__)


def _name(module: Planner, about: str) -> str:
    return f"a wish of {module.__name__} about {about}"


def _short(module: Planner) -> str:
    return module.__name__.removeprefix("handlers.")


async def fulfil(execute: Executor, vault: Vault, wish: Wish | Wishes, actor: str = "cumulog") -> bool:
    """Do what a plan asks for; False if it is refused, for it was planned upon what was no longer so. Raises Busy."""
    steps: Steps
    if isinstance(wish, Wishes):
        steps, request, otherwise = wish.steps, wish.request, wish.otherwise
    else:
        steps, request, otherwise = (Step(wish.resource, wish.command),), wish.request, None
    origin = Origin(actor=actor, request=request)
    for name in wish.secrets if isinstance(wish, Wishes) else ():
        await vault.delete(name)
    try:
        await execute.all(steps, origin)
    except Busy:
        raise
    except Refusal as refusal:
        log.debug("a wish was refused: %s", refusal.message)
        instead = otherwise(refusal) if otherwise else None
        if instead is not None:
            await fulfil(execute, vault, instead, actor)
        return False
    return True
