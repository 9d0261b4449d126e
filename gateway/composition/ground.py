"""The ground that gateways and handlers stand on: the wire, the journal, the fold, the tables, the door, the vault."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from events import tracing
from events.clock import SystemClock
from events.decider import Executor
from events.fold import Fold
from events.ids import new_hex
from events.journal import Journal, Unavailable
from events.nats.assignments import Assignments
from events.nats.keeper import Keeper
from events.nats.streams import UnsafeJournal
from events.nats.vault import NatsVault, WrongKey, has_key
from events.nats.wire import Wire
from events.services import deciders
from events.settings import Settings
from events.watched import TracedExecutor, WatchedJournal
from gateway.composition import journals
from gateway.composition.parts import CannotStart, Parts
from gateway.composition.progress import Progress
from gateway.health import Health
from gateway.watch import Watch
from projections import rebuild
from projections.archive import Archive
from projections.cold import cold
from projections.projector import Projector
from projections.rebuild import Rebuilt

T = TypeVar("T")

TABLES = "tables.duckdb"
REBUILD = "rebuild"  # who has tables says so on this one, and makes them anew on one of his own below it
ARCHIVE = "archive"  # a running cloud closes and archives an epoch when it is asked to on this subject

log = logging.getLogger("cumulog.nats")


class Ground(Struct, frozen=True, kw_only=True):
    """What a process of the cloud has, whatever it does with it."""

    parts: Parts
    settings: Settings
    path: Path  # of the cloud's directory: keys, images
    wire: Wire
    execute: Executor
    tables: Projector
    archive: Archive
    assignments: Assignments
    vault: NatsVault
    journal: WatchedJournal
    health: Health


async def lay(parts: Parts, settings: Settings, path: Path, own: Path, connecting: Awaitable[Wire]) -> Ground:
    """The ground, once everything that stands in the journal is folded in. `own` has this process's tables."""
    fold = Fold(deciders())
    tables = Projector(fold, own / TABLES)
    parts.later("tables", tables.stop)
    opening = asyncio.create_task(tables.open())
    wire = await connecting
    replicas = journals.replicas(wire, settings)
    journal = await _open(lambda: _journal(wire, settings, path))
    execute = (TracedExecutor if tracing.is_on() else Executor)(journal, fold, SystemClock())
    tracing.learn(fold)
    fold.past = archive = Archive(cold(settings.archive.url, path / "archive"), own / "archive.copies")
    parts.later("archive", archive.close)
    await opening
    await _follow(parts, execute, tables, archive)
    await _serve_rebuilds(parts, wire, journal, tables, archive, own.name)
    assignments = await _open(lambda: Assignments.open(wire, replicas=replicas))
    vault = await _open(lambda: NatsVault.open(wire, path / "keys", replicas=replicas))
    watch, health = Watch(wire, journal, fold, tables, execute.clock), Health()
    watch.look(health)
    parts.background("watch", watch.run())
    if (path / journals.JOURNAL).is_dir():  # it is on a disk of this machine
        keeper = Keeper(path / journals.JOURNAL, journal, settings.journal.reserve)
        parts.background("keeper of the journal's disk", keeper.run())
    return Ground(
        parts=parts,
        settings=settings,
        path=path,
        wire=wire,
        execute=execute,
        tables=tables,
        archive=archive,
        assignments=assignments,
        vault=vault,
        journal=journal,
        health=health,
    )


async def _journal(wire: Wire, settings: Settings, path: Path) -> WatchedJournal:
    """The journal, made only where no cloud has been up: NATS may have lost it, or not tell of it yet."""
    replicas, is_new = journals.replicas(wire, settings), not has_key(path / "keys")
    return await WatchedJournal.open(wire, replicas=replicas, deadline=settings.journal.deadline, is_new=is_new)


async def _open(opening: Callable[[], Awaitable[T]]) -> T:
    """What is opened, as soon as NATS stores: a cluster may be without its majority for as long as it likes.

    Raises CannotStart.
    """
    while True:
        try:
            return await opening()
        except (WrongKey, UnsafeJournal) as fault:
            raise CannotStart(str(fault)) from fault
        except Unavailable as fault:
            log.warning("waiting for NATS: %s", fault)
        await asyncio.sleep(journals.PAUSE)


class Part(Struct, frozen=True):
    """A process that has tables."""

    id: str
    name: str


async def _serve_rebuilds(
    parts: Parts, wire: Wire, journal: Journal, tables: Projector, archive: Archive, name: str
) -> None:
    part = Part(new_hex(), name)

    async def build(draft: Path, at_least: int) -> Rebuilt:
        return await rebuild.build(journal, archive, draft, at_least)

    async def serve(subject: str, data: bytes) -> bytes:
        return msgspec.json.encode(await tables.renew(build))

    async def answer(subject: str, data: bytes) -> bytes:
        return msgspec.json.encode(part)

    await parts.service(wire, REBUILD, part.id, answer)
    await parts.service(wire, f"{REBUILD}.{part.id}", f"{REBUILD}.{part.id}", serve)


async def _follow(parts: Parts, execute: Executor, tables: Projector, archive: Archive) -> None:
    fold = execute.fold
    last = await _open(execute.journal.last)
    telling = asyncio.create_task(_tell(fold, tables, last))
    await _open(lambda: tables.load(execute.clock.now(), last, archive, execute.journal))
    parts.background("tables' flushes", tables.run())
    await _open(lambda: fold.follow(execute.journal))
    telling.cancel()
    parts.later("fold", fold.stop)
    parts.background("burials", _bury(fold))


async def _tell(fold: Fold, tables: Projector, last: int) -> None:
    """How far the fold has come, for who waits at a start."""
    progress = Progress("reading the log", last, "commits")
    while True:
        await asyncio.sleep(0.5)
        progress.at(tables.pouring.position if tables.pouring else fold.position)


async def _bury(fold: Fold) -> None:
    clock = SystemClock()
    while True:
        await asyncio.sleep(60)
        fold.bury(clock.now())
