"""`python -m tests.golden VERSION`: what this code writes, kept for the tests of all later versions.

VERSION/journal.jsonl.gz    a journal with every kind of event
VERSION/states.json.gz      what it folds to
VERSION/directory.tar.gz    the state directory, without what is made anew or names this machine
"""

from __future__ import annotations

import asyncio
import gzip
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from events.chronicle import JournalChronicle
from events.journal import Entry
from events.settings import Settings
from gateway.reading import opened
from tests.contract.clouds import running
from tests.fingerprints import fingerprints
from tests.golden.golden import HERE, dump_entries, dump_states, kinds
from tests.golden.rare import rare
from tests.golden.visit import Visit

MADE_ANEW = ("lock", "nats.conf", "nats.log", "nats.pid", "tables.duckdb", "tables.duckdb.wal")


async def _rare(state: Path) -> None:
    async with opened(state, Settings()) as cloud:
        await rare(cloud.journal)


async def _entries(state: Path) -> list[Entry]:
    async with opened(state, Settings()) as cloud:
        return [entry async for entry in JournalChronicle(cloud.journal).entries()]


def _without(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if Path(info.name).name in MADE_ANEW or info.name.endswith(".ports"):
        return None
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


def make(target: Path) -> None:
    """Run a cloud, visit it, and keep what it leaves."""
    target.mkdir(parents=True)
    with TemporaryDirectory() as scratch:
        state = Path(scratch) / "cloud"
        with running(state, hosts=3) as cloud, cloud.user() as http:
            Visit(http, lambda project: cloud.user(project=project)).everything()
            asyncio.run(_rare(state))
        entries = asyncio.run(_entries(state))
        missing = set(fingerprints()) - kinds(entries)
        assert not missing, f"no event of these kinds was made: {sorted(missing)}"
        (target / "journal.jsonl.gz").write_bytes(gzip.compress(dump_entries(entries), mtime=0))
        (target / "states.json.gz").write_bytes(gzip.compress(dump_states(entries), mtime=0))
        with tarfile.open(target / "directory.tar.gz", "w:gz", compresslevel=9) as tar:
            tar.add(state, "cloud", filter=_without)


if __name__ == "__main__":
    make(HERE / sys.argv[1])
