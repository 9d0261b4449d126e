"""Two gateways over one journal, one of which hears late: whoever asks it next does not notice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

import httpx

from events.settings import Gateway, Settings
from events.settings import Journal as JournalSettings
from gateway.fence import Fence
from gateway.identity.bootstrap import bootstrap
from gateway.identity.tokens import Tokens
from tests.gateway.identity.people import SETTINGS, People, people
from tests.simulation.shaky import Recorded, Shaky
from tests.worlds import World, world

LAG = 0.3  # seconds
PROJECTS = "/identity/v3/projects"


class Pair(NamedTuple):
    quick: World
    slow: World
    way: Shaky  # of the slow one, to the journal


@asynccontextmanager
async def two(*, fenced: bool = True, stale_reads: bool = False) -> AsyncIterator[Pair]:
    journal = Recorded()
    way = Shaky(journal, Random(0))
    settings = Settings(gateway=Gateway(stale_reads=stale_reads), journal=JournalSettings(deadline=2.0))
    async with world(journal=journal, settings=settings) as quick, world(journal=way, settings=settings) as slow:
        if fenced:
            quick.cloud.fence, slow.cloud.fence = Fence(quick.execute, settings), Fence(slow.execute, settings)
        yield Pair(quick, slow, way)


def lags(pair: Pair, seconds: float = LAG) -> None:
    pair.way.waits_until = asyncio.get_running_loop().time() + seconds


async def made(gateway: World, name: str) -> str:
    body = {"project": {"name": name, "domain_id": "default"}}
    answer = await gateway.call("POST", PROJECTS, body)
    assert answer.status_code == 201, answer.text
    return f"{PROJECTS}/{answer.json()['project']['id']}"


@asynccontextmanager
async def with_domain(pair: Pair) -> AsyncIterator[None]:
    await bootstrap(pair.quick.execute, SETTINGS, "password")
    await pair.slow.fold.reach(pair.quick.fold.position)
    yield


async def test_what_one_gateway_made_another_shows() -> None:
    async with two() as pair, with_domain(pair):
        lags(pair)
        path = await made(pair.quick, "p")
        assert (await pair.slow.call("GET", path)).status_code == 200
        lags(pair)
        other = await made(pair.quick, "q")
        names = [one["name"] for one in (await pair.slow.call("GET", PROJECTS)).json()["projects"]]
        assert {"p", "q"} <= set(names)
        lags(pair)
        assert (await pair.quick.call("DELETE", other)).status_code == 204
        assert (await pair.slow.call("GET", other)).status_code == 404


async def test_without_a_fence_it_would_not_be_so() -> None:
    """Else the test above would prove nothing."""
    async with two(fenced=False) as pair, with_domain(pair):
        lags(pair)
        path = await made(pair.quick, "p")
        assert (await pair.slow.call("GET", path)).status_code == 404


async def test_a_read_that_cannot_know_what_is_newest_is_to_be_tried_again() -> None:
    async with two() as pair, with_domain(pair):
        path = await made(pair.quick, "p")
        pair.way.unreachable = 1.0
        answer = await pair.slow.call("GET", path)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        pair.way.unreachable = 0.0
        assert (await pair.slow.call("GET", path)).status_code == 200


async def test_a_gateway_that_may_answers_reads_from_what_it_knows_and_says_so() -> None:
    async with two(stale_reads=True) as pair, with_domain(pair):
        path = await made(pair.quick, "p")
        await pair.slow.call("GET", path)
        pair.way.unreachable = 1.0
        answer = await pair.slow.call("GET", path)
        assert (answer.status_code, answer.headers["x-cumulog-stale"]) == (200, "true")
        assert (await pair.slow.call("PATCH", path, {"project": {"name": "q"}})).status_code == 503
        pair.way.unreachable = 0.0
        assert "x-cumulog-stale" not in (await pair.slow.call("GET", path)).headers


async def test_versions_are_shown_though_the_journal_is_away() -> None:
    async with two() as pair:
        pair.way.unreachable = 1.0
        assert (await pair.slow.http.get("/identity/v3")).status_code == 200


@asynccontextmanager
async def logged_in(tmp_path: Path) -> AsyncIterator[tuple[People, httpx.AsyncClient, Shaky]]:
    """People at one gateway, and another gateway that knows the same keys and hears late."""
    journal = Recorded()
    async with people(tmp_path, journal=journal) as them:
        way = Shaky(journal, Random(0))
        async with world(journal=way, settings=SETTINGS) as slow:
            tokens = Tokens(slow.fold, SETTINGS, slow.cloud.clock, them.tokens.keys)
            slow.cloud.put(tokens)
            slow.cloud.authenticate = tokens.authenticate
            slow.cloud.fence = Fence(slow.execute, SETTINGS)
            yield them, slow.http, way


async def test_a_token_is_never_refused_because_a_gateway_lags(tmp_path: Path) -> None:
    async with logged_in(tmp_path) as (them, slow, way):
        way.waits_until = asyncio.get_running_loop().time() + LAG
        _, _, token = await them.member()
        headers = {"X-Auth-Token": token, "X-Subject-Token": token}
        assert (await slow.get("/identity/v3/auth/tokens", headers=headers)).status_code == 200
        assert (await slow.get("/compute/v2.1/servers", headers={"X-Auth-Token": token})).status_code == 200


async def test_validating_a_token_asks_nobody(tmp_path: Path) -> None:
    async with logged_in(tmp_path) as (them, slow, way):
        _, _, token = await them.member()
        headers = {"X-Auth-Token": token, "X-Subject-Token": token}
        await slow.get("/identity/v3/auth/tokens", headers=headers)
        asked = way.asked
        assert (await slow.get("/identity/v3/auth/tokens", headers=headers)).status_code == 200
        assert way.asked == asked


async def test_a_token_that_was_revoked_elsewhere_is_refused_where_anything_is_done_with_it(tmp_path: Path) -> None:
    async with logged_in(tmp_path) as (them, slow, way):
        _, _, token = await them.member()
        way.waits_until = asyncio.get_running_loop().time() + LAG
        await them.call("DELETE", "/auth/tokens", X_Subject_Token=token)
        assert (await slow.get("/compute/v2.1/servers", headers={"X-Auth-Token": token})).status_code == 401


async def test_a_new_password_is_known_to_every_gateway_at_once(tmp_path: Path) -> None:
    async with logged_in(tmp_path) as (them, slow, way):
        user, project, _ = await them.member()
        way.waits_until = asyncio.get_running_loop().time() + LAG
        changed = await them.call("PATCH", f"/users/{user['id']}", {"user": {"password": "another battery"}})
        assert changed.status_code == 200
        auth = {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"id": user["id"], "password": "another battery"}},
            },
            "scope": {"project": {"id": project["id"]}},
        }
        assert (await slow.post("/identity/v3/auth/tokens", json={"auth": auth})).status_code == 201
