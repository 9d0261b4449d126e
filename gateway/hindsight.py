"""The commands that look back: `query --as-of`, `trace`. They read the journal, whether the cloud runs or not."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from events.chronicle import Chronicle, JournalChronicle
from events.clock import SystemClock
from events.refusals import Invalid
from events.services import deciders
from events.settings import Settings
from gateway import past
from gateway.mending import show
from gateway.reading import Opened, opened


def chronicle(cloud: Opened) -> Chronicle:
    """The whole past of a cloud."""
    return JournalChronicle(cloud.journal)


def query(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    """Answer one SELECT over the tables as they were; the exit status. Raises DirectoryFault."""
    return asyncio.run(_query(path, settings, options.sql, options.as_of))


async def _query(path: Path, settings: Settings, sql: str, moment: str) -> int:
    async with opened(path, settings) as cloud:
        try:
            sequence, found = await past.answer(chronicle(cloud), moment, SystemClock().now(), deciders(), sql)
        except Invalid as refusal:
            print(f"cumulog: {refusal.message}", file=sys.stderr)
            return 1
    print(f"as of sequence {sequence}", file=sys.stderr)
    show(found)
    return 0
