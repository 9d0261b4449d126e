"""Who signs on at a real OpenID provider is somebody here, and nobody else is."""

from __future__ import annotations

import hmac
import json
import re
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from events import settings as all_settings
from events.settings import Federation, Settings
from gateway.identity.federation.naming import client_secret
from tests.gateway.identity.openid_provider import CLIENT, SECRET, OpenIdProvider, openid_provider
from tests.gateway.identity.people import PASSWORD, People, demanding, people

ORIGIN = "https://dashboard.example/auth/websso/"
PATH = "/OS-FEDERATION/identity_providers/acme/protocols/openid"
RULES: list[dict[str, Any]] = [
    {
        "local": [
            {"user": {"name": "{0}", "email": "{1}"}},
            {"groups": "{2}", "domain": {"id": "default"}},
        ],
        "remote": [
            {"type": "HTTP_OIDC_SUB"},
            {"type": "HTTP_OIDC_EMAIL"},
            {"type": "HTTP_OIDC_GROUPS", "whitelist": ["staff", "admins"]},
        ],
    }
]


@pytest.fixture(scope="module", autouse=True)
def _plain_http() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
        yield


@pytest.fixture(scope="module")
def running() -> Iterator[OpenIdProvider]:
    with openid_provider() as provider:
        yield provider


@pytest.fixture
def provider(running: OpenIdProvider) -> OpenIdProvider:
    running.opaque = False
    running.asked.clear()
    return running


def configured(provider: OpenIdProvider, **options: Any) -> Settings:
    acme = all_settings.OpenIdProvider(issuer=provider.issuer, client_id=CLIENT, **options)
    offered = demanding(methods="password,token,mapped,openid").identity
    return Settings(identity=offered, federation=Federation(oidc={"acme": acme}, trusted_dashboards=ORIGIN))


@asynccontextmanager
async def federated(
    keys: Path, provider: OpenIdProvider, *, rules: list[dict[str, Any]] = RULES, ttl: int | None = None, **options: Any
) -> AsyncIterator[People]:
    """A cloud that takes the provider's word; group `staff` is a member of project `of-staff`."""
    async with people(keys, settings=configured(provider, **options)) as them:
        await them.world.cloud.vault.put(client_secret("acme"), SECRET.encode())
        acme = {"enabled": True, "remote_ids": [provider.issuer], "authorization_ttl": ttl}
        await them.call("PUT", "/OS-FEDERATION/identity_providers/acme", {"identity_provider": acme})
        version = {"rules": rules, "schema_version": "2.0"}
        assert (await them.call("PUT", "/OS-FEDERATION/mappings/m", {"mapping": version})).status_code == 201
        answer = await them.call("PUT", PATH, {"protocol": {"mapping_id": "m"}})
        assert answer.status_code == 201
        group = await them.make("group", name="staff")
        project = await them.make("project", name="of-staff")
        await them.grant(f"projects/{project['id']}/groups/{group['id']}", "member")
        yield them


async def sign_on(them: People, token: str, method: str = "POST") -> httpx.Response:
    return await them.call(method, f"{PATH}/auth", token="", Authorization=f"Bearer {token}")


async def rescoped(them: People, token: str, method: str = "token", scope: Any = None) -> httpx.Response:
    scope = scope or {"project": {"name": "of-staff", "domain": {"id": "default"}}}
    auth = {"identity": {"methods": [method], method: {"id": token}}, "scope": scope}
    return await them.call("POST", "/auth/tokens", {"auth": auth}, token="")


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


# What proves nothing


def forged(provider: OpenIdProvider, header: dict[str, Any], key: Any, **claims: Any) -> str:
    now = int(time.time())
    said = {"iss": provider.issuer, "aud": CLIENT, "sub": "ann", "email": "e", "groups": ["staff"], "exp": now + 60}
    said |= claims
    return jwt.encode(header, {name: value for name, value in said.items() if value is not None}, key)


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


async def test_only_a_token_of_the_issuer_for_this_cloud_that_has_not_ended_is_proof(
    tmp_path: Path, provider: OpenIdProvider
) -> None:
    key = provider.keys[0]
    right = {"alg": "RS256", "kid": key.kid}
    now = int(time.time())
    async with federated(tmp_path, provider) as them:
        assert (await sign_on(them, forged(provider, right, key))).status_code == 201
        assert (await sign_on(them, forged(provider, right, key, exp=now - 10))).status_code == 201  # clocks differ
        for claims in (
            {"iss": "https://other"},
            {"iss": None},
            {"aud": "another"},
            {"aud": None},
            {"aud": [CLIENT, "another"], "azp": "another"},
            {"exp": now - 120},
            {"exp": None},
            {"exp": "soon"},
            {"nbf": now + 120},
            {"iat": now + 120},
            {"sub": None},
            {"sub": 7},
        ):
            answer = await sign_on(them, forged(provider, right, key, **claims))
            assert answer.status_code == 401, claims


async def test_claims_of_any_form_are_somebody_or_nobody(tmp_path: Path, provider: OpenIdProvider) -> None:
    key = provider.keys[0]
    odd: list[Any] = [
        [],
        {},
        [[1]],
        {"a": [1]},
        7,
        True,
        1.5,
        "",
        "x" * 9000,
        ["x"] * 500,
        "\x00",
        "é",
        [None],
        "a/b c",
    ]
    async with federated(tmp_path, provider) as them:
        for value in odd:
            for claim in ("email", "groups", "sub", "jti", "aud", "Groups"):
                token = forged(provider, {"alg": "RS256", "kid": key.kid}, key, **{claim: value})
                answer = await sign_on(them, token)
                assert answer.status_code in (201, 401), (claim, value, answer.text)
        both = forged(provider, {"alg": "RS256", "kid": key.kid}, key, **{"g-roups": ["x"], "G_ROUPS": ["y"]})
        assert (await sign_on(them, both)).status_code == 201


async def test_no_other_signature_counts(tmp_path: Path, provider: OpenIdProvider) -> None:
    key = provider.keys[0]
    async with federated(tmp_path, provider) as them:
        stranger = RSAKey.generate_key(2048, {"kid": str(key.kid)})
        assert (await sign_on(them, forged(provider, {"alg": "RS256", "kid": key.kid}, stranger))).status_code == 401
        head, body, _ = forged(provider, {"alg": "RS256", "kid": key.kid}, key).split(".")
        # The public key taken for a shared secret.
        fake = encoded(json.dumps({"alg": "HS256", "kid": key.kid}).encode())
        shared = hmac.digest(key.as_pem(private=False), f"{fake}.{body}".encode(), "sha256")
        assert (await sign_on(them, f"{fake}.{body}.{encoded(shared)}")).status_code == 401
        headers: tuple[dict[str, Any], ...] = (
            {"alg": "none"},
            {"alg": "None", "kid": key.kid},
            {"alg": ["RS256"]},
            {"alg": "RS256", "kid": 7},
        )
        for header in headers:
            fake = encoded(json.dumps(header).encode())
            assert (await sign_on(them, f"{fake}.{body}.")).status_code == 401
        assert (await sign_on(them, f"{head}.{body}.")).status_code == 401
        embedded = RSAKey.generate_key(2048)
        header = {"alg": "RS256", "jwk": embedded.as_dict(private=False)}
        assert (await sign_on(them, forged(provider, header, embedded))).status_code == 401


async def test_keys_that_are_not_known_are_asked_for_but_not_again_and_again(
    tmp_path: Path, provider: OpenIdProvider
) -> None:
    async with federated(tmp_path, provider) as them:
        assert (await sign_on(them, provider.token("ann"))).status_code == 201
        assert (await sign_on(them, provider.token("ann"))).status_code == 201
        assert provider.asked.count("/jwks") == 1
        known = them.world.cloud.parts
        provider.rotate()
        for part in known.values():  # as if some time had passed
            if type(part).__name__ == "Providers":
                part.by_id["acme"]._asked_at -= timedelta(seconds=11)
        assert (await sign_on(them, provider.token("ann"))).status_code == 201
        assert provider.asked.count("/jwks") == 2
        other = ECKey.generate_key("P-256", {"kid": "unknown"})
        for _ in range(20):
            await sign_on(them, forged(provider, {"alg": "ES256", "kid": "unknown"}, other))
        assert provider.asked.count("/jwks") == 2


NONSENSE = ("", "x", "a.b.c", "....", "é.é.é", "x" * 20_000, "eyJhbGciOiJSUzI1NiJ9..", "\x7f")


async def test_nonsense_is_refused(tmp_path: Path, provider: OpenIdProvider) -> None:
    async with federated(tmp_path, provider) as them:
        for nonsense in NONSENSE:
            for header in (f"Bearer {nonsense}", nonsense, f"Basic {nonsense}"):
                answer = await them.call("POST", f"{PATH}/auth", token="", Authorization=header)
                assert answer.status_code == 401, (header, answer.text)


async def test_tokens_that_cannot_be_read_are_asked_about_if_the_operator_wants_it(
    tmp_path: Path, provider: OpenIdProvider
) -> None:
    provider.opaque = True
    async with federated(tmp_path, provider, introspection=True) as them:
        token = provider.token("ann")
        assert "." not in token
        answer = await sign_on(them, token)
        assert answer.status_code == 201, answer.text
        assert answer.json()["token"]["user"]["name"] == "ann"
        assert (await sign_on(them, "x" * 32)).status_code == 401
    async with federated(tmp_path / "b", provider) as them:
        assert (await sign_on(them, token)).status_code == 401


async def test_a_provider_that_does_not_answer_is_told_of(tmp_path: Path, provider: OpenIdProvider) -> None:
    token = provider.token("ann")
    elsewhere = OpenIdProvider.__new__(OpenIdProvider)
    elsewhere.issuer = "http://127.0.0.1:9"
    async with federated(tmp_path, elsewhere) as them:
        answer = await sign_on(them, token)
        assert answer.status_code == 503
        assert "retry-after" in answer.headers


# With a browser


async def journey(
    them: People, path: str = "/auth/OS-FEDERATION/websso/openid", origin: str = ORIGIN
) -> httpx.Response:
    return await them.world.http.get(f"/identity/v3{path}", params={"origin": origin})


async def at_provider(location: str, name: str = "ann") -> str:
    """What a browser does there: the login form, and the way back."""
    async with httpx.AsyncClient() as browser:
        form = await browser.get(location)
        assert 'name="password"' in form.text
        back = await browser.post(location, data={"username": name, "password": f"{name}'s own"})
    assert back.status_code == 302, back.text
    return back.headers["location"]


async def test_a_browser_comes_to_the_dashboard_with_a_token(tmp_path: Path, provider: OpenIdProvider) -> None:
    async with federated(tmp_path, provider) as them:
        for path in ("/auth/OS-FEDERATION/websso/openid", f"/auth{PATH}/websso"):
            out = await journey(them, path)
            assert out.status_code == 302, out.text
            asked = parse_qs(urlsplit(out.headers["location"]).query)
            assert asked["code_challenge_method"] == ["S256"]
            back = await at_provider(out.headers["location"])
            page = await them.world.http.get(back)
            assert page.status_code == 200, page.text
            assert page.headers["cache-control"] == "no-store"
            assert f'action="{ORIGIN}"' in page.text
            found = re.search(r'name="token" value="([^"]+)"', page.text)
            assert found is not None
            said = (await them.call("GET", "/auth/tokens", X_Subject_Token=found[1])).json()["token"]
            assert (said["user"]["name"], said["methods"]) == ("ann", ["openid"])
            assert (await them.world.http.get(back)).status_code == 401  # a way back is taken once


async def test_only_the_browser_that_went_out_comes_back(tmp_path: Path, provider: OpenIdProvider) -> None:
    async with federated(tmp_path, provider) as them:
        out = await journey(them)
        back = await at_provider(out.headers["location"])
        cookies = dict(them.world.http.cookies)
        them.world.http.cookies.clear()
        assert (await them.world.http.get(back)).status_code == 401
        them.world.http.cookies.update(cookies)
        query = parse_qs(urlsplit(back).query)
        for changed in ({"state": them.admin}, {"state": ""}, {"state": "x" * 9999}, {"code": ""}):
            params = {name: values[0] for name, values in query.items()} | changed
            url = back.partition("?")[0]
            assert (await them.world.http.get(url, params=params)).status_code == 401, changed
        answer = await them.call("GET", "/auth/tokens", X_Subject_Token=query["state"][0])
        assert answer.status_code == 404  # a state is sealed as tokens are, and is none


async def test_no_token_goes_where_the_operator_does_not_trust(tmp_path: Path, provider: OpenIdProvider) -> None:
    async with federated(tmp_path, provider) as them:
        answer = await journey(them, origin="https://evil.example/")
        assert answer.status_code == 401
        answer = await journey(them, f"/auth{PATH}/websso", origin="")
        assert answer.status_code == 400
        assert (await journey(them, "/auth/OS-FEDERATION/websso/saml2")).status_code == 401
