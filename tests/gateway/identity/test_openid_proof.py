"""What proves that somebody signed on at an OpenID provider, and what does not."""

from __future__ import annotations

import hmac
import json
import time
from base64 import urlsafe_b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from tests.gateway.identity.openid import PATH, federated, sign_on
from tests.gateway.identity.openid_provider import CLIENT, OpenIdProvider

NONSENSE = ("", "x", "a.b.c", "....", "é.é.é", "x" * 20_000, "eyJhbGciOiJSUzI1NiJ9..", "\x7f")


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
