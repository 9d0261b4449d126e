"""Tokens of application credentials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from events.clock import ManualClock
from events.refusals import Unauthenticated
from tests.gateway.identity.people import gone, names, people


async def test_an_application_credential_gives_what_it_was_made_for(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user, project, token = await them.member(role="manager")
        path = f"/users/{user['id']}/application_credentials"
        wish = {"name": "robot", "secret": "s3cret", "roles": [{"name": "reader"}]}
        made = (await them.call("POST", path, {"application_credential": wish}, token=token)).json()
        id = made["application_credential"]["id"]

        async def ask(**members: Any) -> Any:
            identity = {"methods": ["application_credential"], "application_credential": members}
            return await them.call("POST", "/auth/tokens", {"auth": {"identity": identity}}, token="")

        answer = await ask(id=id, secret="s3cret")
        assert names(answer) == {"reader"}
        assert answer.json()["token"]["project"]["id"] == project["id"]
        assert answer.json()["token"]["application_credential"]["restricted"] is True
        robot = answer.headers["x-subject-token"]
        assert (await ask(name="robot", secret="s3cret", user={"id": user["id"]})).status_code == 201
        assert (await ask(id=id, secret="wrong")).status_code == 401
        assert (await ask(id="nosuch", secret="s3cret")).status_code == 404
        another = {"application_credential": {"name": "second"}}
        assert (await them.call("POST", path, another, token=robot)).status_code == 403
        assert (await them.call("DELETE", f"{path}/{id}", token=robot)).status_code == 403
        twice = await them.call("POST", path, {"application_credential": {"name": "robot"}}, token=token)
        assert twice.status_code == 409
        listed = (await them.call("GET", path, token=token)).json()["application_credentials"]
        assert [one["id"] for one in listed] == [id]
        assert "secret" not in listed[0]
        assert (await them.call("DELETE", f"{path}/{id}", token=token)).status_code == 204
        await gone(them, robot, words=f"Could not find Application Credential: {id}.")


async def test_an_application_credential_gives_no_role_that_its_maker_lacks(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user, _, token = await them.member()
        path = f"/users/{user['id']}/application_credentials"
        wish = {"name": "robot", "roles": [{"name": "admin"}]}
        assert (await them.call("POST", path, {"application_credential": wish}, token=token)).status_code == 400
        other = {"application_credential": {"name": "robot"}}
        assert (await them.call("POST", path, other)).status_code == 403  # not even an admin makes one for another


async def test_an_application_credential_ends_when_it_was_to(tmp_path: Path) -> None:
    clock = ManualClock()
    async with people(tmp_path, clock) as them:
        user, _, token = await them.member()
        wish = {"name": "robot", "secret": "s", "expires_at": "2026-01-01T00:10:00"}
        path = f"/users/{user['id']}/application_credentials"
        id = (await them.call("POST", path, {"application_credential": wish}, token=token)).json()
        method = {"id": id["application_credential"]["id"], "secret": "s"}
        auth = {"identity": {"methods": ["application_credential"], "application_credential": method}}
        answer = await them.call("POST", "/auth/tokens", {"auth": auth}, token="")
        assert answer.json()["token"]["expires_at"] == "2026-01-01T00:10:00.000000Z"
        clock.advance(601)
        with pytest.raises(Unauthenticated):
            await them.tokens.authenticate(answer.headers["x-subject-token"])
        assert (await them.call("POST", "/auth/tokens", {"auth": auth}, token="")).status_code == 401


async def test_a_token_of_an_application_credential_stays_in_its_project(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user, project, token = await them.member()
        other = await them.make("project", name="other")
        await them.grant(f"projects/{other['id']}/users/{user['id']}", "admin")
        await them.grant(f"system/users/{user['id']}", "admin")
        path = f"/users/{user['id']}/application_credentials"
        wish = {"application_credential": {"name": "robot", "secret": "s"}}
        id = (await them.call("POST", path, wish, token=token)).json()["application_credential"]["id"]
        by_secret = {"methods": ["application_credential"], "application_credential": {"id": id, "secret": "s"}}

        async def ask(identity: Any, scope: Any) -> Any:
            auth = {"identity": identity} if scope is None else {"identity": identity, "scope": scope}
            return await them.call("POST", "/auth/tokens", {"auth": auth}, token="")

        assert (await ask(by_secret, None)).json()["token"]["project"]["id"] == project["id"]
        here, there = {"project": {"id": project["id"]}}, {"project": {"id": other["id"]}}
        scope: Any
        for scope in (here, there, {"system": {"all": True}}, "unscoped"):
            assert (await ask(by_secret, scope)).status_code == 401  # it has a scope of its own
        robot = (await ask(by_secret, None)).headers["x-subject-token"]
        for scope in (None, "unscoped", here):
            again = await ask({"methods": ["token"], "token": {"id": robot}}, scope)
            assert again.status_code == 403  # and is exchanged for no other
