"""Tokens for who signs requests in the manner of Amazon's web services; the signatures are botocore's."""

from __future__ import annotations

import hmac
from base64 import b64encode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from botocore.auth import SigV2Auth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from events.clock import SystemClock
from tests.gateway.identity.people import People, people


def signed(access: str, secret: str, how: type[Any], verb: str = "GET") -> dict[str, Any]:
    """What a service that received a signed request tells of it."""
    params = {"Action": "DescribeInstances", "Filter.1": "a b/c"}
    request = AWSRequest(verb, "http://ec2.test:8788/services/Cloud", params=params, headers={"Host": "ec2.test:8788"})
    keys = Credentials(access, secret)
    signer = how(keys) if how is SigV2Auth else how(keys, "ec2", "RegionOne")
    signer.add_auth(request)
    headers = dict(request.headers.items())
    if how is SigV4QueryAuth:
        query = request.url.partition("?")[2].split("&")
        given = {name: unquote(value) for name, _, value in (part.partition("=") for part in query)}
        signature = given.pop("X-Amz-Signature")
    else:
        given = dict(request.params)
        signature = given.pop("Signature", "") or headers["Authorization"].rpartition("Signature=")[2]
    return {
        "access": access,
        "signature": signature,
        "host": "ec2.test:8788",
        "verb": verb,
        "path": "/services/Cloud",
        "params": given,
        "headers": {"Host": "ec2.test:8788", **headers},
        "body_hash": sha256(b"").hexdigest(),
    }


async def keys(them: People, user: str, project: str, token: str) -> dict[str, Any]:
    answer = await them.call("POST", f"/users/{user}/credentials/OS-EC2", {"tenant_id": project}, token=token)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()["credential"]
    return found


async def test_a_right_signature_of_either_version_gives_a_token(tmp_path: Path) -> None:
    async with people(tmp_path, SystemClock()) as them:
        user, project, token = await them.member()
        made = await keys(them, user["id"], project["id"], token)
        for how in (SigV2Auth, SigV4Auth, SigV4QueryAuth):
            wish = signed(made["access"], made["secret"], how)
            answer = await them.call("POST", "/ec2tokens", {"credentials": wish})
            assert answer.status_code == 200, (how, answer.text)
            assert answer.json()["token"]["project"]["id"] == project["id"]
            assert answer.json()["token"]["methods"] == ["ec2credential"]
            theirs = answer.headers["x-subject-token"]
            assert (await them.call("GET", f"/users/{user['id']}", token=theirs)).status_code == 200
            wish["path"] = "/services/Other"
            assert (await them.call("POST", "/ec2tokens", {"credentials": wish})).status_code == 401
            wrong = signed(made["access"], "0" * 32, how)
            assert (await them.call("POST", "/ec2tokens", {"credentials": wrong})).status_code == 401
        nobody = signed("0" * 32, made["secret"], SigV4Auth)
        assert (await them.call("POST", "/ec2tokens", {"credentials": nobody})).status_code == 404
        assert (await them.call("POST", "/ec2tokens", {"credentials": wish}, token=token)).status_code == 403
        assert (await them.call("POST", "/ec2tokens", {"credentials": wish}, token="")).status_code == 401


async def test_a_signature_is_good_for_a_quarter_of_an_hour(tmp_path: Path) -> None:
    async with people(tmp_path, SystemClock()) as them:
        user, project, token = await them.member()
        made = await keys(them, user["id"], project["id"], token)
        for age, status in ((14, 200), (16, 401)):
            stamp = (datetime.now(UTC) - timedelta(minutes=age)).strftime("%Y%m%dT%H%M%SZ")
            wish = for_s3(made, stamp)
            answer = await them.call("POST", "/s3tokens", {"credentials": {**wish, "headers": {"X-Amz-Date": stamp}}})
            assert answer.status_code == status, answer.text


def for_s3(made: dict[str, Any], stamp: str) -> dict[str, Any]:
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, f"{stamp[:8]}/RegionOne/s3/aws4_request", "0" * 64))
    key = b"AWS4" + made["secret"].encode()
    for part in (stamp[:8], "RegionOne", "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), sha256)
    signature = hmac.digest(key, text.encode(), sha256).hex()
    return {"access": made["access"], "token": urlsafe_b64encode(text.encode()).decode(), "signature": signature}


async def test_the_signatures_of_s3_give_a_token_too(tmp_path: Path) -> None:
    async with people(tmp_path, SystemClock()) as them:
        user, project, token = await them.member()
        made = await keys(them, user["id"], project["id"], token)
        text = b"GET\n\n\n\nx-amz-date:now\n/bucket/object"
        old = b64encode(hmac.digest(made["secret"].encode(), text, sha1)).decode()
        wish = {"access": made["access"], "token": urlsafe_b64encode(text).decode(), "signature": old}
        for given, status in (
            (wish, 200),
            ({**wish, "signature": "x"}, 401),
            (for_s3(made, "20260101T000000Z"), 200),
            ({**for_s3(made, "20260101T000000Z"), "access": "x"}, 404),
            ({**wish, "token": "%"}, 401),
            ({**wish, "token": 7}, 400),
            ({}, 401),
        ):
            answer = await them.call("POST", "/s3tokens", {"credentials": given})
            assert answer.status_code == status, answer.text
            assert "x-subject-token" not in answer.headers
        assert (await them.call("POST", "/s3tokens", {})).status_code == 400


async def test_keys_of_who_is_gone_or_disabled_open_nothing(tmp_path: Path) -> None:
    async with people(tmp_path, SystemClock()) as them:
        user, project, token = await them.member()
        made = await keys(them, user["id"], project["id"], token)
        wish = {"credentials": signed(made["access"], made["secret"], SigV4Auth)}
        for body, status in (({"enabled": False}, 401), ({"enabled": True}, 200)):
            await them.call("PATCH", f"/users/{user['id']}", {"user": body})
            assert (await them.call("POST", "/ec2tokens", wish)).status_code == status
        await them.call("DELETE", f"/projects/{project['id']}")
        assert (await them.call("POST", "/ec2tokens", wish)).status_code == 404


async def test_what_was_lent_sees_and_makes_no_secrets(tmp_path: Path) -> None:
    async with people(tmp_path, SystemClock()) as them:
        user, project, token = await them.member()
        made = await keys(them, user["id"], project["id"], token)
        wish = {"credentials": signed(made["access"], made["secret"], SigV4Auth)}
        lent = (await them.call("POST", "/ec2tokens", wish)).headers["x-subject-token"]
        path = f"/users/{user['id']}/credentials/OS-EC2"
        assert (await them.call("GET", path, token=token)).json()["credentials"][0]["access"] == made["access"]
        assert (await them.call("GET", path, token=lent)).status_code == 403
        assert (await them.call("POST", path, {"tenant_id": project["id"]}, token=lent)).status_code == 403
        assert (await them.call("GET", f"{path}/{made['access']}", token=lent)).status_code == 403
        assert (await them.call("GET", "/credentials", token=lent)).json()["credentials"] == []
        secret = {"credential": {"user_id": user["id"], "type": "totp", "blob": "x"}}
        assert (await them.call("POST", "/credentials", secret, token=lent)).status_code == 403
        assert (await them.call("POST", "/credentials", secret, token=token)).status_code == 201


async def test_keys_may_be_lent_with_the_roles_of_an_application_credential(tmp_path: Path) -> None:
    async with people(tmp_path, SystemClock()) as them:
        user, project, token = await them.member()
        robot = {"application_credential": {"name": "robot", "roles": [{"name": "reader"}]}}
        answer = await them.call("POST", f"/users/{user['id']}/application_credentials", robot, token=token)
        lent = answer.json()["application_credential"]["id"]
        blob = f'{{"access": "a", "secret": "s", "app_cred_id": "{lent}"}}'
        wish = {"user_id": user["id"], "type": "ec2", "blob": blob, "project_id": project["id"]}
        made = await them.call("POST", "/credentials", {"credential": wish}, token=token)
        assert made.json()["credential"]["id"] == sha256(b"a").hexdigest()
        found = await them.call("POST", "/ec2tokens", {"credentials": signed("a", "s", SigV4Auth)})
        assert [role["name"] for role in found.json()["token"]["roles"]] == ["reader"]
        free = {"credential": {"blob": '{"access": "a", "secret": "s"}'}}
        path = f"/credentials/{made.json()['credential']['id']}"
        assert (await them.call("PATCH", path, free, token=token)).status_code == 400  # what was lent stays lent


@pytest.mark.parametrize("impersonation", [True, False])
async def test_keys_may_be_lent_with_a_trust_as_long_as_it_stands(tmp_path: Path, impersonation: bool) -> None:
    """The keys are the trustor's if the trustee is to pass for them, else the trustee's."""
    async with people(tmp_path, SystemClock()) as them:
        ann, project, of_ann = await them.member("ann", "manager")
        bob, _, of_bob = await them.member("bob")
        given = {"trustor_user_id": ann["id"], "trustee_user_id": bob["id"], "project_id": project["id"]}
        wish = {**given, "impersonation": impersonation, "roles": [{"name": "reader"}]}
        trust = (await them.call("POST", "/OS-TRUST/trusts", {"trust": wish}, token=of_ann)).json()["trust"]["id"]

        async def lent(access: str, user: str, token: str) -> httpx.Response:
            blob = f'{{"access": "{access}", "secret": "s", "trust_id": "{trust}"}}'
            wish = {"user_id": user, "type": "ec2", "blob": blob, "project_id": project["id"]}
            made = await them.call("POST", "/credentials", {"credential": wish}, token=token)
            assert made.status_code == 201
            return await them.call("POST", "/ec2tokens", {"credentials": signed(access, "s", SigV4Auth)})

        both = [("a", ann["id"], of_ann), ("b", bob["id"], of_bob)]
        right, wrong = both if impersonation else reversed(both)
        found = await lent(*right)
        token = found.json()["token"]
        assert (token["user"]["id"], token["project"]["id"]) == (right[1], project["id"])
        assert [role["name"] for role in token["roles"]] == ["reader"]
        assert token["OS-TRUST:trust"]["id"] == trust
        assert (await lent(*wrong)).status_code == 401
        assert (await them.call("DELETE", f"/OS-TRUST/trusts/{trust}", token=of_ann)).status_code == 204
        again = await them.call("POST", "/ec2tokens", {"credentials": signed(right[0], "s", SigV4Auth)})
        assert again.status_code == 404


async def test_a_request_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    async with people(tmp_path, SystemClock()) as them:
        user, project, token = await them.member()
        made = await keys(them, user["id"], project["id"], token)
        right = signed(made["access"], made["secret"], SigV4Auth)
        authorization = right["headers"]["Authorization"]
        mistakes: tuple[dict[str, Any], ...] = (
            {"headers": {}},
            {"headers": {"Authorization": "AWS4-HMAC-SHA256"}},
            {"headers": {"Authorization": authorization.replace("/aws4_request", "")}},
            {"params": {"SignatureVersion": "0", "Action": "x", "Timestamp": "x"}},
            {"params": {"SignatureVersion": "1"}},
            {"signature": "\u00e9"},
            {"signature": None},
        )
        for changes in mistakes:
            answer = await them.call("POST", "/ec2tokens", {"credentials": {**right, **changes}})
            assert answer.status_code in (400, 401), (changes, answer.text)
        for when in ("yesterday", "0001-01-01T00:00:00+14:00"):
            wish = {**for_s3(made, "20260101T000000Z"), "headers": {"X-Amz-Date": when}}
            assert (await them.call("POST", "/s3tokens", {"credentials": wish})).status_code == 401
