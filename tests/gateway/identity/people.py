"""A cloud with real tokens: its bootstrap, and the few calls that every test of identity makes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from events.clock import Clock
from events.journal import Journal
from events.settings import Identity, Settings
from gateway.identity.bootstrap import bootstrap
from gateway.identity.keys import RECEIPTS, KeyRing
from gateway.identity.receipts import Receipts
from gateway.identity.tokens import Tokens
from tests.worlds import World, world

PASSWORD = "correct horse"
SETTINGS = Settings(identity=Identity(bcrypt_cost=4))


class People:
    """One cloud, and who is logged in."""

    def __init__(self, world: World, tokens: Tokens) -> None:
        self.world = world
        self.fold = world.fold
        self.tokens = tokens
        self.admin = ""

    async def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str
    ) -> httpx.Response:
        """A request below /identity/v3 as the admin, or with another token; `""` sends none."""
        sent = {name.replace("_", "-").encode(): value.encode("latin-1") for name, value in headers.items()}
        text = self.admin if token is None else token
        if text:
            sent[b"X-Auth-Token"] = text.encode("latin-1")
        return await self.world.http.request(method, f"/identity/v3{path}", json=body, headers=sent)

    async def make(self, kind: str, **members: Any) -> dict[str, Any]:
        """A new domain, project, user, group or role."""
        answer = await self.call("POST", f"/{kind}s", {kind: members})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()[kind]
        return made

    async def role(self, name: str) -> str:
        answer = await self.call("GET", f"/roles?name={name}")
        return str(answer.json()["roles"][0]["id"])

    async def grant(self, path: str, role: str) -> None:
        """`path` such as `projects/P/users/U`."""
        answer = await self.call("PUT", f"/{path}/roles/{await self.role(role)}")
        assert answer.status_code == 204, answer.text

    async def login(self, user: str, password: str, scope: Any = None) -> str:
        """The token of a user by id."""
        answer = await self.ask(user, password, scope)
        assert answer.status_code == 201, answer.text
        return str(answer.headers["x-subject-token"])

    async def ask(self, user: str, password: str, scope: Any = None, **members: Any) -> httpx.Response:
        auth: dict[str, Any] = {
            "identity": {"methods": ["password"], "password": {"user": {"id": user, "password": password, **members}}}
        }
        if scope is not None:
            auth["scope"] = scope
        return await self.call("POST", "/auth/tokens", {"auth": auth}, token="")

    async def member(self, name: str = "ann", role: str = "member") -> tuple[dict[str, Any], dict[str, Any], str]:
        """A user with a role in a project of their own, and their token."""
        project = await self.make("project", name=f"of-{name}")
        user = await self.make("user", name=name, password=PASSWORD)
        await self.grant(f"projects/{project['id']}/users/{user['id']}", role)
        return user, project, await self.login(user["id"], PASSWORD, {"project": {"id": project["id"]}})


def demanding(**settings: Any) -> Settings:
    """Settings that ask for more of passwords, limits and tokens than is usual."""
    return Settings(identity=Identity(bcrypt_cost=4, **settings))


@asynccontextmanager
async def people(
    keys: Path, clock: Clock | None = None, journal: Journal | None = None, settings: Settings = SETTINGS
) -> AsyncIterator[People]:
    """A cloud with its bootstrap done and its admin logged in."""
    async with world(settings=settings, clock=clock, journal=journal) as w:
        ring = await KeyRing.open(w.cloud.vault, w.cloud.clock, keys / "fernet")
        tokens = Tokens(w.fold, settings, w.cloud.clock, ring)
        w.cloud.put(tokens)
        w.cloud.put(Receipts(settings, w.cloud.clock, await KeyRing.open(w.cloud.vault, w.cloud.clock, name=RECEIPTS)))
        w.cloud.authenticate = tokens.authenticate
        await bootstrap(w.execute, settings, PASSWORD)
        them = People(w, tokens)
        domain = {"id": "default"}
        auth = {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"name": "admin", "domain": domain, "password": PASSWORD}},
            },
            "scope": {"project": {"name": "admin", "domain": domain}},
        }
        answer = await them.call("POST", "/auth/tokens", {"auth": auth}, token="")
        assert answer.status_code == 201, answer.text
        them.admin = answer.headers["x-subject-token"]
        yield them


def names(answer: Any) -> set[str]:
    return {role["name"] for role in answer.json()["token"]["roles"]}


async def gone(them: People, token: str, *, words: str = "Failed to validate token") -> None:
    """The token opens nothing, and is not found by who asks for it."""
    assert (await them.call("GET", "/auth/projects", token=token)).status_code == 401
    answer = await them.call("GET", "/auth/tokens", X_Subject_Token=token)
    assert (answer.status_code, answer.json()["error"]["message"]) == (404, words)
