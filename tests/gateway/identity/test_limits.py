"""Unified limits: what they demand of each other, compared with a naive model, and who sees which."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from events.identity import name as names
from events.journal import MemoryJournal
from gateway.fence import Fence
from tests.gateway.identity.people import PASSWORD, SETTINGS, People, demanding, people

STRICT = demanding(limit_enforcement_model="strict_two_level")
DEFAULT = 10  # registered


class Ground:
    """A service with a registered limit of `things`, two domains, two projects in each."""

    def __init__(self, them: People, service: str, domains: list[str], projects: dict[str, str]) -> None:
        self.them = them
        self.service = service
        self.domains = domains
        self.projects = projects  # their domains

    def body(self, whose: str, size: int) -> dict[str, Any]:
        key = "project_id" if whose in self.projects else "domain_id"
        return {"service_id": self.service, "resource_name": "things", "resource_limit": size, key: whose}

    async def create(self, *several: tuple[str, int]) -> httpx.Response:
        limits = [self.body(whose, size) for whose, size in several]
        return await self.them.call("POST", "/limits", {"limits": limits})

    async def ids(self) -> dict[str, str]:
        """The limits' ids, by whose they are."""
        found = (await self.them.call("GET", f"/limits?service_id={self.service}")).json()["limits"]
        return {limit["project_id"] or limit["domain_id"]: limit["id"] for limit in found}

    async def change(self, whose: str, size: int) -> httpx.Response:
        id = (await self.ids())[whose]
        return await self.them.call("PATCH", f"/limits/{id}", {"limit": {"resource_limit": size}})

    async def sizes(self) -> dict[str, int]:
        found = (await self.them.call("GET", f"/limits?service_id={self.service}")).json()["limits"]
        return {limit["project_id"] or limit["domain_id"]: limit["resource_limit"] for limit in found}

    def is_consistent(self, sizes: dict[str, int]) -> bool:
        """The naive model: of every project alone, whether it may have no more than its domain."""

        def size(whose: str) -> float:
            number = sizes.get(whose, DEFAULT)
            return inf if number < 0 else number

        return all(size(p) <= size(domain) for p, domain in self.projects.items() if p in sizes)


@asynccontextmanager
async def ground(them: People) -> AsyncIterator[Ground]:
    service = (await them.make("service", type="t"))["id"]
    registered = {"service_id": service, "resource_name": "things", "default_limit": DEFAULT}
    answer = await them.call("POST", "/registered_limits", {"registered_limits": [registered]})
    assert answer.status_code == 201
    domains = [(await them.make("domain", name=name))["id"] for name in ("one", "two")]
    projects = {}
    for domain in domains:
        for name in ("a", "b"):
            projects[(await them.make("project", name=name, domain_id=domain))["id"]] = domain
    yield Ground(them, service, domains, projects)


async def test_a_projects_limit_is_bounded_by_that_of_its_domain(tmp_path: Path) -> None:
    async with people(tmp_path, settings=STRICT) as them, ground(them) as g:
        project, (domain, other) = next(iter(g.projects)), g.domains
        assert (await them.call("GET", "/limits/model")).json()["model"]["name"] == "strict_two_level"
        refused = await g.create((project, 11))
        assert refused.status_code == 403
        assert refused.json()["error"]["message"] == (
            f"Invalid resource limit: The resource limit (project_id: {project}, resource_name: things, "
            f"resource_limit: 11, service_id: {g.service}, region_id: None) doesn't satisfy current hierarchy model.."
        )
        assert (await g.create((domain, 20), (project, 11), (other, 3))).status_code == 201
        assert (await g.change(project, 21)).status_code == 403
        assert (await g.change(domain, 10)).status_code == 403
        assert (await g.change(domain, -1)).status_code == 200
        assert (await g.change(project, -1)).status_code == 200
        assert (await g.change(domain, 10**6)).status_code == 403


async def test_in_the_flat_model_each_limit_stands_on_its_own(tmp_path: Path) -> None:
    async with people(tmp_path) as them, ground(them) as g:
        assert (await g.create((next(iter(g.projects)), 1000), (g.domains[0], 0))).status_code == 201


async def test_projects_of_the_strict_model_are_two_levels_deep(tmp_path: Path) -> None:
    async with people(tmp_path, settings=STRICT) as them:
        first = await them.make("project", name="first")
        second = await them.make("project", name="second", parent_id=first["id"])
        third = await them.call("POST", "/projects", {"project": {"name": "third", "parent_id": second["id"]}})
        assert third.status_code == 403


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_allowed_is_what_a_naive_model_allows(tmp_path: Path, seed: int) -> None:
    dice = Random(seed)
    async with people(tmp_path, settings=STRICT) as them, ground(them) as g:
        sizes: dict[str, int] = {}
        refused = 0
        for _ in range(60):
            everybody = [*g.domains, *g.projects]
            absent = [whose for whose in everybody if whose not in sizes]
            act = dice.choice(["create", "create", "change", "change", "delete"])
            if act == "create" and absent:
                some = dice.sample(absent, dice.randint(1, min(3, len(absent))))
                wanted = {whose: dice.randint(-1, 15) for whose in some}
                answer = await g.create(*wanted.items())
            elif act == "change" and sizes:
                wanted = {dice.choice(list(sizes)): dice.randint(-1, 15)}
                answer = await g.change(*next(iter(wanted.items())))
            elif act == "delete" and sizes:
                whose = dice.choice(list(sizes))
                left = {name: size for name, size in sizes.items() if name != whose}
                if g.is_consistent(left):  # a domain that falls back to the default is not looked at
                    id = (await g.ids())[whose]
                    assert (await them.call("DELETE", f"/limits/{id}")).status_code == 204
                    sizes = left
                continue
            else:
                continue
            allowed = g.is_consistent({**sizes, **wanted})
            assert (answer.status_code in (200, 201)) == allowed, (sizes, wanted, answer.text)
            refused += not allowed
            sizes = {**sizes, **wanted} if allowed else sizes
            assert await g.sizes() == sizes
        assert refused > 5


async def test_two_gateways_at_once_keep_the_rules(tmp_path: Path) -> None:
    journal = MemoryJournal()
    async with (
        people(tmp_path, journal=journal, settings=STRICT) as one,
        people(tmp_path / "two", journal=journal, settings=STRICT) as two,
        ground(one) as g,
    ):
        for gateway in (one, two):
            gateway.world.cloud.fence = Fence(gateway.world.execute, SETTINGS)
        project, domain = next(iter(g.projects)), g.domains[0]
        assert (await g.create((domain, 5), (project, 1))).status_code == 201
        ids = await g.ids()

        async def change(them: People, whose: str, size: int) -> int:
            body = {"limit": {"resource_limit": size}}
            return (await them.call("PATCH", f"/limits/{ids[whose]}", body)).status_code

        for _ in range(5):
            await change(one, domain, 5)
            await change(one, project, 1)
            both = await asyncio.gather(change(one, domain, 2), change(two, project, 4))
            assert sorted(both) == [200, 403]
            assert g.is_consistent(await g.sizes())
        assert not [claim for claim in one.fold.all(names) if claim.key[0] == "limits"]


async def test_a_registered_limit_in_use_stays_and_changes_not(tmp_path: Path) -> None:
    async with people(tmp_path) as them, ground(them) as g:
        project = next(iter(g.projects))
        registered = (await them.call("GET", "/registered_limits")).json()["registered_limits"][0]["id"]
        creating = g.create((project, 4))
        deleting = them.call("DELETE", f"/registered_limits/{registered}")
        created, deleted = await asyncio.gather(creating, deleting)
        assert (created.status_code, deleted.status_code) in ((201, 403), (403, 204))


async def test_everybody_sees_their_own_limits(tmp_path: Path) -> None:
    async with people(tmp_path) as them, ground(them) as g:
        (project, domain), other = next(iter(g.projects.items())), g.domains[1]
        assert (await g.create(*((whose, 1) for whose in (*g.domains, *g.projects)))).status_code == 201
        ann = (await them.make("user", name="ann", password=PASSWORD))["id"]
        await them.grant(f"projects/{project}/users/{ann}", "member")
        await them.grant(f"domains/{domain}/users/{ann}", "member")
        await them.grant(f"system/users/{ann}", "reader")

        async def seen(scope: Any) -> set[str]:
            token = await them.login(ann, PASSWORD, scope)
            found = (await them.call("GET", "/limits", token=token)).json()["limits"]
            return {limit["project_id"] or limit["domain_id"] for limit in found}

        assert await seen({"project": {"id": project}}) == {project}
        assert await seen({"domain": {"id": domain}}) == {domain, *(p for p, d in g.projects.items() if d == domain)}
        assert await seen({"system": {"all": True}}) == {*g.domains, *g.projects}
        assert await seen("unscoped") == set()
        assert other not in await seen({"domain": {"id": domain}})


async def test_a_domain_named_as_a_project_is_a_domain(tmp_path: Path) -> None:
    async with people(tmp_path) as them, ground(them) as g:
        body = {**g.body(g.domains[0], 3), "project_id": g.domains[0]}
        del body["domain_id"]
        made = (await them.call("POST", "/limits", {"limits": [body]})).json()["limits"][0]
        assert (made["project_id"], made["domain_id"]) == (None, g.domains[0])
