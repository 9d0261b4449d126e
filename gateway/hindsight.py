"""The commands that look back: `query --as-of`, `trace`, `replay`. They read the journal of a cloud, running or not."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from events.clock import SystemClock
from events.moments import Moments, moment
from events.refusals import Invalid
from events.services import deciders
from events.settings import Settings
from gateway import past, timeline, traces
from gateway.history import History, history
from gateway.mending import show
from gateway.reading import opened
from gateway.traces import Trace
from projections import requests


def query(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    """Answer one SELECT over the tables as they were; the exit status. Raises DirectoryFault."""
    return asyncio.run(_query(path, settings, options.sql, options.as_of))


def trace(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    """Tell what one request caused, or what ever happened to one resource; the exit status. Raises DirectoryFault."""
    found = asyncio.run(_trace(path, settings, options.id))
    if not found.moments:
        print(f"Nothing in the journal speaks of {options.id}.", file=sys.stderr)
        return 1
    _give(FORMATS[options.format](found), options.output)
    return 0


FORMATS: dict[str, Callable[[Trace], str]] = {
    "text": lambda found: "\n".join(traces.text(found)),
    "json": lambda found: msgspec.json.format(msgspec.json.encode(found)).decode(),
    "html": timeline.page,
    "svg": timeline.svg,
}


async def _trace(path: Path, settings: Settings, id: str) -> Trace:
    async with opened(path, settings) as cloud:
        return await traces.trace(cloud.chronicle, id, requests=requests.newest(path))


def replay(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    """Have a history happen again, and tell what came of it; the exit status. Raises DirectoryFault."""
    from gateway import replay_report, replaying  # with handlers and agents, which no other command here needs

    try:
        found = asyncio.run(_history(path, settings, options.begin, options.end))
    except Invalid as refusal:
        print(f"cumulog: {refusal.message}", file=sys.stderr)
        return 1
    wanted = replaying.Options(scheduler=options.scheduler, hosts=options.hosts, seed=options.seed)
    compared = replay_report.compare(found, replaying.replay(found, settings, wanted))
    changes = [f"scheduler {options.scheduler or settings.compute.scheduler}", f"seed {options.seed}"]
    title = f"Replayed with {', '.join([f'{options.hosts} hosts'] * bool(options.hosts) + changes)}"
    match options.format:
        case "json":
            text = msgspec.json.format(msgspec.json.encode(compared)).decode()
        case "svg":
            text = replay_report.svg(compared, title)
        case _:
            text = "\n".join(replay_report.text(found, compared, title))
    _give(text, options.output)
    return 0


async def _history(path: Path, settings: Settings, begin: str | None, end: str | None) -> History:
    async with opened(path, settings) as cloud:
        past, now = cloud.chronicle, SystemClock().now()
        find, last = Moments(past), await past.last()
        first = await find.sequence(moment(begin, now), now) if begin else 0
        until = await find.sequence(moment(end, now), now) if end else last
        if until <= first:
            raise Invalid("Nothing happened in that time.")
        return await history(past, first, until)


def _give(text: str, file: Path | None) -> None:
    if file is None:
        print(text)
    else:
        file.write_text(text + "\n")


async def _query(path: Path, settings: Settings, sql: str, moment: str) -> int:
    async with opened(path, settings) as cloud:
        try:
            sequence, found = await past.answer(cloud.chronicle, moment, SystemClock().now(), deciders(), sql)
        except Invalid as refusal:
            print(f"cumulog: {refusal.message}", file=sys.stderr)
            return 1
    print(f"as of sequence {sequence}", file=sys.stderr)
    show(found)
    return 0
