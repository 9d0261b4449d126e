"""A disk that is full: writes are refused while they cannot be stored, and all goes on by itself once there is room."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from events.journal import Unavailable
from events.nats.jetstream import JetStreamJournal
from events.nats.server import NatsServer
from events.nats.wire import Wire
from tests.faults.surroundings import Volume, need
from tests.waiting import until

PAGE = 4096  # bytes that a small disk gives a file at a time


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Volume]:
    need("mount", "umount")
    volume = Volume(tmp_path / "journal", 48)
    yield volume
    volume.remove()


async def begun(volume: Volume) -> tuple[NatsServer, Wire, JetStreamJournal]:
    """A server on the small disk, a connection, and a journal that does not wait long."""
    server = NatsServer(volume.path)
    await server.start()
    wire = await Wire.connect([server.url], server.cloud)
    return server, wire, await JetStreamJournal.open(wire, deadline=1.0)


async def test_a_journal_whose_disk_was_full_takes_writes_again_once_there_is_room(
    volume: Volume, caplog: pytest.LogCaptureFixture
) -> None:
    server, wire, journal = await begun(volume)
    written: dict[str, int] = {}

    async def write(some: range) -> None:
        for n in some:
            subject = f"ev.compute.server.{n}"
            written[subject] = await journal.append(subject, b"x" * 9000, expected=0)

    await write(range(9))
    volume.fill()
    with pytest.raises(Unavailable):
        await write(range(9, 99))
    assert [entry.sequence for entry in await journal.of("ev.compute.server.3")] == [4]  # it can be read all the while
    await until(lambda: "nothing can be changed until its disk has room" in caplog.text)  # it has noticed
    volume.free()
    end = time.monotonic() + 20
    while "ev.compute.server.99" not in written:
        with suppress(Unavailable):
            await write(range(99, 100))
        assert time.monotonic() < end
    for subject, sequence in written.items():
        assert [entry.sequence for entry in await journal.of(subject)] == [sequence]
    await wire.close()
    await server.stop()


async def test_a_server_that_dies_while_its_disk_is_full_serves_once_there_is_room(
    volume: Volume, caplog: pytest.LogCaptureFixture
) -> None:
    """It starts all the same, and cannot say on which ports."""
    server, wire, journal = await begun(volume)
    await journal.append("ev.compute.server.0", b"x" * 9000, expected=0)
    with (volume.path / "nats.log").open("ab") as file:  # its first word takes the page that the file of ports had
        file.write(b" " * (-file.tell() % PAGE))
    volume.fill()
    assert server._child is not None
    server._child.kill()
    await until(lambda: "could not write which ports it has" in caplog.text)
    volume.free()
    async with asyncio.timeout(20):
        while True:
            with suppress(Unavailable):  # until it has been started once more
                await journal.append("ev.compute.server.1", b"x" * 9000, expected=0)
                break
    assert [entry.sequence for entry in await journal.of("ev.compute.server.0")] == [1]
    await wire.close()
    await server.stop()
