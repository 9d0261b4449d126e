"""What takes effect of role assignments - groups dissolved, roles implied, targets inherited - by a naive model."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from gateway.identity import grants
from tests.gateway.identity.people import People, people

Effect = tuple[str, str, str, str]  # user, role, kind and id of the target


class Naive:
    """A few people and places, and everything that was said of them, as plain sets."""

    def __init__(self, them: People, dice: Random) -> None:
        self.them = them
        self.dice = dice
        self.domain_of: dict[str, str] = {}  # of projects
        self.parent: dict[str, str | None] = {}
        self.users: list[str] = []
        self.groups: list[str] = []
        self.roles: list[str] = []
        self.silent: set[str] = set()  # roles of a domain, which only imply
        self.home = ""  # that domain
        self.implied: set[tuple[str, str]] = set()
        self.members: set[tuple[str, str]] = set()
        self.granted: set[tuple[str, str, str, str, str, bool]] = set()

    async def settle(self) -> None:
        make, dice = self.them.make, self.dice
        domains = [(await make("domain", name=name))["id"] for name in "de"]
        for number in range(6):
            domain = dice.choice(domains)
            above = [p for p, d in self.domain_of.items() if d == domain and self._depth(p) < 3]
            parent = dice.choice([None, *above])
            more = {"parent_id": parent} if parent else {}
            id = (await make("project", name=f"p{number}", domain_id=domain, **more))["id"]
            self.domain_of[id], self.parent[id] = domain, parent
        for number in range(3):
            self.users.append((await make("user", name=f"u{number}"))["id"])
            self.groups.append((await make("group", name=f"g{number}"))["id"])
        for number in range(5):
            more = {"domain_id": domains[0]} if number == 4 else {}
            self.roles.append((await make("role", name=f"r{number}", **more))["id"])
        self.silent.add(self.roles[4])
        self.home = domains[0]
        for prior, implied in ((4, 0), (0, 1), (1, 2), (0, 2), (3, 2)):
            await self.put(f"/roles/{self.roles[prior]}/implies/{self.roles[implied]}", 201)
            self.implied.add((self.roles[prior], self.roles[implied]))
        for group in self.groups:
            for user in dice.sample(self.users, 2):
                await self.put(f"/groups/{group}/users/{user}")
                self.members.add((group, user))

    def _depth(self, project: str) -> int:
        parent = self.parent[project]
        return 1 + self._depth(parent) if parent else 1

    async def put(self, path: str, status: int = 204) -> None:
        answer = await self.them.call("PUT", path)
        assert answer.status_code == status, answer.text

    async def grant(self) -> None:
        dice = self.dice
        actor, id = dice.choice([("user", dice.choice(self.users)), ("group", dice.choice(self.groups))])
        kind = dice.choice(["project", "project", "domain"])
        target = dice.choice(list(self.domain_of) if kind == "project" else list(self.domain_of.values()))
        role, inherited = dice.choice(self.roles), dice.random() < 0.4
        if kind == "project" and role in self.silent and self.domain_of[target] != self.home:
            return  # a role of a domain is for its own projects
        path = f"/{kind}s/{target}/{actor}s/{id}/roles/{role}"
        await self.put(f"/OS-INHERIT{path}/inherited_to_projects" if inherited else path)
        self.granted.add((actor, id, kind, target, role, inherited))

    async def revoke(self) -> None:
        if self.granted:
            one = self.dice.choice(sorted(self.granted))
            actor, id, kind, target, role, inherited = one
            path = f"/{kind}s/{target}/{actor}s/{id}/roles/{role}"
            path = f"/OS-INHERIT{path}/inherited_to_projects" if inherited else path
            assert (await self.them.call("DELETE", path)).status_code == 204
            self.granted.remove(one)

    def effects(self) -> set[Effect]:
        """Every user, every place, every role: does it follow?"""
        places = [*(("project", p) for p in self.domain_of), *(("domain", d) for d in set(self.domain_of.values()))]
        return {(user, role, *place) for user in self.users for place in places for role in self._roles(user, *place)}

    def _roles(self, user: str, kind: str, id: str) -> set[str]:
        found = {
            role
            for actor, who, target_kind, target, role, inherited in self.granted
            if (who == user if actor == "user" else (who, user) in self.members)
            and ((target_kind, target) in self._above(kind, id) if inherited else (target_kind, target) == (kind, id))
        }
        while more := {implied for prior, implied in self.implied if prior in found} - found:
            found |= more
        return found - self.silent

    def _above(self, kind: str, id: str) -> set[tuple[str, str]]:
        if kind == "domain":
            return set()
        parent = self.parent[id]
        higher = {("project", parent)} | self._above("project", parent) if parent else set()
        return higher | {("domain", self.domain_of[id])}

    async def told(self, query: str = "") -> set[Effect]:
        """What the list says takes effect."""
        answer = await self.them.call("GET", f"/role_assignments?effective{query}")
        return {self._effect(one) for one in answer.json()["role_assignments"] if one["user"]["id"] in self.users}

    @staticmethod
    def _effect(one: dict[str, Any]) -> Effect:
        kind = "project" if "project" in one["scope"] else "domain"
        return (one["user"]["id"], one["role"]["id"], kind, one["scope"][kind]["id"])


@pytest.mark.parametrize("seed", range(5))
async def test_what_takes_effect_is_what_follows(tmp_path: Path, seed: int) -> None:
    async with people(tmp_path) as them:
        naive = Naive(them, Random(seed))
        await naive.settle()
        for _ in range(4):
            for _ in range(6):
                await naive.grant()
            await naive.revoke()
            expected = naive.effects()
            assert await naive.told() == expected
            for user in naive.users:
                assert await naive.told(f"&user.id={user}") == {one for one in expected if one[0] == user}
            for project in naive.domain_of:
                on_it = {one for one in expected if one[2:] == ("project", project)}
                assert await naive.told(f"&scope.project.id={project}") == on_it
                for user in naive.users:
                    assert grants.effective(them.fold, user, "project", project).keys() == {
                        one[1] for one in on_it if one[0] == user
                    }
            role = naive.roles[2]
            assert await naive.told(f"&role.id={role}") == {one for one in expected if one[1] == role}
