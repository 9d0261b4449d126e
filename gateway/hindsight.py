"""The commands that look back: `query --as-of`, `trace`. They read the journal, whether the cloud runs or not."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from events.chronicle import Chronicle, JournalChronicle
from events.clock import SystemClock
from events.refusals import Invalid
from events.services import deciders
from events.settings import Settings
from gateway import past, timeline, traces
from gateway.mending import show
from gateway.reading import Opened, opened
from gateway.traces import Trace


def chronicle(cloud: Opened) -> Chronicle:
    """The whole past of a cloud."""
    return JournalChronicle(cloud.journal)


def query(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    """Answer one SELECT over the tables as they were; the exit status. Raises DirectoryFault."""
    return asyncio.run(_query(path, settings, options.sql, options.as_of))


def trace(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    """Tell what one request caused, or what ever happened to one resource; the exit status. Raises DirectoryFault."""
    found = asyncio.run(_trace(path, settings, options.id))
    if not found.moments:
        print(f"Nothing in the journal speaks of {options.id}.", file=sys.stderr)
        return 1
    text = FORMATS[options.format](found)
    if options.output is None:
        print(text)
    else:
        options.output.write_text(text + "\n")
    return 0


FORMATS: dict[str, Callable[[Trace], str]] = {
    "text": lambda found: "\n".join(traces.text(found)),
    "json": lambda found: msgspec.json.format(msgspec.json.encode(found)).decode(),
    "html": timeline.page,
    "svg": timeline.svg,
}


async def _trace(path: Path, settings: Settings, id: str) -> Trace:
    async with opened(path, settings) as cloud:
        return await traces.trace(chronicle(cloud), id)


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
