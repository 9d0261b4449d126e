"""The commands that look after a cloud: bootstrap, destroy, rebuild, verify, query."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from pathlib import Path

import msgspec

from events.clock import SystemClock
from events.fold import Fold
from events.refusals import Refusal
from events.services import deciders
from events.settings import Settings
from gateway.directory import Directory, DirectoryFault
from gateway.reading import journal_of


def run(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    """Do one command; its exit status."""
    match options.command:
        case "rebuild":
            return asyncio.run(_rebuild(path, settings))
        case "verify":
            return asyncio.run(_verify(path, settings))
        case "query":
            return asyncio.run(_query(path, settings, options.sql))
        case "destroy":
            return _destroy(path, options.yes)
        case "bootstrap":
            return asyncio.run(_bootstrap(path, settings))
    raise AssertionError(options.command)


async def _rebuild(path: Path, settings: Settings) -> int:
    from projections.projector import Projector

    async with journal_of(path, settings) as journal:
        fresh = path / "tables.duckdb.new"
        for leftover in path.glob("tables.duckdb.new*"):
            leftover.unlink()
        fold = Fold(deciders())
        tables = Projector(fold, fresh)
        last = await journal.last()
        await tables.load(SystemClock().now(), last)
        await fold.follow(journal)
        await tables.stop()
        await fold.stop()
        _unused(path)
        for old in path.glob("tables.duckdb*"):
            if ".new" not in old.name:
                old.unlink()
        fresh.replace(path / "tables.duckdb")
        print(f"The tables hold what {last} commits say.")
    return 0


def _unused(path: Path) -> None:
    """The tables of a running cloud are its own. Raises DirectoryFault."""
    directory = Directory(path)
    if not directory.is_locked_by_us(path):
        raise DirectoryFault(f"{path} is in use: stop the cloud first")


async def _verify(path: Path, settings: Settings) -> int:
    from projections.verify import verify

    async with journal_of(path, settings) as journal:
        count = 0
        async for finding in verify(journal, path / "tables.duckdb"):
            count += 1
            print(finding)
        last = await journal.last()
    print(f"{last} commits checked: {count} findings.")
    return 1 if count else 0


async def _query(path: Path, settings: Settings, sql: str) -> int:
    from projections.query import query

    from projections.projector import Projector

    async with journal_of(path, settings) as journal:
        fold = Fold(deciders())
        tables = Projector(fold, None)
        await tables.load(SystemClock().now(), 0)
        await fold.follow(journal)
        try:
            columns, rows = await query(tables, sql)
        except Refusal as refusal:
            print(f"cumulog: {refusal.message}", file=sys.stderr)
            return 1
        finally:
            await tables.stop()
            await fold.stop()
    print("\t".join(columns))
    for row in rows:
        print("\t".join(value if isinstance(value, str) else msgspec.json.encode(value).decode() for value in row))
    return 0


def _destroy(path: Path, sure: bool) -> int:
    from agents import destroy

    if not (path / "cloud").exists():
        raise DirectoryFault(f"there is no cloud in {path}")
    if not sure and input(f"Remove the cloud in {path} and all its guests? Type yes: ").strip() != "yes":
        return 1
    directory = Directory(path)
    directory.open()
    for line in destroy.everything_of(directory.cloud_id, path):
        print(line)
    directory.close()
    shutil.rmtree(path)
    print(f"{path} is gone.")
    return 0


async def _bootstrap(path: Path, settings: Settings) -> int:
    raise NotImplementedError
