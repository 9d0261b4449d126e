"""A cloud in memory: the journal's specification, every resource, the real gateway, and a few people who call it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import httpx
from starlette.types import ASGIApp

from events.chronicle import JournalChronicle
from events.clock import Clock, SystemClock
from events.decider import Executor, Step, Steps
from events.fold import Fold
from events.journal import Journal, MemoryJournal
from events.nats.vault import MemoryVault
from events.refusals import Unauthenticated
from events.services import SERVICES, deciders
from events.settings import Settings
from gateway.application import application
from gateway.cloud import Cloud
from gateway.past import Past
from gateway.serving import Face
from gateway.tokens import Role, Token

PROJECT = "11111111111111111111111111111111"
FOREIGN = "22222222222222222222222222222222"
ROLES = {
    "admin": ("admin", "manager", "member", "reader"),
    "manager": ("manager", "member", "reader"),
    "member": ("member", "reader"),
    "reader": ("reader",),
    "service": ("service",),
    "nobody": (),
}


def one_by_one(steps: Steps) -> Iterator[Step]:
    """All steps, in an order in which they may be taken."""
    for some in steps:
        if not callable(some):
            yield from (some,) if isinstance(some, Step) else some


def token(persona: str, project: str | None = PROJECT) -> Token:
    """What a token of this persona says; without a project it is unscoped."""
    names = ROLES[persona]
    return Token(
        user=f"{persona}-user",
        user_name=persona,
        user_domain="default",
        scope="project" if project else "unscoped",
        project=project,
        project_name=project and f"project-{project[0]}",
        project_domain=project and "default",
        roles=tuple(Role(id=name, name=name) for name in names),
        role_names=frozenset(names),
        methods=("password",),
        audit_ids=("audit",),
        issued_at=datetime(2026, 1, 1, tzinfo=UTC),
        expires_at=datetime(2126, 1, 1, tzinfo=UTC),
    )


TOKENS = {
    **{persona: token(persona) for persona in ROLES},
    "foreign": token("member", FOREIGN),
    "foreign-admin": token("admin", FOREIGN),
    "unscoped": token("nobody", None),
}


async def authenticate(text: str, service: str | None = None) -> Token:
    """`X-Auth-Token: member` is a member of PROJECT, `foreign` one of FOREIGN, and so on."""
    if text not in TOKENS:
        raise Unauthenticated("The request you have made requires authentication.")
    return TOKENS[text]


def faces() -> list[Face]:
    """The services that have a face."""
    return [import_module(f"gateway.{s.name}").FACE for s in SERVICES if find_spec(f"gateway.{s.name}")]


class World:
    """One cloud. `http` calls its gateway as an admin unless a request brings its own `X-Auth-Token`."""

    def __init__(self, cloud: Cloud, http: httpx.AsyncClient, app: ASGIApp) -> None:
        self.cloud = cloud
        self.app = app
        self.fold = cloud.fold
        self.execute = cloud.execute
        self.http = http

    async def call(
        self, method: str, path: str, body: Any = None, *, as_: str = "admin", **headers: str
    ) -> httpx.Response:
        """A request as one of TOKENS; `version="2.100"` asks for a microversion of compute."""
        sent = {"X-Auth-Token": as_}
        if "version" in headers:
            sent["OpenStack-API-Version"] = f"compute {headers.pop('version')}"
        return await self.http.request(method, path, json=body, headers={**sent, **headers})


@asynccontextmanager
async def world(
    *,
    journal: Journal | None = None,
    clock: Clock | None = None,
    settings: Settings | None = None,
    parts: Sequence[Any] = (),
) -> AsyncIterator[World]:
    """A cloud in memory, ready to be called; `parts` are what single services need, by their type."""
    journal = journal or MemoryJournal()
    fold = Fold(deciders())
    await fold.follow(journal)
    cloud = Cloud(Executor(journal, fold, clock or SystemClock()), settings or Settings(), authenticate, MemoryVault())
    for part in parts:
        cloud.parts[type(part)] = part
    past = Past(cloud, JournalChronicle(journal))
    cloud.put(past)
    app = application(cloud, faces())
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://cloud.test") as http:
        yield World(cloud, http, app)
    await past.stop()
    await fold.stop()
