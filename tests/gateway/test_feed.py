"""The feed: everything after a sequence, once, whoever is slow and whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, MutableMapping
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import uvicorn
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from events import following
from events.chronicle import JournalChronicle
from events.compute import flavor as flavors
from events.compute.flavor import CreateFlavor
from events.decider import Executor
from events.envelope import Origin
from events.epochs import close
from events.fold import Fold
from events.identity import project as projects
from events.identity.project import ProjectCreated, TagProject
from events.identity.record import Make
from events.journal import Journal, MemoryJournal
from events.refusals import Busy
from events.settings import Feed as Settings
from gateway.feed import Feed, Reader, Wanted
from tests.waiting import PATIENCE

EVERYTHING = Wanted()
SETTINGS = Settings()


class Cloud:
    """A journal, its fold, a feed."""

    def __init__(self, journal: Journal, settings: Settings = SETTINGS) -> None:
        self.journal = journal
        self.fold = Fold([flavors, projects])
        self.execute = Executor(journal, self.fold)
        self.feed = Feed(self.fold, JournalChronicle(journal), settings)
        self.valid = True

    async def make(self, number: int, project: str = "p") -> None:
        origin = Origin(actor="a", project=project, request=f"req-{number}")
        wish = CreateFlavor(id=f"{number}", name=f"f{number}", ram=1, disk=1, vcpus=1)
        await self.execute(flavors, wish, origin)

    async def still(self) -> bool:
        return self.valid

    def reader(self, wanted: Wanted = EVERYTHING, after: int | None = 0) -> Reader:
        return self.feed.reader("p", wanted, after, "json", self.still)


@asynccontextmanager
async def cloud(settings: Settings = SETTINGS, journal: Journal | None = None) -> AsyncIterator[Cloud]:
    one = Cloud(journal or MemoryJournal(), settings)
    await one.fold.follow(one.journal)
    yield one
    one.feed.close()
    await one.fold.stop()


def ids(pieces: list[bytes]) -> list[int]:
    """The sequences that were told of."""
    lines = b"".join(pieces).split(b"\n\n")
    return [int(line.split(b"\n")[0][4:]) for line in lines if b"data: " in line]


async def read(reader: Reader, number: int, keep_alive: float = 15.0) -> list[int]:
    """The first sequences that a reader is told of."""
    pieces: list[bytes] = []
    async with asyncio.timeout(PATIENCE), aclosing(reader.pieces(keep_alive)) as stream:
        async for piece in stream:
            pieces.append(piece)
            if len(ids(pieces)) >= number:
                break
    return ids(pieces)


async def test_what_was_and_what_comes_are_one_stream() -> None:
    async with cloud() as one:
        for number in range(20):
            await one.make(number)
        reading = asyncio.create_task(read(one.reader(), 40))
        for number in range(20, 40):
            await one.make(number)
            await asyncio.sleep(0)
        assert (await reading)[:40] == list(range(1, 41))


@pytest.mark.parametrize("after", [0, 1, 17, 29, 30])
async def test_a_reader_goes_on_exactly_where_it_stopped(after: int) -> None:
    async with cloud() as one:
        for number in range(30):
            await one.make(number)
        reading = asyncio.create_task(read(one.reader(after=after), 35 - after))
        await asyncio.sleep(0.01)
        for number in range(30, 35):
            await one.make(number)
        assert await reading == list(range(after + 1, 36))


async def test_who_names_no_sequence_hears_what_comes() -> None:
    async with cloud() as one:
        await one.make(0)
        reading = asyncio.create_task(read(one.reader(after=None), 1))
        await asyncio.sleep(0.01)
        await one.make(1)
        assert await reading == [2]


async def test_a_slow_reader_misses_nothing_and_costs_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "KEPT", 10)
    monkeypatch.setattr(following, "CHUNK", 7)
    async with cloud() as one:
        slow = one.reader()
        told: list[bytes] = []
        async with aclosing(slow.pieces()) as stream:
            for number in range(100):
                await one.make(number)
                if number % 25 == 5:
                    told.append(await anext(stream))
                assert len(one.feed.following._lately) <= 20
            async with asyncio.timeout(PATIENCE):
                while len(ids(told)) < 100:
                    told.append(await anext(stream))
        assert ids(told) == list(range(1, 101))


async def test_what_this_process_does_not_fold_is_told_of_too() -> None:
    async with cloud() as one:
        reading = asyncio.create_task(read(one.reader(), 3))
        await asyncio.sleep(0.01)
        await one.make(0)
        data = b'{"id":"x","at":"2026-01-01T00:00:00Z","events":[{"type":"Strange"}]}'
        await one.journal.append("ev.later.thing.a", data, expected=0)
        await one.make(1)
        assert await reading == [1, 2, 3]


async def test_filters_tell_what_was_asked_for() -> None:
    async with cloud() as one:
        await one.make(0)
        wish = Make(id="mine", made=ProjectCreated(id="mine", name="mine", domain="default"))
        await one.execute(projects, wish, Origin(actor="a", project="admins"))
        await one.execute(projects, TagProject(id="mine", tag="blue"), Origin(actor="a"))
        now = one.fold.newest_at
        assert now is not None
        async with aclosing(one.feed.following.after(0, 5)) as stream:
            everything = await anext(stream)
        for wanted, expected in (
            (Wanted(services=frozenset({"identity"})), [2, 3]),
            (Wanted(resources=frozenset({"flavor"})), [1]),
            (Wanted(types=frozenset({"ProjectTagged", "FlavorCreated"})), [1, 3]),
            (Wanted(project="admins"), [2]),
            (Wanted(owner="admins"), []),
            (Wanted(since=now), [3]),
            (Wanted(since=now + timedelta(1)), []),
        ):
            assert [told.sequence for told in everything if wanted.has(told)] == expected


async def test_who_reconnects_need_not_be_told_again_of_what_was_not_for_them() -> None:
    async with cloud() as one:
        for number in range(5):
            await one.make(number)
        reader = one.reader(Wanted(services=frozenset({"network"})))
        async with asyncio.timeout(PATIENCE), aclosing(reader.pieces(0.02)) as stream:
            piece = b""
            while b"id: 5" not in piece:
                piece = await anext(stream)
        assert b"data:" not in piece


async def test_a_stream_ends_with_its_token() -> None:
    async with cloud() as one:
        reader = one.reader()
        one.valid = False
        async with asyncio.timeout(PATIENCE):
            assert [piece async for piece in reader.pieces(0.01)] == []


async def test_readers_are_counted() -> None:
    async with cloud(Settings(readers=3, readers_of_project=2)) as one:
        first = one.reader()
        one.reader()
        with pytest.raises(Busy):
            one.reader()
        one.feed.reader("another", EVERYTHING, 0, "json", one.still)
        with pytest.raises(Busy):
            one.feed.reader("third", EVERYTHING, 0, "json", one.still)
        one.feed.release(first)
        one.reader()


class Client:
    """Whoever is at the other end of a connection."""

    def __init__(self, takes: int) -> None:
        self.takes = takes
        self.got: list[bytes] = []
        self.gone = asyncio.Event()

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.body":
            if len(self.got) >= self.takes:
                await asyncio.Event().wait()
            self.got.append(message["body"])

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}


async def test_who_takes_nothing_is_let_go_and_resumes() -> None:
    async with cloud(Settings(patience=0.05)) as one:
        for number in range(5):
            await one.make(number)
        client = Client(takes=1)
        async with asyncio.timeout(PATIENCE):
            await one.reader()({"type": "http"}, client.receive, client.send)
        assert one.feed._readers == []
        assert await read(one.reader(after=0), 5) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("who", ["client", "cloud"])
async def test_a_stream_ends_when_one_of_the_two_goes(who: str) -> None:
    async with cloud() as one:
        client = Client(takes=99)
        serving = asyncio.create_task(one.reader()({"type": "http"}, client.receive, client.send))
        await asyncio.sleep(0.01)
        client.gone.set() if who == "client" else one.feed.close()
        async with asyncio.timeout(PATIENCE):
            await serving
        assert one.feed._readers == []
        assert client.got[-1] == (b"" if who == "cloud" else b": listening\n\n")
        assert not one.feed.following._bells


async def test_an_event_has_the_commit_as_it_is() -> None:
    async with cloud() as one:
        await one.make(7)
        async with aclosing(one.reader().pieces()) as stream:
            piece = await anext(stream)
        data = msgspec.json.decode(piece.split(b"data: ")[1])
        assert data["subject"] == "ev.compute.flavor.7"
        assert msgspec.json.encode(data["commit"]) == (await one.journal.of("ev.compute.flavor.7"))[0].data


async def test_a_reader_does_not_notice_the_turn_of_an_epoch() -> None:
    async with cloud() as one:
        await one.make(0)
        reading = asyncio.create_task(read(one.reader(Wanted(services=frozenset({"compute"}))), 4))
        await asyncio.sleep(0.01)
        await one.make(1)
        await close(one.journal, one.fold)
        await one.make(2)
        last = await one.journal.last()
        await one.make(3)
        assert await reading == [1, 2, last, last + 1]
        assert await read(one.reader(after=last), 1) == [last + 1]


async def test_over_a_real_connection_who_takes_nothing_makes_room(caplog: pytest.LogCaptureFixture) -> None:
    async with cloud(Settings(readers=1, patience=0.3)) as one:
        for number in range(400):
            data = b'{"id":"x","at":"2026-01-01T00:00:00Z","note":"%s","events":[{"type":"Large"}]}' % (b"x" * 65_000)
            await one.journal.append(f"ev.later.thing.{number}", data, expected=0)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                response: Response = one.reader()
            except Busy:
                response = Response(status_code=503)
            await response(scope, receive, send)

        server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None, access_log=False))
        listening = socket.create_server(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        idle = socket.socket()
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        idle.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(idle, listening.getsockname())
        await loop.sock_sendall(idle, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        async with asyncio.timeout(10):
            assert await loop.sock_recv(idle, 12) == b"HTTP/1.1 200"
            assert len(one.feed._readers) == 1
            while one.feed._readers:
                await asyncio.sleep(0.02)
        assert "takes nothing" in caplog.text
        idle.close()
        server.should_exit = True
        await serving
