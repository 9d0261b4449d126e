"""Reading the log from the command line: beside a running cloud, or with a NATS server of its own if none runs.

What is printed is what stands in the journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from events.cadf import cadf
from events.cloudevents import Told, cloudevent, told_of
from events.envelope import Commit
from events.fold import Fold
from events.journal import Entry
from events.nats.jetstream import JetStreamJournal
from events.nats.server import StartFault
from events.nats.wire import Wire
from events.passage import brief, is_of_passage
from events.services import deciders
from events.settings import Settings
from events.subjects import split
from gateway.composition import journals
from gateway.composition.directory import Directory, DirectoryFault
from projections.archive import Archive, Chronicle
from projections.cold import cold

PATIENCE = 60.0  # seconds: a cluster that was just started takes ten to agree on its leaders, more if it is busy

RawCommit = Commit[dict[str, Any]]
_decode = msgspec.json.Decoder(RawCommit).decode


class Filter(Struct, frozen=True, kw_only=True):
    """Which commits to print."""

    since: datetime | None = None
    service: str | None = None
    project: str | None = None


class Line(Struct, frozen=True):
    """A commit as read."""

    sequence: int
    subject: str
    commit: RawCommit

    def each(self) -> Iterator[Line]:
        """The commands of the commit, one by one."""
        return (Line(self.sequence, self.subject, one) for one in self.commit.each())


class Opened(Struct, frozen=True):
    """A cloud's journal, opened from the command line."""

    wire: Wire
    journal: JetStreamJournal
    archive: Archive
    is_running: bool  # somebody else holds the directory

    @property
    def chronicle(self) -> Chronicle:
        """The whole past, archived and hot."""
        return Chronicle(self.journal, self.archive)


@asynccontextmanager
async def opened(path: Path, settings: Settings) -> AsyncIterator[Opened]:
    """The journal of the cloud in `path`, whether it runs or not. Raises DirectoryFault, Unavailable."""
    if not (path / journals.JOURNAL).is_dir():
        raise DirectoryFault(f"there is no cloud in {path}")
    directory, cloud = Directory(path), journals.access(path).cloud
    if settings.journal.nats:
        wire = await Wire.connect(journals.urls(path, settings), cloud, name="cumulog reading")
        is_running = bool(directory.sharers()) or not directory.try_open()
        try:
            async with _reading(wire, path, settings, is_running) as found:
                yield found
        finally:
            directory.close()
        return
    server = journals.servers(path, settings)
    is_running = not directory.try_open()
    try:
        if is_running:
            server.attach()
        else:
            await server.start()
    except StartFault as fault:
        raise DirectoryFault(str(fault)) from fault
    try:
        wire = await Wire.connect(server.urls, cloud, name="cumulog reading")
        async with _reading(wire, path, settings, is_running) as found:
            yield found
    finally:
        if not is_running:
            await server.stop()
        directory.close()


@asynccontextmanager
async def _reading(wire: Wire, path: Path, settings: Settings, is_running: bool) -> AsyncIterator[Opened]:
    archive = Archive(cold(settings.archive.url, path / "archive"), path / "archive.copies")
    try:
        replicas = journals.replicas(wire, settings)
        journal = await JetStreamJournal.open(wire, replicas=replicas, deadline=PATIENCE, is_new=False)
        yield Opened(wire, journal, archive, is_running)
    finally:
        await archive.close()
        await wire.close()


async def lines(cloud: Opened, *, follow: bool = False) -> AsyncIterator[Line]:
    """All commits so far, and those to come if `follow`."""
    last = await cloud.journal.last()
    async for entry in cloud.chronicle.entries(0, last):
        yield _line(entry)
    if not follow:
        return
    queue: asyncio.Queue[Entry] = asyncio.Queue()
    tail = await cloud.journal.tail(last, queue.put_nowait, cloud.archive.entries)
    try:
        while True:
            yield _line(await queue.get())
    finally:
        await tail.stop()


def _line(entry: Entry) -> Line:
    data = brief(entry.data) if is_of_passage(entry.subject) else entry.data
    return Line(entry.sequence, entry.subject, _decode(data))


def passes(line: Line, wanted: Filter) -> bool:
    service = line.subject.split(".")[1]
    return (
        (wanted.since is None or line.commit.at >= wanted.since)
        and (wanted.service is None or wanted.service == service)
        and (wanted.project is None or any(wanted.project in (one.owner, one.project) for one in line.commit.each()))
    )


def as_text(line: Line) -> str:
    """A line for each command."""
    prefix, key = split(line.subject)
    at = line.commit.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    texts = []
    for commit in line.commit.each():
        names = ", ".join(event["type"] for event in commit.events)
        who = f"by {commit.actor or '-'} {commit.request or ''}".rstrip()
        texts.append(f"{line.sequence:>8} {at} {prefix[3:]} {key} {names} {who}")
    return "\n".join(texts)


def as_json(line: Line) -> str:
    return msgspec.json.encode(line).decode()


def as_cloudevent(line: Line) -> str:
    """CloudEvents 1.0, JSON format: one event for each commit."""
    return cloudevent(_told(line)).decode()


def as_cadf(line: Line) -> str:
    """Audit records as DMTF's CADF has them: one for each command."""
    return b"\n".join(cadf(_told(line))).decode()


def _told(line: Line) -> Told:
    """A commit in today's forms, whatever version wrote it."""
    return told_of(Entry(line.sequence, line.subject, msgspec.json.encode(line.commit)), _today())


@cache
def _today() -> Fold:
    return Fold(deciders())


FORMATS: dict[str, Callable[[Line], str]] = {
    "text": as_text,
    "json": as_json,
    "cloudevents": as_cloudevent,
    "cadf": as_cadf,
}


async def events(
    path: Path,
    settings: Settings,
    *,
    follow: bool,
    wanted: Filter,
    form: Literal["text", "json", "cloudevents", "cadf"],
) -> None:
    """Print the log."""
    async with opened(path, settings) as cloud:
        async for line in lines(cloud, follow=follow):
            if passes(line, wanted):
                print(FORMATS[form](line), flush=follow)
