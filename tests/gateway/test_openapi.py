"""Each service's OpenAPI document, and what the service answers to whatever may be asked by it: never a 5xx."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from events.refusals import Unauthenticated
from gateway import openapi, personas
from gateway.application import faces
from gateway.image.store import ImageStore
from gateway.tokens import Token
from tests.gateway.identity.people import people

FACES = {face.name: face for face in faces()}
PEOPLE = ("project-admin", "project-member")


class Asked:
    """A cloud in a loop of its own, which is asked one thing after another."""

    def __init__(self, path: Path) -> None:
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.http: httpx.AsyncClient = self.runner.run(self._open(path))

    async def _open(self, path: Path) -> httpx.AsyncClient:
        them = await self.stack.enter_async_context(people(path))
        world = them.world
        world.cloud.authenticate = authenticate
        world.cloud.limits.admit = lambda token: None  # type: ignore[method-assign]  # thousands in a moment
        world.cloud.limits.admit_stranger = lambda client: None  # type: ignore[method-assign]  # nor of strangers
        store = ImageStore(path / "images")
        self.stack.callback(store.close)
        world.cloud.put(store)
        return world.http

    def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        return self.runner.run(self.http.request(method, path, **given))

    def close(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()


async def authenticate(text: str, service: str | None = None) -> Token:
    if text not in PEOPLE:
        raise Unauthenticated("The request you have made requires authentication.")
    return personas.token(text)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Asked]:
    asked = Asked(tmp_path)
    yield asked
    asked.close()


@pytest.mark.parametrize("service", FACES)
def test_a_service_describes_itself(cloud: Asked, service: str) -> None:
    face = FACES[service]
    answer = cloud.ask("GET", f"{face.path}/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    document = answer.json()
    schemathesis.openapi.from_dict(document).validate()
    there = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert there == {(r.method, openapi._HOLE.sub(r"{\1}", face.path + r.path)) for r in face.routes}
    guarded = {
        one["x-policy"] for methods in document["paths"].values() for one in methods.values() if "x-policy" in one
    }
    assert guarded <= {rule.name for rule in face.rules}


@pytest.mark.parametrize("service", FACES)
def test_whatever_is_asked_gets_an_answer_that_is_documented(
    cloud: Asked, service: str, request: pytest.FixtureRequest
) -> None:
    """Two requests for each operation; with `--seeds N`, N."""
    face = FACES[service]
    schema: Any = schemathesis.openapi.from_dict(json.loads(json.dumps(openapi.document(face))))
    headers = (
        {"OpenStack-API-Version": f"{service} {face.versions.maximum[0]}.{face.versions.maximum[1]}"}
        if face.versions
        else {}
    )
    wrong: dict[str, str] = {}
    for found in schema.get_all_operations():
        told = ask_all(cloud, found.ok(), headers, request.config.getoption("seeds") or 2)
        if told is not None:
            wrong[found.ok().label] = told
    assert wrong == {}


def ask_all(cloud: Asked, operation: Any, headers: dict[str, str], number: int) -> str | None:
    """Ask an operation so many times; one answer that should not have been, if there was any."""
    documented = set(operation.definition.raw["responses"])
    wrong: list[str] = []

    @given(case=operation.as_strategy(), who=st.sampled_from(PEOPLE))
    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any, who: str) -> None:
        sent = case.as_transport_kwargs(base_url="http://cloud.test")
        answer = cloud.ask(
            sent["method"],
            sent["url"],
            headers={**dict(sent.get("headers") or {}), "X-Auth-Token": who, **headers},
            params=sent.get("params"),
            json=sent.get("json"),
            content=sent.get("data"),
        )
        status = answer.status_code
        if status >= 500 or not {str(status), f"{status // 100}XX"} & documented:
            wrong.append(f"{who}: {status}: {sent}"[:600])

    ask()
    return wrong[0] if wrong else None
