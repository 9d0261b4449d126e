"""Tokens of application credentials that may be used for single requests only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from events.chronicle import JournalChronicle
from gateway import events, trace_routes
from gateway.access_rules import matches
from gateway.application import application
from gateway.feed import Feed
from tests.gateway.identity.people import People, people


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("/v3/users", "/v3/users", True),
        ("/v3/users", "/v3/users/u", False),
        ("/v3/users/*", "/v3/users/u", True),
        ("/v3/users/*", "/v3/users/", False),
        ("/v3/users/*", "/v3/users/u/groups", False),
        ("/v3/users/{user_id}/groups", "/v3/users/u/groups", True),
        ("/v3/{a}/x-*-y", "/v3/b/x-1-y", True),
        ("/v3/{a}/x-*-y", "/v3/b/x-/-y", False),
        ("/v3/**", "/v3/users/u/groups", True),
        ("/v3/**", "/v3/", True),
        ("/v3/**/groups", "/v3/users/u/groups", True),
        ("/v3/**/groups", "/v3/users/u/projects", False),
        ("/v3.users", "/v3/users", False),  # a dot is a dot
        ("/**a**a**a**a**a**a**a**a**a**a**a**a**a**a", "/" + "a" * 13 + "b" * 1500, False),
        ("", "", True),
    ],
)
def test_a_star_is_a_part_of_a_path_and_two_are_any(pattern: str, path: str, fits: bool) -> None:
    assert matches(pattern, path) is fits


async def credential(
    them: People, user: str, token: str, rules: Any, name: str = "robot"
) -> tuple[dict[str, Any], Any]:
    """A new application credential with access rules, and an answer to its request for a token."""
    wish = {"name": name, "secret": "s", "access_rules": rules}
    path = f"/users/{user}/application_credentials"
    answer = await them.call("POST", path, {"application_credential": wish}, token=token)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()["application_credential"]
    identity = {"methods": ["application_credential"], "application_credential": {"id": made["id"], "secret": "s"}}
    return made, await them.call("POST", "/auth/tokens", {"auth": {"identity": identity}}, token="")


async def test_a_token_with_access_rules_opens_what_they_name_and_nothing_else(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user, project, token = await them.member()
        rules = [
            {"service": "identity", "method": "GET", "path": "/v3/users/*"},
            {"service": "identity", "method": "GET", "path": "/identity/v3/projects/{id}"},
        ]
        made, answer = await credential(them, user["id"], token, rules)
        robot = answer.headers["x-subject-token"]
        assert [rule["path"] for rule in made["access_rules"]] == ["/v3/users/*", "/identity/v3/projects/{id}"]
        assert answer.json()["token"]["application_credential"]["access_rules"] == made["access_rules"]
        for method, path, status in (
            ("GET", f"/users/{user['id']}", 200),
            ("HEAD", f"/users/{user['id']}", 401),
            ("GET", f"/projects/{project['id']}", 200),
            ("GET", f"/users/{user['id']}/groups", 401),
            ("GET", "/auth/projects", 401),
            ("DELETE", f"/projects/{project['id']}/tags", 401),
        ):
            assert (await them.call(method, path, token=robot)).status_code == status, (method, path)
        servers = await them.world.http.get("/compute/v2.1/servers", headers={"X-Auth-Token": robot})
        assert servers.status_code == 401
        rescoped = {"auth": {"identity": {"methods": ["token"], "token": {"id": robot}}}}
        again = await them.call("POST", "/auth/tokens", rescoped, token="")
        assert again.status_code == 403  # no way around them


async def test_a_token_with_access_rules_opens_nothing_that_is_no_services(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user, _, token = await them.member()
        _, answer = await credential(them, user["id"], token, [{"service": "identity", "method": "GET", "path": "/**"}])
        cloud, chronicle = them.world.cloud, JournalChronicle(them.world.execute.journal)
        cloud.feed = Feed(cloud.fold, chronicle, cloud.settings.feed)
        app = application(cloud, (), [*events.routes(cloud), *trace_routes.routes(cloud, chronicle)])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://cloud.test") as http:
            robot = {"X-Auth-Token": answer.headers["x-subject-token"]}
            for path in ("/events", f"/trace/{user['id']}"):
                assert (await http.get(path, headers=robot)).status_code == 401, path
            own = await http.get("/events?after=-1", headers={"X-Auth-Token": token})
            assert own.status_code == 400  # who may ask is told what is wrong with the question
        cloud.feed.close()


async def test_who_does_not_know_access_rules_is_not_told_of_a_token_that_has_them(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user, _, token = await them.member()
        rules = [{"service": "compute", "method": "GET", "path": "/v2.1/servers"}]
        robot = (await credential(them, user["id"], token, rules))[1].headers["x-subject-token"]
        assert (await them.call("GET", "/auth/tokens", X_Subject_Token=robot)).status_code == 404
        knows = {"X_Subject_Token": robot, "OpenStack_Identity_Access_Rules": "1.0"}
        assert (await them.call("GET", "/auth/tokens", token=None, **knows)).status_code == 200


async def test_a_rule_is_shared_by_what_it_says_and_kept_while_it_is_in_use(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user, _, token = await them.member()
        rule = {"service": "compute", "method": "GET", "path": "/v2.1/servers"}
        one, _ = await credential(them, user["id"], token, [rule])
        id = one["access_rules"][0]["id"]
        two, _ = await credential(them, user["id"], token, [{"id": id}, rule], name="other")
        assert two["access_rules"] == one["access_rules"]
        path = f"/users/{user['id']}/access_rules"
        listed = (await them.call("GET", path, token=token)).json()["access_rules"]
        assert [found["id"] for found in listed] == [id]
        assert (await them.call("GET", f"{path}?method=POST", token=token)).json()["access_rules"] == []
        assert (await them.call("GET", f"{path}/{id}", token=token)).json()["access_rule"]["path"] == "/v2.1/servers"
        assert (await them.call("DELETE", f"{path}/{id}", token=token)).status_code == 403
        for made in (one, two):
            gone = f"/users/{user['id']}/application_credentials/{made['id']}"
            assert (await them.call("DELETE", gone, token=token)).status_code == 204
        assert (await them.call("DELETE", f"{path}/{id}", token=token)).status_code == 204
        assert (await them.call("GET", f"{path}/{id}", token=token)).status_code == 404


async def test_a_rule_that_makes_no_sense_or_is_anothers_is_refused(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user, _, token = await them.member()
        _, _, other = await them.member("bob")
        made, _ = await credential(them, user["id"], token, [{"service": "compute", "method": "GET", "path": "/"}])
        bob = (await them.call("GET", "/auth/tokens", token=other, X_Subject_Token=other)).json()["token"]["user"]["id"]
        for rule, status in (
            ({"id": made["access_rules"][0]["id"]}, 404),
            ({"id": 7}, 400),
            ({"service": "compute", "method": "TRACE", "path": "/"}, 400),
            ({"service": "compute", "method": "GET", "path": "x"}, 400),
            ({"service": "compute", "method": "GET"}, 400),
        ):
            wish = {"application_credential": {"name": "x", "access_rules": [rule]}}
            answer = await them.call("POST", f"/users/{bob}/application_credentials", wish, token=other)
            assert answer.status_code == status, answer.text
        foreign = f"/users/{user['id']}/access_rules"
        assert (await them.call("GET", foreign, token=other)).status_code == 403
