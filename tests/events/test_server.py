"""The embedded NATS server, and who processes are."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from pathlib import Path

import pytest

from events import process
from events.nats.jetstream import JetStreamJournal
from events.nats.monitoring import ask
from events.nats.server import NatsServer, StartFault
from events.nats.wire import Denied, Wire
from tests.waiting import PATIENCE, until


def identity_of(server: NatsServer) -> process.Identity:
    assert server._child is not None
    found = process.identity(server._child.pid)
    assert found is not None
    return found


async def test_it_keeps_its_files_to_itself(server: NatsServer) -> None:
    for name in ("nats.conf", "nats.secret"):
        assert (server.directory / name).stat().st_mode & 0o777 == 0o600
    assert server.directory.stat().st_mode & 0o777 == 0o700
    assert server.url.startswith("nats://127.0.0.1:")
    assert server.cloud.password not in " ".join(process.arguments(identity_of(server)))


async def test_it_is_stopped_and_started_again_with_what_it_had(server: NatsServer) -> None:
    wire = await Wire.connect([server.url], server.cloud)
    journal = await JetStreamJournal.open(wire)
    await journal.append("ev.compute.server.a", b"1", expected=0)
    who = identity_of(server)
    await server.stop()
    assert not process.lives(who)
    assert not (server.directory / "nats.pid").exists()
    await server.start()
    assert await journal.last() == 1  # the same address, the same passwords
    await wire.close()


async def test_a_dead_server_is_started_again_on_its_port(server: NatsServer, caplog: pytest.LogCaptureFixture) -> None:
    url, first = server.url, identity_of(server)
    os.kill(first.pid, signal.SIGKILL)
    await until(lambda: server._child and server._child.returncode is None and server._child.pid != first.pid)
    await (await Wire.connect([url], server.cloud)).close()
    assert server.url == url
    assert "died" in caplog.text


async def test_what_a_crashed_parent_left_is_ended(server: NatsServer) -> None:
    who = identity_of(server)
    assert server._watcher is not None
    server._watcher.cancel()  # as if the parent were gone
    successor = NatsServer(server.directory)
    await successor.start()
    assert not process.lives(who)
    assert successor.cloud == server.cloud
    await successor.stop()
    await until(lambda: server._child is None or server._child.returncode is not None)


async def test_a_stranger_with_the_number_of_a_leftover_is_left_alone(tmp_path: Path, no_task_is_left: None) -> None:
    stranger = await asyncio.create_subprocess_exec("sleep", "60")
    who = process.identity(stranger.pid)
    assert who is not None
    (tmp_path / "nats").mkdir()
    process.remember(tmp_path / "nats" / "nats.pid", who)
    server = NatsServer(tmp_path / "nats")
    await server.start()
    await server.stop()
    assert stranger.returncode is None
    stranger.kill()
    await stranger.wait()


PARENT = """
import asyncio, sys
from pathlib import Path
from events.nats.server import NatsServer
async def main():
    server = NatsServer(Path(sys.argv[1]))
    await server.start()
    print(server._child.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_it_dies_with_its_parent(tmp_path: Path, no_task_is_left: None) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path / "nats"), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    who = process.identity(int(await parent.stdout.readline()))
    assert who is not None
    parent.kill()
    await parent.stdout.read()  # to its end, or the pipe stays open
    await parent.wait()
    await until(lambda: not process.lives(who))


async def is_admitted(server: NatsServer, host: str) -> bool:
    try:
        await (await Wire.connect([server.url], server.agent(host))).close()
    except Denied:
        return False
    return True


async def test_hosts_are_let_in_while_it_runs(server: NatsServer) -> None:
    assert not await is_admitted(server, "h9")
    wires = [await Wire.connect([server.url], who) for who in (server.cloud, server.agent("h1"))]
    await server.admit(["h9"])
    async with asyncio.timeout(PATIENCE):
        while not await is_admitted(server, "h9"):
            await asyncio.sleep(0.01)
    for wire in wires:
        assert wire.client.stats["reconnects"] == 0
        await wire.close()


async def test_a_server_that_cannot_start_says_why(tmp_path: Path, no_task_is_left: None) -> None:
    server = NatsServer(tmp_path / "nats", sync="never mind")
    with pytest.raises(StartFault, match="sync"):
        await server.start()
    await server.stop()


# Processes


def test_a_process_knows_itself() -> None:
    who = process.identity(os.getpid())
    assert who is not None
    assert process.lives(who)
    assert process.arguments(who)


def test_a_number_given_again_is_somebody_else() -> None:
    who = process.identity(os.getpid())
    assert who is not None
    former = process.Identity(who.pid, who.started - 1, who.boot)
    assert not process.lives(former)
    assert not process.lives(process.Identity(who.pid, who.started, "another boot"))
    assert process.arguments(former) == []


def test_what_is_not_readable_is_nobody(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    assert process.remembered(file) is None
    file.write_text("half a li")
    assert process.remembered(file) is None
    who = process.identity(os.getpid())
    assert who is not None
    process.remember(file, who)
    assert process.remembered(file) == who


DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


async def test_a_process_that_does_not_listen_is_forced(no_task_is_left: None) -> None:
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", DEAF, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    await child.stdout.readline()
    who = process.identity(child.pid)
    assert who is not None
    await process.end(who, patience=0.2)
    await child.stdout.read()  # to its end, or the pipe stays open
    assert await child.wait() == -signal.SIGKILL
    assert process.identity(who.pid) is None
    await process.end(who)


async def test_a_server_that_does_not_tell_of_its_health_is_left_with_nothing_open() -> None:
    heard = asyncio.Event()

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set()
        await reader.read()  # until whoever asked has gone
        writer.close()

    listener = await asyncio.start_server(stall, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    assert await ask(port, "/healthz", 0.2) == (0, "")
    assert heard.is_set()
    listener.close()
    await listener.wait_closed()
    gc.collect()  # what is left open warns when it is thrown away
    assert await ask(port, "/healthz", 0.2) == (0, "")  # nobody is there


async def test_a_server_tells_of_its_health(server: NatsServer) -> None:
    assert await ask(server._health_port, "/healthz", 5) == (200, '{"status":"ok"}')
    status, _ = await ask(server._health_port, "/nothing", 5)
    assert status == 404
