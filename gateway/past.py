"""The cloud as it was: worlds of former moments, in which any GET can be answered as it would have been then.

A world has a fold of its own, made from the newest snapshot before it or from an older world that is at hand, and the
commits after that; tables of its own, made from the whole journal, if something asks SQL of it; and a clock that stands
still. Worlds are made one at a time, among the other work of the process, and a few are kept. Who asks is judged by the
present: only what there is to see is of the past. Source: DESIGN, "Time".
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, TypeVar

from events.chronicle import Chronicle, JournalChronicle, Snapshot
from events.clock import ManualClock
from events.decider import Executor
from events.fold import BURIAL, Change, Fold, Known
from events.journal import MemoryJournal, Unavailable
from events.moments import Moments, fold_to, moment, snapshot
from events.refusals import Busy, Invalid, NoCapacity
from events.subjects import split
from gateway.cloud import Cloud
from projections.archive import Archive
from projections.archive import Chronicle as archived
from projections.projector import Projector
from projections.query import Answer, query
from projections.tables import Row

T = TypeVar("T")

HEADER = "x-cumulog-as-of"
PLACE, STATE = 350, 2000  # bytes that a resource takes in a fold: its place there, and its state; measured on servers

log = logging.getLogger("cumulog.past")


class PastJournal(MemoryJournal):
    """A journal that has ended: nothing comes to it any more, and what stood in it is in the fold."""

    def __init__(self, sequence: int) -> None:
        super().__init__()
        self._sequence = sequence

    async def append(self, subject: str, data: bytes, *, expected: int, epoch: int = 1) -> int:
        raise Invalid("The past cannot be changed.")

    async def last(self) -> int:
        return self._sequence


class Shared:
    """Has a fold of the past hold the very states that the present has, where they are the same: most are."""

    def __init__(self, fold: Fold, present: Fold) -> None:
        self._fold = fold
        self._present = present
        self._own: set[str] = set()  # subjects whose states are of the past alone
        fold.listeners.append(self._hear)

    @property
    def weight(self) -> int:
        """Bytes that the fold takes beside the present's, about."""
        return PLACE * sum(len(shelf.known) for shelf in self._fold.shelves.values()) + STATE * len(self._own)

    def begin(self, kept: Snapshot | None, at: datetime) -> Snapshot | None:
        """The same snapshot with the present's states, and without those whom a fold has forgotten at this time."""
        if kept is None:
            return None
        forgotten = at - BURIAL
        known = (
            (prefix, self._same(prefix, one))
            for prefix, one in kept.known
            if not one.state.deleted or one.updated_at > forgotten
        )
        return Snapshot(kept.position, known)

    def _same(self, prefix: str, known: Known[Any]) -> Known[Any]:
        now = self._present.shelves[prefix].known.get(known.key)
        if now is not None and now.sequence == known.sequence:
            self._own.discard(f"{prefix}.{known.key}")
            return now
        self._own.add(f"{prefix}.{known.key}")
        return known

    def _hear(self, change: Change) -> None:
        prefix, key = split(change.subject)
        same, shelf = self._same(prefix, change.after), self._fold.shelves[prefix]
        if same is not change.after:
            shelf.known[key] = same
            if key in shelf.live:
                shelf.live[key] = same.state


class World:
    """Everything as of one sequence."""

    def __init__(self, past: Past, sequence: int, at: datetime, fold: Fold, weight: int) -> None:
        self.sequence = sequence
        self.at = at  # of the commit there
        self.fold = fold
        self.weight = weight  # bytes
        self.users = 0
        self.closed = False
        self.parts: dict[type[Any], Any] = {**past.parts, Projector: PastTables(past, self)}
        self.tables: Projector | None = None
        self.directory: Path | None = None  # of its tables

    async def close(self) -> None:
        self.closed = True
        if self.tables is not None:
            await self.tables.stop()
        _remove(self.directory)


class PastTables:
    """What answers SQL in a world: the tables are made when something is asked of them."""

    def __init__(self, past: Past, world: World) -> None:
        self._past = past
        self._world = world

    async def ask(self, question: str, values: Sequence[Any] = ()) -> list[Row]:
        """As the projector's."""
        return await (await self._past.tables(self._world)).ask(question, values)

    async def flush(self) -> None:
        """As the projector's."""
        await self._past.tables(self._world)

    async def another(self) -> Any:
        """As the projector's."""
        return await (await self._past.tables(self._world)).another()


class Past:
    """Makes worlds of former moments and keeps a few: `gateway.past_memory` bytes of them."""

    def __init__(self, cloud: Cloud, chronicle: Chronicle, directory: Path | None = None) -> None:
        """To be made once `cloud` has all its parts. `directory` is where tables are made; None: in memory."""
        # What is the same in any world; what services put there later is remembered of the present.
        self.parts = {kind: part for kind, part in cloud.parts.items() if kind is not Projector}
        self._cloud = cloud
        self._chronicle = chronicle
        self._directory = directory
        self._settings = cloud.settings.gateway
        self._moments = Moments(chronicle)
        self._worlds: OrderedDict[int, World] = OrderedDict()  # the one used last is the last
        self._making: dict[object, asyncio.Task[Any]] = {}
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def cloud(self, text: str) -> AsyncIterator[Cloud]:
        """The cloud as of a moment, named as a caller names it.

        Raises Invalid if there was none then, Busy if too many wait for other moments, NoCapacity, Unavailable.
        """
        now = self._cloud.clock.now()
        when = moment(text, now)
        sequence = await self._moments.sequence(when, now)
        while (world := await self._world(sequence)).closed:
            log.debug("the world of %d was let go of before it was used", sequence)
        world.users += 1
        try:
            yield self._as_it_was(world, max(when, world.at) if isinstance(when, datetime) else world.at)
        finally:
            world.users -= 1
            await self._shrink(0)

    async def tables(self, world: World) -> Projector:
        """The tables of a world. Raises Busy, NoCapacity, Unavailable."""
        if world.tables is None:
            await self._once((world.sequence, "tables"), lambda: self._fill(world))
        assert world.tables is not None
        return world.tables

    async def stop(self) -> None:
        """Let go of all worlds."""
        tasks = list(self._making.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for world in self._worlds.values():
            await world.close()
        self._worlds.clear()

    # How a world is made

    def _as_it_was(self, world: World, at: datetime) -> Cloud:
        journal, present = PastJournal(world.sequence), self._cloud
        then = Cloud(
            Executor(journal, world.fold, ManualClock(at)), present.settings, present.authenticate, present.vault
        )
        then.as_of = world.sequence
        then.parts = dict(world.parts)  # what is remembered in it, such as a secret, is forgotten with the request
        return then

    async def _world(self, sequence: int) -> World:
        world = self._worlds.get(sequence)
        if world is None:
            world = await self._once(sequence, lambda: self._make(sequence))
        if sequence in self._worlds:
            self._worlds.move_to_end(sequence)
        return world

    async def _once(self, what: object, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do some work one after the other; all who ask for the same share it. Raises Busy."""
        task = self._making.get(what)
        if task is None:
            if len(self._making) > self._settings.past_waiting:
                raise Busy("Too many ask for other moments of the past.", retry_after=5)
            task = self._making[what] = asyncio.create_task(self._in_turn(work), name="a world of the past")
            task.add_done_callback(lambda done: self._made(what, done))
        result: T = await asyncio.shield(task)
        return result

    async def _in_turn(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async with self._turn:
            return await work()

    def _made(self, what: object, task: asyncio.Task[Any]) -> None:
        del self._making[what]
        if not task.cancelled():
            task.exception()  # whoever asked has been told, if they are still there

    async def _make(self, sequence: int) -> World:
        fold = Fold(_kinds(self._cloud.fold))
        shared = Shared(fold, self._cloud.fold)
        at = await self._moments.time(sequence)
        begin = shared.begin(await self._begin(sequence), at)
        await fold_to(fold, self._chronicle, sequence, begin, lambda: self._fits(shared.weight))
        world = World(self, sequence, at, fold, shared.weight)
        self._worlds[sequence] = world
        return world

    async def _begin(self, sequence: int) -> Snapshot | None:
        """The nearest that a world can be made from."""
        kept = await self._chronicle.snapshot(sequence)
        older = max((one for one in self._worlds if one <= sequence), default=0)
        if older > (kept.position if kept else 0):
            return snapshot(self._worlds[older].fold)
        return kept

    async def _fill(self, world: World) -> None:
        directory = Path(mkdtemp(dir=self._directory, prefix="past-")) if self._directory else None
        fold = Fold(_kinds(world.fold))
        shared = Shared(fold, self._cloud.fold)
        tables = Projector(fold, directory / "tables.duckdb" if directory else None)
        try:
            await fill(tables, self._chronicle, world.sequence, lambda: self._fits(shared.weight))
        except BaseException:  # also if it is given up
            _remove(directory)
            raise
        world.fold, world.tables, world.directory, world.weight = fold, tables, directory, shared.weight

    # What it may take

    async def _fits(self, weight: int) -> None:
        """Let go of other worlds to make room for one. Raises NoCapacity if it is too large alone."""
        if weight > self._settings.past_memory:
            raise NoCapacity("The cloud was larger then than gateway.past_memory lets a world of the past be.")
        await self._shrink(weight)

    async def _shrink(self, needed: int) -> None:
        held = needed + sum(world.weight for world in self._worlds.values())
        for sequence, world in list(self._worlds.items()):
            if held <= self._settings.past_memory:
                break
            if world.users == 0:
                held -= world.weight
                del self._worlds[sequence]
                await world.close()


def _remove(directory: Path | None) -> None:
    if directory is not None:
        shutil.rmtree(directory, ignore_errors=True)


def asked(headers: Mapping[str, str], method: str) -> str | None:
    """The moment that a request asks of. Raises Invalid if it is to change something."""
    text = headers.get(HEADER)
    if text is not None and method not in ("GET", "HEAD"):
        raise Invalid("The past cannot be changed: X-Cumulog-As-Of is for GET and HEAD.")
    return text


@asynccontextmanager
async def as_it_was(cloud: Cloud, text: str, has_past: bool) -> AsyncIterator[Cloud]:
    """`cloud` as of a moment that a request asks of. Raises Invalid, and as `Past.cloud`."""
    past: Past | None = cloud.parts.get(Past)
    if past is None or not has_past:
        raise Invalid("This has no past: X-Cumulog-As-Of is for what stands in the journal.")
    try:
        async with past.cloud(text) as then:
            yield then
    except Unavailable as fault:
        raise Busy("The past cannot be read now.") from fault


async def fill(
    tables: Projector, chronicle: Chronicle, sequence: int, grown: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Bring tables and their fold, both empty, to what they were at a sequence; to be stopped by whoever asked.

    They are made from the whole journal: a fold forgets the long dead, and has no histories. Raises Unavailable.
    """

    async def flush() -> None:
        if grown is not None:
            await grown()
        await tables.flush()

    try:
        await tables.begin()
        await fold_to(tables.fold, chronicle, sequence, None, flush)
    except BaseException:  # also if it is given up: whoever asked has nothing to stop then
        await tables.stop()
        raise


async def answer(chronicle: Chronicle, text: str, now: datetime, kinds: list[Any], sql: str) -> tuple[int, Answer]:
    """The sequence as of which a moment is, and the answer to one SELECT over the tables as they were then.

    Raises Invalid, Unavailable.
    """
    sequence = await Moments(chronicle).sequence(moment(text, now), now)
    with TemporaryDirectory(prefix="cumulog-") as directory:
        tables = Projector(Fold(kinds), Path(directory) / "tables.duckdb")
        await fill(tables, chronicle, sequence)
        try:
            return sequence, await query(tables, sql)
        finally:
            await tables.stop()


def chronicle_of(execute: Executor) -> Chronicle:
    """The whole past that a process of the cloud can read: its journal, and the archive if it has one."""
    archive = execute.fold.past
    return archived(execute.journal, archive) if isinstance(archive, Archive) else JournalChronicle(execute.journal)


def _kinds(fold: Fold) -> list[Any]:
    return [shelf.module for shelf in fold.shelves.values()]


__all__ = ["HEADER", "Past", "answer", "as_it_was", "asked", "chronicle_of", "fill"]
