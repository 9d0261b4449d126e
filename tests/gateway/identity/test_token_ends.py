"""What ends a token: its time, whoever revokes it, and what becomes of whom and what it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from events.clock import ManualClock
from events.refusals import Unauthenticated
from tests.gateway.identity.people import PASSWORD, gone, names, people


async def test_a_revoked_token_is_gone_and_its_siblings_are_not(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user, project, token = await them.member()
        other = await them.login(user["id"], PASSWORD, {"project": {"id": project["id"]}})
        assert (await them.call("DELETE", "/auth/tokens", token=token, X_Subject_Token=token)).status_code == 204
        await gone(them, token)
        assert (await them.call("GET", "/auth/projects", token=other)).status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/users/{user}", {"user": {"enabled": False}}),
        ("/users/{user}", {"user": {"password": "another"}}),
    ],
)
async def test_tokens_end_with_their_user_for_good(tmp_path: Path, path: str, body: Any) -> None:
    async with people(tmp_path) as them:
        user, _, token = await them.member()
        where = path.format(user=user["id"])
        assert (await them.call("PATCH", where, body)).status_code == 200
        await gone(them, token)
        await them.call("PATCH", where, {"user": {"enabled": True}})  # does not bring it back
        await gone(them, token)


async def test_tokens_rest_while_their_project_or_a_domain_does(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        domain = await them.make("domain", name="d")
        user = await them.make("user", name="ann", password=PASSWORD, domain_id=domain["id"])
        project = await them.make("project", name="p")
        await them.grant(f"projects/{project['id']}/users/{user['id']}", "member")
        token = await them.login(user["id"], PASSWORD, {"project": {"id": project["id"]}})
        for kind, id in (("domain", domain["id"]), ("project", project["id"])):
            await them.call("PATCH", f"/{kind}s/{id}", {kind: {"enabled": False}})
            await gone(them, token, words=f"Unable to validate token because {kind} {id} is disabled")
            assert (await them.ask(user["id"], PASSWORD, {"project": {"id": project["id"]}})).status_code == 401
            await them.call("PATCH", f"/{kind}s/{id}", {kind: {"enabled": True}})
            assert (await them.call("GET", "/auth/projects", token=token)).status_code == 200


async def test_who_leaves_a_group_has_to_log_in_again(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user, _, token = await them.member()
        for end in ("members", "group"):
            group = await them.make("group", name=f"g-{end}")
            member = f"/groups/{group['id']}/users/{user['id']}"
            assert (await them.call("PUT", member)).status_code == 204
            assert (await them.call("GET", "/auth/projects", token=token)).status_code == 200
            where = member if end == "members" else f"/groups/{group['id']}"
            assert (await them.call("DELETE", where)).status_code == 204
            await gone(them, token)
            token = await them.login(user["id"], PASSWORD)


async def test_tokens_end_with_the_last_role_and_show_the_roles_of_now(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user, project, token = await them.member()
        where = f"projects/{project['id']}/users/{user['id']}"
        await them.grant(where, "service")
        assert "service" in names(await them.call("GET", "/auth/tokens", X_Subject_Token=token))
        for role in ("service", "member"):
            assert (await them.call("DELETE", f"/{where}/roles/{await them.role(role)}")).status_code == 204
        await gone(them, token, words=f"Could not find token: {token}.")


async def test_tokens_end_with_the_user_who_changes_their_password(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user, _, token = await them.member()
        path = f"/users/{user['id']}/password"
        wrong = {"user": {"original_password": "wrong", "password": "new"}}
        assert (await them.call("POST", path, wrong, token=token)).status_code == 401
        right = {"user": {"original_password": PASSWORD, "password": "new"}}
        assert (await them.call("POST", path, right, token=token)).status_code == 204
        await gone(them, token)
        assert (await them.ask(user["id"], "new")).status_code == 201


async def test_a_user_or_an_admin_voids_all_tokens_of_a_user(tmp_path: Path) -> None:
    clock = ManualClock()
    async with people(tmp_path, clock) as them:
        ann, project, token = await them.member("ann")
        _, _, of_bob = await them.member("bob")
        path, scope = f"/users/{ann['id']}/tokens", {"project": {"id": project["id"]}}
        clock.advance(1)
        assert (await them.call("DELETE", path, token=of_bob)).status_code == 403
        assert (await them.call("GET", "/auth/projects", token=token)).status_code == 200
        for by in (token, None):
            clock.advance(1)
            assert (await them.call("DELETE", path, token=by)).status_code == 204
            await gone(them, token)
            clock.advance(1)
            token = await them.login(ann["id"], PASSWORD, scope)
        assert (await them.call("GET", "/auth/projects", token=of_bob)).status_code == 200
        assert (await them.call("DELETE", "/users/nosuch/tokens")).status_code == 404


async def test_tokens_expire_and_services_may_ask_for_a_while(tmp_path: Path) -> None:
    clock = ManualClock()
    async with people(tmp_path, clock) as them:
        user, project, token = await them.member()
        await them.grant(f"projects/{project['id']}/users/{user['id']}", "service")
        clock.advance(3601)
        with pytest.raises(Unauthenticated):
            await them.tokens.authenticate(token)
        service = await them.login(user["id"], PASSWORD, {"project": {"id": project["id"]}})
        for query, status in (("", 404), ("?allow_expired=1", 200)):
            answer = await them.call("GET", f"/auth/tokens{query}", token=service, X_Subject_Token=token)
            assert answer.status_code == status
        clock.advance(3 * 86400)
        service = await them.login(user["id"], PASSWORD, {"project": {"id": project["id"]}})
        answer = await them.call("GET", "/auth/tokens?allow_expired=1", token=service, X_Subject_Token=token)
        assert answer.status_code == 404


async def test_a_service_goes_on_with_what_a_user_began_before_their_token_expired(tmp_path: Path) -> None:
    clock = ManualClock()
    async with people(tmp_path, clock) as them:
        _, project, token = await them.member()
        robot = (await them.make("user", name="nova", password=PASSWORD))["id"]
        await them.grant(f"projects/{project['id']}/users/{robot}", "service")
        clock.advance(3601)
        service = await them.login(robot, PASSWORD, {"project": {"id": project["id"]}})

        async def servers(token: str, **headers: str) -> int:
            answer = await them.world.http.get("/compute/v2.1/servers", headers={"X-Auth-Token": token, **headers})
            return answer.status_code

        admin = them.admin
        them.admin = service
        other = await them.login(robot, PASSWORD)
        assert await servers(token) == 401
        assert await servers(token, **{"X-Service-Token": service}) == 200
        assert await servers(token, **{"X-Service-Token": other}) == 401  # it has no such role
        assert await servers(service, **{"X-Service-Token": admin}) == 401  # that has expired itself
        assert await servers(service, **{"X-Service-Token": "garbage"}) == 401
        headers = {"X-Auth-Token": token, "X-Service-Token": service}
        assert (await them.world.http.get("/identity/v3/auth/projects", headers=headers)).status_code == 401
        clock.advance(2 * 86_400)
        service = await them.login(robot, PASSWORD, {"project": {"id": project["id"]}})
        assert await servers(token, **{"X-Service-Token": service}) == 401


async def test_revoking_a_token_revokes_what_was_made_of_it_unless_told_not_to(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user, project, _ = await them.member()
        scope = {"project": {"id": project["id"]}}

        async def made_of(token: str) -> str:
            auth = {"identity": {"methods": ["token"], "token": {"id": token}}, "scope": scope}
            return str((await them.call("POST", "/auth/tokens", {"auth": auth}, token="")).headers["x-subject-token"])

        for query, status in (("", 401), ("?cascade=false", 200)):
            first = await them.login(user["id"], PASSWORD, "unscoped")
            second = await made_of(first)
            third = await made_of(second)
            await them.call("DELETE", f"/auth/tokens{query}", token=first, X_Subject_Token=first)
            await gone(them, first)
            for token in (second, third):
                assert (await them.call("GET", "/auth/projects", token=token)).status_code == status
        events = (await them.call("GET", "/OS-REVOKE/events")).json()["events"]
        assert [sorted(event)[0] for event in events] == ["audit_id", "audit_chain_id", "audit_id"]


async def test_what_voided_tokens_is_told_to_services_and_admins(tmp_path: Path) -> None:
    clock = ManualClock()
    async with people(tmp_path, clock) as them:
        user, project, _ = await them.member()
        clock.advance(1)
        await them.call("PATCH", f"/users/{user['id']}", {"user": {"password": "another"}})
        clock.advance(1)
        await them.call("DELETE", f"/projects/{project['id']}")
        events = (await them.call("GET", "/OS-REVOKE/events")).json()["events"]
        at = {"issued_before": "2026-01-01T00:00:02.000000Z", "revoked_at": "2026-01-01T00:00:02.000000Z"}
        assert events[0]["user_id"] == user["id"]
        assert events[1] == {"project_id": project["id"], **at}
        later = await them.call("GET", "/OS-REVOKE/events?since=2026-01-01T00:00:02Z")
        assert later.json()["events"] == events[1:]
        assert (await them.call("GET", "/OS-REVOKE/events?since=x")).status_code == 400
        unscoped = await them.login(user["id"], "another")
        assert (await them.call("GET", "/OS-REVOKE/events", token=unscoped)).status_code == 403
