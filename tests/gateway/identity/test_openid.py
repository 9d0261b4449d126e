"""Who signs on at a real OpenID provider is somebody here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.gateway.identity.openid import federated, rescoped, sign_on
from tests.gateway.identity.openid_provider import OpenIdProvider
from tests.gateway.identity.people import PASSWORD, People


async def test_who_signs_on_gets_an_unscoped_token_and_works_where_their_groups_do(
    tmp_path: Path, provider: OpenIdProvider
) -> None:
    async with federated(tmp_path, provider) as them:
        answer = await sign_on(them, provider.token("ann"))
        assert answer.status_code == 201, answer.text
        said = answer.json()["token"]
        assert said["methods"] == ["openid"]
        assert "project" not in said
        assert said["user"]["name"] == "ann"
        told = said["user"]["OS-FEDERATION"]
        assert (told["identity_provider"], told["protocol"]) == ({"id": "acme"}, {"id": "openid"})
        assert len(told["groups"]) == 1  # `admins` is none here
        unscoped = answer.headers["x-subject-token"]
        projects = (await them.call("GET", "/OS-FEDERATION/projects", token=unscoped)).json()["projects"]
        assert [project["name"] for project in projects] == ["of-staff"]
        for method in ("token", "mapped", "openid"):
            scoped = await rescoped(them, unscoped, method)
            assert scoped.status_code == 201, scoped.text
            body = scoped.json()["token"]
            assert {role["name"] for role in body["roles"]} == {"member", "reader"}
            assert body["user"] == said["user"]
            assert "openid" in body["methods"]
        assert (await rescoped(them, unscoped, scope={"domain": {"id": "default"}})).status_code == 401
        again = await sign_on(them, provider.token("ann"), "GET")
        assert again.json()["token"]["user"]["id"] == said["user"]["id"]


async def test_the_user_is_shown_with_who_vouches_and_found_by_it(tmp_path: Path, provider: OpenIdProvider) -> None:
    async with federated(tmp_path, provider) as them:
        id = (await sign_on(them, provider.token("ann"))).json()["token"]["user"]["id"]
        user = (await them.call("GET", f"/users/{id}")).json()["user"]
        assert (user["name"], user["email"]) == ("ann", "ann@acme.example")
        protocols = [{"protocol_id": "openid", "unique_id": "ann"}]
        assert user["federated"] == [{"idp_id": "acme", "protocols": protocols}]
        for query, found in (
            ("idp_id=acme", [id]),
            ("idp_id=acme&protocol_id=openid&unique_id=ann", [id]),
            ("unique_id=bob", []),
            ("idp_id=other", []),
        ):
            users = (await them.call("GET", f"/users?{query}")).json()["users"]
            assert [user["id"] for user in users] == found, query
        # Nobody logs in by password as who has none, or finds them in the way of a user of that name.
        local = await them.make("user", name="ann", domain_id=user["domain_id"], password=PASSWORD)
        assert await them.login(local["id"], PASSWORD)
        assert (await them.ask(id, "")).status_code == 401
        assert (await them.call("DELETE", "/OS-FEDERATION/identity_providers/acme")).status_code == 204
        assert (await them.call("GET", f"/users/{id}")).status_code == 404
        assert (await them.call("GET", f"/users/{local['id']}")).status_code == 200


async def test_a_provider_that_is_disabled_or_gone_vouches_for_nobody(tmp_path: Path, provider: OpenIdProvider) -> None:
    async with federated(tmp_path, provider) as them:
        token = provider.token("ann")
        unscoped = (await sign_on(them, token)).headers["x-subject-token"]
        idp = "/OS-FEDERATION/identity_providers/acme"
        await them.call("PATCH", idp, {"identity_provider": {"enabled": False}})
        answer = await sign_on(them, token)
        assert answer.status_code == 403
        assert (await rescoped(them, unscoped)).status_code == 403
        await them.call("PATCH", idp, {"identity_provider": {"enabled": True, "remote_ids": ["https://other"]}})
        assert (await sign_on(them, token)).status_code == 403
        await them.call("DELETE", idp)
        assert (await sign_on(them, token)).status_code == 404
        assert (await rescoped(them, unscoped)).status_code == 404
        assert (await them.call("GET", "/auth/projects", token=unscoped)).status_code == 401


async def test_memberships_last_as_long_as_the_operator_wants(tmp_path: Path, provider: OpenIdProvider) -> None:
    async with federated(tmp_path, provider, ttl=5) as them:
        id = (await sign_on(them, provider.token("ann"))).json()["token"]["user"]["id"]
        groups = (await them.call("GET", f"/users/{id}/groups")).json()["groups"]
        assert [group["name"] for group in groups] == ["staff"]
        assert groups[0]["membership_expires_at"] is not None
        group = groups[0]["id"]
        assert (await them.call("HEAD", f"/groups/{group}/users/{id}")).status_code == 204
        listed = (await them.call("GET", f"/role_assignments?user.id={id}&effective")).json()["role_assignments"]
        assert len(listed) == 2  # member, and reader by it
        idp = "/OS-FEDERATION/identity_providers/acme"
        await them.call("PATCH", idp, {"identity_provider": {"authorization_ttl": 0}})
        await sign_on(them, provider.token("ann"))
        assert (await them.call("GET", f"/users/{id}/groups")).json()["groups"] == []


async def test_projects_are_made_for_who_comes_and_roles_taken_back_that_are_not_told(
    tmp_path: Path, provider: OpenIdProvider
) -> None:
    def rules(role: str) -> list[dict[str, Any]]:
        projects = [{"name": "of {0}", "roles": [{"name": role}]}]
        local = [{"user": {"name": "{0}"}, "projects": projects, "domain": {"id": "default"}}]
        return [{"local": local, "remote": [{"type": "HTTP_OIDC_SUB"}]}]

    async def roles(them: People) -> set[str]:
        answer = await sign_on(them, provider.token("ann"))
        assert answer.status_code == 201, answer.text
        scope = {"project": {"name": "of ann", "domain": {"id": "default"}}}
        scoped = await rescoped(them, answer.headers["x-subject-token"], scope=scope)
        return {role["name"] for role in scoped.json()["token"]["roles"]}

    async with federated(tmp_path, provider, rules=rules("member")) as them:
        assert await roles(them) == {"member", "reader"}
        path = "/OS-FEDERATION/mappings/m"
        await them.call("PATCH", path, {"mapping": {"rules": rules("reader"), "schema_version": "2.0"}})
        assert await roles(them) == {"member", "reader"}
        await them.call("PATCH", path, {"mapping": {"rules": rules("reader"), "schema_version": "3.0"}})
        assert await roles(them) == {"reader"}
        await them.call("PATCH", path, {"mapping": {"rules": rules("nonesuch"), "schema_version": "2.0"}})
        answer = await sign_on(them, provider.token("ann"))
        assert (answer.status_code, answer.json()["error"]["message"]) == (404, "Could not find role: nonesuch.")


async def test_a_mapping_may_mean_a_user_who_is_here(tmp_path: Path, provider: OpenIdProvider) -> None:
    local = {"user": {"name": "{0}", "type": "local", "domain": {"id": "default"}}}
    rules = [{"local": [local], "remote": [{"type": "HTTP_OIDC_EMAIL"}]}]
    async with federated(tmp_path, provider, rules=rules) as them:
        assert (await sign_on(them, provider.token("ann"))).status_code == 401
        user = await them.make("user", name="ann@acme.example")
        answer = await sign_on(them, provider.token("ann"))
        assert answer.json()["token"]["user"]["id"] == user["id"]
        assert "OS-FEDERATION" not in answer.json()["token"]["user"]
        await them.call("PATCH", f"/users/{user['id']}", {"user": {"enabled": False}})
        assert (await sign_on(them, provider.token("ann"))).status_code == 401


async def test_who_fits_no_rule_is_nobody(tmp_path: Path, provider: OpenIdProvider) -> None:
    only = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "HTTP_OIDC_SUB"}, {"type": "X"}]}]
    async with federated(tmp_path, provider, rules=only) as them:
        assert (await sign_on(them, provider.token("ann"))).status_code == 401
        assert (await them.call("GET", "/users?idp_id=acme")).json()["users"] == []
