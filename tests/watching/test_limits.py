"""What is too much is refused in each service's own words, and may be tried again."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing

import httpx
import pytest

from events.chronicle import JournalChronicle
from events.journal import MemoryJournal
from events.refusals import TooMany
from events.settings import Gateway, Limits, Settings
from gateway import events, http, trace_routes
from gateway.application import application
from gateway.composition.parts import Parts
from gateway.entrance import Entrance
from gateway.feed import Feed
from gateway.limits import KEPT, Rate
from tests.waiting import until
from tests.worlds import World, world

BODIES: dict[str, Callable[[httpx.Response], str]] = {  # where each service's error has its message
    "/identity/v3/projects": lambda answer: answer.json()["error"]["message"],
    "/compute/v2.1/servers": lambda answer: next(iter(answer.json().values()))["message"],
    "/network/v2.0/networks": lambda answer: answer.json()["NeutronError"]["message"],
    "/image/v2/images": lambda answer: answer.text,
}


@asynccontextmanager
async def listening(limits: Limits, journal: MemoryJournal | None = None) -> AsyncIterator[tuple[World, str]]:
    """A cloud in memory behind the real HTTP server, and its URL."""
    settings = Settings(limits=limits, gateway=Gateway(max_body=1000))
    async with world(journal=journal, settings=settings) as one:
        parts = Parts()
        listener, url = http.listen(parts, "127.0.0.1", 0)
        server = http.Server(http.configuration(Entrance(one.app, one.cloud.limits), limits))
        task = await http.begin(server, listener, "gateway")
        try:
            yield one, url
        finally:
            await http.end(server, task)
            await parts.stop()


def test_a_bucket_gives_what_it_holds_then_as_fast_as_it_fills() -> None:
    now = 100.0
    rate = Rate(10, 5, lambda: now)
    for _ in range(5):
        rate.take("p", "project")
    with pytest.raises(TooMany) as refused:
        rate.take("p", "project")
    assert refused.value.retry_after == 1
    rate.take("q", "project")  # another's bucket
    now += 0.1
    rate.take("p", "project")
    with pytest.raises(TooMany):
        rate.take("p", "project")


def test_buckets_are_not_remembered_without_bound() -> None:
    now = 0.0
    rate = Rate(1, 1, lambda: now)
    for number in range(KEPT * 2):
        now += 0.00001
        rate.take(str(number), "address")
    assert len(rate._full_at) <= KEPT
    with pytest.raises(TooMany):
        rate.take(str(KEPT * 2 - 1), "address")  # the newest are remembered


@pytest.mark.parametrize("path", list(BODIES))
async def test_a_project_that_asks_too_often_is_told_when_to_come_back(path: str) -> None:
    async with world(settings=Settings(limits=Limits(project_rate=0.5, project_burst=3))) as cloud:
        answers = [await cloud.call("GET", path) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[-1].headers["retry-after"] == "2"
        assert "project sends requests too fast" in BODIES[path](answers[-1])
        assert (await cloud.call("GET", path, as_="foreign-admin")).status_code == 200


async def test_what_is_beside_the_services_counts_too() -> None:
    limits = Limits(project_rate=0.5, project_burst=2, address_rate=0.5, address_burst=2)
    async with world(settings=Settings(limits=limits)) as one:
        chronicle = JournalChronicle(one.execute.journal)
        one.cloud.feed = Feed(one.cloud.fold, chronicle, one.cloud.settings.feed)
        extra = [*events.routes(one.cloud), *trace_routes.routes(one.cloud, chronicle)]
        app = application(one.cloud, (), extra)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://cloud.test") as client:
            for headers, status in (({"X-Auth-Token": "admin"}, 400), ({}, 401)):
                answers = [await client.get("/events?after=-1", headers=headers) for _ in range(2)]
                answers += [
                    await client.get("/trace/req-1", headers=headers),
                    await client.get("/events", headers=headers),
                ]
                assert [answer.status_code for answer in answers] == [status, status, 429, 429]
                assert answers[-1].headers["retry-after"] == "2"
                assert "too fast" in answers[-1].json()["error"]["message"]


async def test_compute_says_in_the_body_when_to_come_back() -> None:
    async with world(settings=Settings(limits=Limits(project_rate=1, project_burst=1))) as cloud:
        await cloud.call("GET", "/compute/v2.1/servers")
        answer = await cloud.call("GET", "/compute/v2.1/servers")
        assert answer.json()["overLimit"] | {"message": ""} == {"code": 429, "message": "", "retryAfter": "1"}


async def test_who_has_no_token_is_counted_by_address() -> None:
    async with world(settings=Settings(limits=Limits(address_rate=1, address_burst=2))) as cloud:
        answers = [await cloud.call("GET", "/compute/v2.1/servers", as_="guess") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [401, 401, 429]
        assert (await cloud.call("GET", "/compute/v2.1/servers")).status_code == 200


@pytest.mark.parametrize("path", list(BODIES))
async def test_too_many_in_flight_are_refused_and_may_try_again(path: str) -> None:
    async with world(settings=Settings(limits=Limits(in_flight=2))) as cloud:
        cloud.cloud.limits.in_flight = 3
        answer = await cloud.call("GET", path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "Too many requests" in BODIES[path](answer)
        cloud.cloud.limits.in_flight = 1
        assert (await cloud.call("GET", path)).status_code == 200


async def test_bodies_in_memory_are_bounded_all_together() -> None:
    async with world(settings=Settings(limits=Limits(bodies=300))) as cloud:
        small = {"network": {"name": "n"}}
        large = {"network": {"name": "n", "description": "d" * 300}}
        answer = await cloud.call("POST", "/network/v2.0/networks", large)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert (await cloud.call("POST", "/network/v2.0/networks", small)).status_code == 201
        assert cloud.cloud.limits.bodies == 0


class Silent(MemoryJournal):
    """A journal that does not answer a write."""

    async def append(self, subject: str, data: bytes, *, expected: int, epoch: int = 1) -> int:
        await asyncio.sleep(60)
        raise AssertionError("nobody waits so long")


async def test_a_request_that_takes_too_long_is_given_up() -> None:
    async with world(journal=Silent(), settings=Settings(limits=Limits(seconds=0.05))) as cloud:
        answer = await cloud.call("POST", "/network/v2.0/networks", {"network": {"name": "n"}})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert "may or may not" in answer.json()["NeutronError"]["message"]


async def test_a_request_that_still_waits_when_its_gateway_ends_is_told_to_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "GRACE", 0.05)
    async with httpx.AsyncClient(headers={"X-Auth-Token": "admin"}) as client:
        async with listening(Limits(), Silent()) as (cloud, url):
            request = asyncio.create_task(client.post(f"{url}/network/v2.0/networks", json={"network": {"name": "n"}}))
            await until(lambda: cloud.cloud.limits.in_flight)
        answer = await request
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "may or may not" in answer.json()["NeutronError"]["message"]


@pytest.mark.parametrize("path", list(BODIES))
async def test_headers_that_are_too_large_are_refused_in_the_services_words(path: str) -> None:
    async with listening(Limits(max_header=4096)) as (_, url), httpx.AsyncClient() as client:
        headers = {"X-Auth-Token": "admin"}
        assert (await client.get(url + path, headers=headers)).status_code == 200
        answer = await client.get(url + path, headers={**headers, "X-Large": "x" * 5000})
        assert answer.status_code == 431
        assert answer.headers["connection"] == "close"
        assert "headers" in BODIES[path](answer)
        assert (await client.get(url + path + "?" + "n=" * 3000, headers=headers)).status_code == 431


async def test_a_body_that_is_too_large_is_refused() -> None:
    async with listening(Limits()) as (_, url), httpx.AsyncClient() as client:
        large = {"network": {"name": "n", "description": "d" * 2000}}
        answer = await client.post(f"{url}/network/v2.0/networks", json=large, headers={"X-Auth-Token": "admin"})
        assert answer.status_code == 413
        assert "NeutronError" in answer.json()


async def test_headers_that_never_end_are_cut_off() -> None:
    async with listening(Limits(max_header=4096)) as (_, url):
        reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nx-endless: ")
        writer.write(b"x" * 5000)
        assert (await reader.readline()).startswith(b"HTTP/1.1 431")
        await reader.read()
        writer.close()


async def test_headers_that_do_not_come_are_not_waited_for() -> None:
    async with listening(Limits(header_seconds=0.1)) as (_, url):
        began = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
        writer.write(b"GET / HTTP/1.1\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        assert 0.05 < time.monotonic() - began < 5
        await reader.read()
        writer.close()


@pytest.fixture
def idle() -> Iterator[Callable[[str, int], None]]:
    """Opens connections that ask nothing."""
    made: list[socket.socket] = []

    def connect(url: str, number: int) -> None:
        made.extend(socket.create_connection(("127.0.0.1", httpx.URL(url).port or 0)) for _ in range(number))

    yield connect
    for one in made:
        with closing(one):
            pass


async def test_too_many_connections_are_told_to_come_back(idle: Callable[[str, int], None]) -> None:
    async with listening(Limits(connections=4)) as (_, url), httpx.AsyncClient() as client:
        idle(url, 4)
        answer = await client.get(f"{url}/compute/v2.1/servers", headers={"X-Auth-Token": "admin"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "connections" in answer.json()["serviceUnavailable"]["message"]
        assert answer.headers["connection"] == "close"
