"""The commands that look after the log and what is made of it: archive, rebuild, verify.

A running cloud is asked to archive and to rebuild, on subjects of NATS, and goes on meanwhile; of one that is stopped
it is done here. Source: DESIGN, "The commands a person meets".
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from events import checkpoint
from events.checkpoint import Forged
from events.clock import SystemClock
from events.epochs import CannotClose
from events.fold import Fold
from events.journal import Epoch, Unavailable
from events.nats.wire import Faulty, Wire
from events.services import deciders
from events.settings import Settings
from gateway.composition.ground import ARCHIVE, REBUILD, TABLES, Part
from gateway.reading import Opened, opened
from handlers.archivist import Archived, Archivist
from projections import archiving
from projections.archive import Damaged
from projections.projector import Projector
from projections.rebuild import Rebuilt, rebuild
from projections.verify import Finding, verify, verify_archive

ROLL_CALL = 1.0  # seconds that the processes of a running cloud have to say that they are there
LONG = 24 * 3600.0  # seconds that a running cloud may take to archive or to rebuild


def run(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    """Do one command; its exit status. Raises DirectoryFault."""
    try:
        match options.command:
            case "archive":
                return asyncio.run(_archive(path, settings))
            case "rebuild":
                return asyncio.run(_rebuild(path, settings))
            case "verify":
                return asyncio.run(_verify(path, settings, options.checkpoint))
    except (Unavailable, CannotClose, Damaged, Forged, Faulty, archiving.Broken) as fault:
        print(f"cumulog: {fault}", file=sys.stderr)
        return 1
    raise AssertionError(options.command)


async def _archive(path: Path, settings: Settings) -> int:
    async with opened(path, settings) as cloud:
        if cloud.is_running:
            number = (await cloud.journal.epochs())[-1].number
            answer = await cloud.wire.call(ARCHIVE, b"%d" % number, timeout=LONG, attempt=600)
            done = msgspec.json.decode(answer, type=Archived)
        else:
            done = await _archive_here(cloud, path)
        if done.closed is not None:
            one = done.closed
            print(f"Epoch {one.number} ends with commit {one.last}; {one.carried} resources were carried forward.")
        manifests = await cloud.archive.look()
        for manifest in (one for one in manifests if one.number in done.kept):
            print(f"Epoch {manifest.number}, commits {manifest.first} to {manifest.last}, is archived.")
            file = checkpoint.note(path, manifest.last, manifest.chain, SystemClock().now())
            print(f"A signed checkpoint is in {file}: keep a copy elsewhere.")
    return 0


async def _archive_here(cloud: Opened, path: Path) -> Archived:
    async def keep(epoch: Epoch) -> int:
        return (await archiving.keep(cloud.archive, cloud.journal, epoch, deciders())).bytes

    async with folded(cloud, path / TABLES) as tables:
        return await Archivist(cloud.journal, tables.fold, keep).archive()


@asynccontextmanager
async def folded(cloud: Opened, file: Path | None) -> AsyncIterator[Projector]:
    """A cloud's tables, in a file or in memory, and by them its fold, into which all that stands in the journal came.

    Raises InUse, OSError, Unavailable, Damaged.
    """
    tables = Projector(Fold(deciders()), file)
    tables.fold.past = cloud.archive
    await tables.load(SystemClock().now(), await cloud.journal.last(), cloud.archive)
    try:
        await tables.fold.follow(cloud.journal)
        yield tables
    finally:
        await tables.stop()
        await tables.fold.stop()


async def _rebuild(path: Path, settings: Settings) -> int:
    async with opened(path, settings) as cloud:
        if cloud.is_running:
            return await _rebuild_all(cloud.wire)
        _tell_rebuilt(await rebuild(cloud.journal, cloud.archive, path / TABLES))
    return 0


async def _rebuild_all(wire: Wire) -> int:
    """Have every process of a running cloud make its tables anew. Raises Unavailable: none has answered."""
    said = await wire.gather(REBUILD, ROLL_CALL)
    parts = sorted((msgspec.json.decode(one, type=Part) for one in said), key=lambda part: part.name)
    if not parts:
        raise Unavailable("no process of the cloud answers")

    async def one(part: Part) -> Rebuilt:
        answer = await wire.call(f"{REBUILD}.{part.id}", b"", timeout=LONG, attempt=LONG)
        return msgspec.json.decode(answer, type=Rebuilt)

    failed = False
    for part, done in zip(parts, await asyncio.gather(*map(one, parts), return_exceptions=True), strict=True):
        if isinstance(done, Rebuilt):
            _tell_rebuilt(done, f"{part.name}: " if len(parts) > 1 else "")
        else:
            failed = True
            print(f"cumulog: {part.name}: {done}", file=sys.stderr)
    return 1 if failed else 0


def _tell_rebuilt(done: Rebuilt, who: str = "") -> None:
    what = f"The tables hold what {done.position} commits say: {done.resources} resources in {done.seconds:.1f} s."
    print(who + what)


async def _verify(path: Path, settings: Settings, point: Path | None) -> int:
    count = 0

    def tell(finding: Finding) -> None:
        nonlocal count
        count += 1
        print(f"{finding.sequence:>8} {finding.subject} {finding.what}")

    async with opened(path, settings) as cloud, AsyncExitStack() as stack:
        reached = checkpoint.read(point, path / "keys") if point is not None else None
        async for finding in verify_archive(cloud.archive, cloud.journal, reached):
            tell(finding)
        tables = None
        if not count and not cloud.is_running:
            tables = await stack.enter_async_context(folded(cloud, path / TABLES))
            await tables.flush()
        if not count:
            store = tables.store if tables else None
            async for finding in verify(cloud.journal, deciders(), store, archive=cloud.archive):
                tell(finding)
        last = await cloud.journal.last()
    what = "commits checked" if tables is None else "commits and the tables checked"
    print(f"{last} {what}: {count} finding{'' if count == 1 else 's'}.")
    return 1 if count else 0
