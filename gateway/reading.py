"""Reading the log from the command line: beside a running cloud, or with a NATS server of its own if none runs.

What is printed is what stands in the journal; `trace` follows one request or one resource through all services.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from events.cadf import cadf
from events.cloudevents import Told, cloudevent, told_of
from events.envelope import Commit
from events.fold import Fold
from events.jetstream import JetStreamJournal
from events.journal import Entry, Journal
from events.services import deciders
from events.settings import Settings
from events.subjects import split
from events.wire import Wire
from gateway import journals
from gateway.directory import Directory, DirectoryFault

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
    is_running: bool  # somebody else holds the directory


@asynccontextmanager
async def opened(path: Path, settings: Settings) -> AsyncIterator[Opened]:
    """The journal of the cloud in `path`, whether it runs or not. Raises DirectoryFault."""
    if not (path / journals.JOURNAL).is_dir():
        raise DirectoryFault(f"there is no cloud in {path}")
    directory, cloud = Directory(path), journals.access(path).cloud
    if settings.journal.nats:
        wire = await Wire.connect(journals.urls(path, settings), cloud, name="cumulog reading")
        is_running = bool(directory.sharers()) or not directory.try_open()
        try:
            async with _reading(wire, settings, is_running) as found:
                yield found
        finally:
            directory.close()
        return
    server = journals.servers(path, settings)
    is_running = not directory.try_open()
    if is_running:
        server.attach()
    else:
        await server.start()
    try:
        wire = await Wire.connect(server.urls, cloud, name="cumulog reading")
        async with _reading(wire, settings, is_running) as found:
            yield found
    finally:
        if not is_running:
            await server.stop()
        directory.close()


@asynccontextmanager
async def _reading(wire: Wire, settings: Settings, is_running: bool) -> AsyncIterator[Opened]:
    try:
        journal = await JetStreamJournal.open(wire, replicas=journals.replicas(wire, settings))
        yield Opened(wire, journal, is_running)
    finally:
        await wire.close()


async def lines(journal: Journal, *, follow: bool = False, holding: bytes = b"") -> AsyncIterator[Line]:
    """All commits so far, and those to come if `follow`; only those whose bytes or subject hold `holding`."""
    last = await journal.last()
    queue: asyncio.Queue[Entry | None] = asyncio.Queue()
    text = holding.decode()

    def deliver(entry: Entry) -> None:
        if not holding or holding in entry.data or text in entry.subject:
            queue.put_nowait(entry)
        if not follow and entry.sequence >= last:
            queue.put_nowait(None)

    tail = await journal.tail(0, deliver)
    try:
        if last == 0 and not follow:
            return
        while (entry := await queue.get()) is not None:
            yield Line(entry.sequence, entry.subject, _decode(entry.data))
    finally:
        await tail.stop()


def since(text: str, now: datetime) -> datetime:
    """A moment: ISO 8601, or `90s`, `10m`, `2h`, `3d` ago. Raises ValueError."""
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    if text[-1:] in units and text[:-1].isdigit():
        return now - timedelta(**{units[text[-1]]: int(text[:-1])})
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def passes(line: Line, wanted: Filter) -> bool:
    service = line.subject.split(".")[1]
    return (
        (wanted.since is None or line.commit.at >= wanted.since)
        and (wanted.service is None or wanted.service == service)
        and (wanted.project is None or any(wanted.project in (one.owner, one.project) for one in line.commit.each()))
    )


def as_text(line: Line) -> str:
    commit = line.commit
    prefix, key = split(line.subject)
    names = ", ".join(event["type"] for event in commit.events)
    at = commit.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    who = commit.actor or "-"
    return f"{line.sequence:>8} {at} {prefix[3:]} {key} {names} by {who} {commit.request or ''}".rstrip()


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
        async for line in lines(cloud.journal, follow=follow):
            if passes(line, wanted):
                print(FORMATS[form](line), flush=follow)


async def trace(path: Path, settings: Settings, id: str) -> int:
    """Print what one request caused, or what ever happened to one resource; how many commits there were."""
    async with opened(path, settings) as cloud:
        read = lines(cloud.journal, holding=id.encode())
        found = [one async for line in read for one in line.each() if concerns(one, id)]
    for text in tree(found):
        print(text)
    if not found:
        print(f"Nothing in the journal speaks of {id}.", file=sys.stderr)
    return len(found)


def concerns(line: Line, id: str) -> bool:
    """Whether a commit follows from the request, is of the resource, or was made for it."""
    if line.commit.request == id or id in line.subject.split("."):
        return True
    return any(id == event.get("holder") or id == event.get("device_id") for event in line.commit.events)


def tree(found: list[Line]) -> list[str]:
    """One block for each request, its commits below it with the time since the first."""
    blocks: dict[str, list[Line]] = {}
    for line in found:
        blocks.setdefault(line.commit.request or "(nobody's request)", []).append(line)
    texts: list[str] = []
    for request, members in blocks.items():
        first = members[0].commit
        start = first.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        texts.append(f"{request}  {start}  by {first.actor or '-'}")
        for i, line in enumerate(members):
            prefix, key = split(line.subject)
            branch = "└─" if i == len(members) - 1 else "├─"
            elapsed = (line.commit.at - first.at).total_seconds() * 1000
            names = ", ".join(map(_said, line.commit.events))
            by = "" if line.commit.actor == first.actor else f"  by {line.commit.actor}"
            texts.append(f"{branch} +{elapsed:9.1f} ms  {prefix[3:]} {key}  {names}{by}")
    return texts


def _said(event: dict[str, Any]) -> str:
    """An event's name with what tells most: where, how many, why."""
    told = [f"{name}={event[name]}" for name in ("host", "ip", "message", "wanted") if event.get(name) is not None]
    return str(event["type"]) + (f" ({', '.join(told)})" if told else "")
