"""Consumers over NATS: who may hear the feed. Their files are `DIR/credentials/consumer.NAME.json`.

The process that runs the cloud's NATS server lets in whom it finds there, and writes into each file where it is.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from events.nats.access import FED
from events.nats.feed_stream import FeedStream
from events.settings import Settings
from gateway.composition import journals
from gateway.composition.directory import Directory, DirectoryFault
from gateway.composition.journals import Servers
from gateway.reading import opened

LOOK = 1.0  # seconds between two looks at the files

_name = re.compile(r"[A-Za-z0-9_-]{1,64}\Z").match

log = logging.getLogger("cumulog.consumers")


class ConsumerPass(Struct, frozen=True, kw_only=True):
    """What a consumer's file says: all that a program needs."""

    servers: list[str]
    user: str
    password: str
    subject: str  # what it is to subscribe to
    inbox: str  # the prefix of its own inboxes, for a client that wants one
    project: str | None = None  # whose own commits it is told of; None: all


def write(directory: Directory, name: str, project: str | None, servers: Sequence[str]) -> Path:
    """A consumer's file."""
    given = journals.access(directory.path).consumer(name)
    one = ConsumerPass(
        servers=list(servers),
        user=given.user,
        password=given.password,
        subject=f"{FED}.{name}",
        inbox=given.inbox,
        project=project,
    )
    text = msgspec.json.format(msgspec.json.encode(one)).decode() + "\n"
    return directory.write_private(f"{journals.CREDENTIALS}/consumer.{name}.json", text)


async def add(path: Path, settings: Settings, name: str, project: str | None, after: int | None) -> Path:
    """Have a consumer hear what comes after a sequence (None: the present one); its file. Raises DirectoryFault."""
    if not _name(name):
        raise DirectoryFault(f"a consumer's name has letters, digits, - and _, not {name!r}")
    if project is not None and not _name(project):
        raise DirectoryFault(f"--project takes a project's id, not {project!r}")
    async with opened(path, settings) as cloud:
        last = await cloud.journal.last()
        begin = last if after is None else after
        if not 0 <= begin <= last:
            raise DirectoryFault(f"the journal has come to {last}: there is no {begin} yet")
        replicas = journals.replicas(cloud.wire, settings)
        stream = FeedStream(cloud.wire)
        await stream.admit(name, project, begin, settings.feed, replicas=replicas)
        file = write(Directory(path), name, project, journals.urls(path, settings))
    journals.write_accounts(Directory(path))
    return file


async def remove(path: Path, settings: Settings, name: str) -> None:
    """No such consumer any more; with the last of them the stream goes. Raises DirectoryFault."""
    file = path / journals.CREDENTIALS / f"consumer.{name}.json"
    if not _name(name) or not file.exists():
        raise DirectoryFault(f"there is no consumer {name}")
    async with opened(path, settings) as cloud:
        await FeedStream(cloud.wire).dismiss(name)
    file.unlink()
    journals.write_accounts(Directory(path))


async def admit(directory: Directory, server: Servers) -> None:
    """Let in whoever has a file, agents of hosts too, until cancelled; consumers' files tell where the server is."""
    folder = directory.path / journals.CREDENTIALS
    known: tuple[list[str], list[str]] = ([], [])
    while True:
        found = (sorted(file.name for file in folder.glob("*.json")), server.urls)
        if found != known:
            names = journals.consumers(directory.path)
            for name in names:
                one = msgspec.json.decode((folder / f"consumer.{name}.json").read_bytes(), type=ConsumerPass)
                write(directory, name, one.project, server.urls)
            await server.admit(journals.admitted(directory.path), names)
            known = found
        await asyncio.sleep(LOOK)
