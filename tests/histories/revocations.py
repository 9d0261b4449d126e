"""All that ends a token, and how long it is still good at the other gateways. Validating one does not fence."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx

from events.ids import new_hex
from tests.histories.gateways import Gateways

IDENTITY = "/identity/v3"
Act = tuple[str, str, dict[str, Any] | None]
WAYS = (
    "it is revoked",
    "its user is disabled",
    "its user has a new password",
    "its role is taken away",
    "its project is disabled",
    "its user is deleted",
)


class Bearer:
    """A user with one role in a project of their own, and a token for it."""

    def __init__(self, cloud: Gateways, admin: str) -> None:
        self.cloud = cloud
        self.headers = {"X-Auth-Token": admin}
        self.user = self.project = self.role = self.token = ""

    async def ask(self, method: str, path: str, body: dict[str, Any] | None, **headers: str) -> httpx.Response:
        http = self.cloud.all[0].http
        answer = await http.request(method, IDENTITY + path, json=body, headers={**self.headers, **headers})
        assert answer.is_success, answer.text
        return answer

    async def begin(self) -> None:
        name, password = new_hex(), new_hex()
        self.project = (await self.ask("POST", "/projects", {"project": {"name": name}})).json()["project"]["id"]
        user = {"name": name, "password": password}
        self.user = (await self.ask("POST", "/users", {"user": user})).json()["user"]["id"]
        self.role = (await self.ask("GET", "/roles?name=member", None)).json()["roles"][0]["id"]
        await self.ask("PUT", self.grant, None)
        who = {"methods": ["password"], "password": {"user": {"id": self.user, "password": password}}}
        scope = {"project": {"id": self.project}}
        made = await self.ask("POST", "/auth/tokens", {"auth": {"identity": who, "scope": scope}})
        self.token = made.headers["x-subject-token"]

    @property
    def grant(self) -> str:
        return f"/projects/{self.project}/users/{self.user}/roles/{self.role}"

    def act(self, way: str) -> Act:
        """What ends the token in one of WAYS."""
        user, project = f"/users/{self.user}", f"/projects/{self.project}"
        acts: tuple[Act, ...] = (
            ("DELETE", "/auth/tokens", None),
            ("PATCH", user, {"user": {"enabled": False}}),
            ("PATCH", user, {"user": {"password": new_hex()}}),
            ("DELETE", self.grant, None),
            ("PATCH", project, {"project": {"enabled": False}}),
            ("DELETE", user, None),
        )
        return dict(zip(WAYS, acts, strict=True))[way]

    async def status(self, http: httpx.AsyncClient) -> int:
        """What one gateway says of the token."""
        headers = {**self.headers, "X-Subject-Token": self.token}
        return (await http.get(f"{IDENTITY}/auth/tokens", headers=headers)).status_code

    async def until(self, http: httpx.AsyncClient, good: bool) -> float:
        """When one gateway said so."""
        while (await self.status(http) == 200) != good:
            await asyncio.sleep(0.001)
        return time.monotonic()


async def revocation(cloud: Gateways, admin: str, way: str) -> float:
    """Seconds from the answer of one gateway, which ended a token, until the last of all others refuses it."""
    bearer = Bearer(cloud, admin)
    await bearer.begin()
    others = [gateway.http for gateway in cloud.all[1:]]
    await asyncio.gather(*(bearer.until(http, True) for http in others))
    method, path, body = bearer.act(way)
    await bearer.ask(method, path, body, **({"X-Subject-Token": bearer.token} if path == "/auth/tokens" else {}))
    begin = time.monotonic()
    return max(await asyncio.gather(*(bearer.until(http, False) for http in others))) - begin
