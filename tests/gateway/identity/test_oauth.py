"""What users lend to consumers of OAuth 1, whose requests oauthlib's client signs; and the grant of OAuth 2."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
from oauthlib.oauth1 import Client

from events.clock import SystemClock
from events.journal import MemoryJournal
from tests.gateway.identity.people import PASSWORD, People, names, people

BASE = "http://cloud.test/identity/v3"


async def signed(
    them: People, path: str, consumer: dict[str, Any], token: Any = None, body: Any = None, **more: Any
) -> httpx.Response:
    """The answer to a request that a consumer signed."""
    key, secret = (token["oauth_token"], token["oauth_token_secret"]) if token else (None, None)
    project = more.pop("project", None)
    client = Client(consumer["id"], consumer["secret"], key, secret, **more)
    _, headers, _ = client.sign(BASE + path, "POST")
    if project:
        headers["Requested-Project-Id"] = project
    return await them.world.http.post(f"/identity/v3{path}", json=body, headers=headers)


async def consumer(them: People) -> dict[str, Any]:
    answer = await them.call("POST", "/OS-OAUTH1/consumers", {"consumer": {"description": "c", "url": "u"}})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()["consumer"]
    return made


async def lend(them: People, made: dict[str, Any], project: str, lender: str, *roles: str) -> dict[str, str]:
    """An access token that somebody lends."""
    asked = await signed(them, "/OS-OAUTH1/request_token", made, project=project, callback_uri="oob")
    assert asked.status_code == 201, asked.text
    request = dict(parse_qsl(asked.text))
    path = f"/OS-OAUTH1/authorize/{request['oauth_token']}"
    answer = await them.call("PUT", path, {"roles": [{"name": role} for role in roles]}, token=lender)
    assert answer.status_code == 200, answer.text
    verifier = answer.json()["token"]["oauth_verifier"]
    for wrong in ({"verifier": "x" * 8}, {"verifier": verifier, "signature_method": "PLAINTEXT"}):
        assert (await signed(them, "/OS-OAUTH1/access_token", made, request, **wrong)).status_code == 401
    other = {**made, "secret": "0" * 32}
    assert (await signed(them, "/OS-OAUTH1/access_token", other, request, verifier=verifier)).status_code == 401
    given = await signed(them, "/OS-OAUTH1/access_token", made, request, verifier=verifier)
    assert (given.status_code, given.headers["content-type"]) == (201, "application/x-www-form-urlencoded")
    again = await signed(them, "/OS-OAUTH1/access_token", made, request, verifier=verifier)
    assert again.status_code == 404  # a request token is spent once
    return dict(parse_qsl(given.text))


LOGIN = {"auth": {"identity": {"methods": ["oauth1"], "oauth1": {}}}}


async def test_a_consumer_works_with_the_roles_that_it_was_lent(tmp_path: Path) -> None:
    journal = MemoryJournal()
    async with people(tmp_path, SystemClock(), journal) as them:
        user, project, token = await them.member(role="admin")
        made = await consumer(them)
        lent = await lend(them, made, project["id"], token, "member")
        answer = await signed(them, "/auth/tokens", made, lent, LOGIN)
        assert answer.status_code == 201, answer.text
        found = answer.json()["token"]
        assert names(answer) == {"member", "reader"}
        assert (found["user"]["id"], found["project"]["id"], found["methods"]) == (
            user["id"],
            project["id"],
            ["oauth1"],
        )
        assert found["OS-OAUTH1"] == {"access_token_id": lent["oauth_token"], "consumer_id": made["id"]}
        theirs = answer.headers["x-subject-token"]
        assert (await them.call("GET", f"/users/{user['id']}", token=theirs)).status_code == 200
        assert (await them.call("POST", "/OS-OAUTH1/consumers", {"consumer": {}}, token=theirs)).status_code == 403
        rescoped = {"auth": {"identity": {"methods": ["token"], "token": {"id": theirs}}}}
        assert (await them.call("POST", "/auth/tokens", rescoped, token="")).status_code in (401, 403)
        stranger = {**lent, "oauth_token_secret": "0" * 32}
        assert (await signed(them, "/auth/tokens", made, stranger, LOGIN)).status_code == 401
        assert (await signed(them, "/auth/tokens", await consumer(them), lent, LOGIN)).status_code == 401
        path = f"/users/{user['id']}/OS-OAUTH1/access_tokens"
        assert [one["id"] for one in (await them.call("GET", path)).json()["access_tokens"]] == [lent["oauth_token"]]
        one = f"{path}/{lent['oauth_token']}"
        assert (await them.call("GET", one)).json()["access_token"]["consumer_id"] == made["id"]
        role = (await them.call("GET", f"{one}/roles")).json()["roles"][0]
        assert role["name"] == "member"
        assert (await them.call("GET", f"{one}/roles/{role['id']}")).json()["role"]["id"] == role["id"]
        assert (await them.call("GET", f"{one}/roles/{await them.role('admin')}")).status_code == 404
        assert (await them.call("DELETE", one, token=token)).status_code == 204
        assert (await them.call("GET", f"/users/{user['id']}", token=theirs)).status_code == 401
        secrets = (made["secret"], lent["oauth_token_secret"])
        assert not any(secret.encode() in entry.data for entry in journal.entries for secret in secrets)


async def test_nobody_lends_what_they_have_not(tmp_path: Path) -> None:
    async with people(tmp_path, SystemClock()) as them:
        _, project, token = await them.member(role="admin")
        made = await consumer(them)
        asked = await signed(them, "/OS-OAUTH1/request_token", made, project=project["id"], callback_uri="oob")
        path = f"/OS-OAUTH1/authorize/{dict(parse_qsl(asked.text))['oauth_token']}"
        for roles, status in (
            ([{"name": "service"}], 401),
            ([{"name": "nosuch"}], 404),
            ([{"name": "member", "id": "x"}], 400),
            ("x", 400),
        ):
            assert (await them.call("PUT", path, {"roles": roles}, token=token)).status_code == status
        lent = await lend(them, made, project["id"], token, "member")
        theirs = (await signed(them, "/auth/tokens", made, lent, LOGIN)).headers["x-subject-token"]
        assert (await them.call("PUT", path, {"roles": []}, token=theirs)).status_code == 403


async def test_what_is_not_said_or_not_there_is_refused(tmp_path: Path) -> None:
    async with people(tmp_path, SystemClock()) as them:
        _, project, _ = await them.member()
        made = await consumer(them)
        path = "/OS-OAUTH1/request_token"
        assert (await signed(them, path, made)).status_code == 400
        assert (await signed(them, path, made, project="nosuch")).status_code == 404
        assert (await signed(them, path, {**made, "id": "0" * 32}, project=project["id"])).status_code == 404
        assert (await signed(them, path, made, project=project["id"], timestamp="1000000000")).status_code == 401
        http = them.world.http
        assert (await http.post(f"/identity/v3{path}")).status_code == 400
        for header in ("OAuth", "OAuth x", "OAuth oauth_consumer_key=", f'OAuth oauth_consumer_key="{made["id"]}"'):
            sent = {"Authorization": header, "Requested-Project-Id": project["id"]}
            assert (await http.post(f"/identity/v3{path}?{{x", headers=sent)).status_code in (400, 401), header
        assert (await signed(them, "/OS-OAUTH1/access_token", made)).status_code == 400
        assert (await signed(them, "/auth/tokens", made, None, LOGIN)).status_code == 400


async def test_a_consumer_goes_with_all_that_it_was_lent(tmp_path: Path) -> None:
    async with people(tmp_path, SystemClock()) as them:
        user, project, token = await them.member(role="admin")
        made = await consumer(them)
        lent = await lend(them, made, project["id"], token, "member")
        theirs = (await signed(them, "/auth/tokens", made, lent, LOGIN)).headers["x-subject-token"]
        path = f"/OS-OAUTH1/consumers/{made['id']}"
        shown = (await them.call("GET", path)).json()["consumer"]
        assert "secret" not in shown
        assert shown["url"] == "u"
        changed = await them.call("PATCH", path, {"consumer": {"description": "d"}})
        assert changed.json()["consumer"]["description"] == "d"
        assert (await them.call("PATCH", path, {"consumer": {"secret": "d"}})).status_code == 400
        assert (await them.call("DELETE", path)).status_code == 204
        assert (await them.call("GET", path)).status_code == 404
        assert (await them.call("GET", f"/users/{user['id']}", token=theirs)).status_code == 401
        assert [key for key in await them.world.cloud.vault.keys() if "oauth1" in key] == []


async def test_an_application_credential_gets_a_token_by_oauth_2(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user, project, token = await them.member()
        wish = {"application_credential": {"name": "robot", "secret": "s3cret"}}
        path = f"/users/{user['id']}/application_credentials"
        id = (await them.call("POST", path, wish, token=token)).json()["application_credential"]["id"]
        http, url = them.world.http, "/identity/v3/OS-OAUTH2/token"
        grant = {"grant_type": "client_credentials"}
        header = {"Authorization": "Basic " + b64encode(f"{id}:s3cret".encode()).decode()}
        for answer in (
            await http.post(url, data=grant, headers=header),
            await http.post(url, data={**grant, "client_id": id, "client_secret": "s3cret"}),
        ):
            assert (answer.status_code, answer.json()["token_type"]) == (200, "Bearer")
            assert answer.json()["expires_in"] == 3600
            theirs = answer.json()["access_token"]
            said = (await them.call("GET", "/auth/tokens", X_Subject_Token=theirs)).json()["token"]
            assert (said["project"]["id"], said["methods"]) == (project["id"], ["application_credential"])
        for data, status, error in (
            ({}, 400, "invalid_request"),
            ({"grant_type": "password"}, 400, "unsupported_grant_type"),
            (grant, 401, "invalid_client"),
            ({**grant, "client_id": id, "client_secret": PASSWORD}, 401, "invalid_client"),
            ({**grant, "client_id": "nosuch", "client_secret": "x"}, 401, "invalid_client"),
        ):
            answer = await http.post(url, data=data)
            assert (answer.status_code, answer.json()["error"]) == (status, error)
        assert (await http.get(url)).status_code == 405
