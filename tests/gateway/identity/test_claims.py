"""What tokens say of themselves survives being sealed; and no request for one, however odd, makes a 500."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.identity.claims import METHODS, SCOPES, Claims, Federated, from_bytes, new_audit_id, to_bytes
from tests.gateway.identity.people import PASSWORD, demanding, people

FIRST, LAST = datetime(1970, 1, 2), datetime(2200, 1, 1)
HEX = st.text("0123456789abcdef", min_size=32, max_size=32)
IDS = HEX | HEX.map(str.upper) | st.text(st.characters(codec="utf-8"), max_size=64)
TIMES = st.datetimes(FIRST, LAST, timezones=st.just(UTC))
CLAIMS = st.builds(
    Claims,
    user=IDS,
    methods=st.sets(st.sampled_from(METHODS)).map(lambda some: tuple(m for m in METHODS if m in some)),
    scope=st.sampled_from(SCOPES),
    scope_id=st.none() | IDS,
    issued_at=TIMES,
    expires_at=TIMES,
    audit_ids=st.lists(st.binary(min_size=16, max_size=16).map(new_audit_id), max_size=2).map(tuple),
    application_credential=st.none() | IDS,
    trust=st.none() | IDS,
    access_token=st.none() | IDS,
    federated=st.none() | st.builds(Federated, provider=IDS, protocol=IDS, groups=st.lists(IDS, max_size=4).map(tuple)),
)


@settings(max_examples=300, deadline=None)
@given(CLAIMS)
def test_claims_of_every_kind_survive_being_sealed(claims: Claims) -> None:
    assert from_bytes(to_bytes(claims)) == claims


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), CLAIMS, st.integers(0, 400))
def test_bytes_that_are_no_claims_are_known_for_that(data: bytes, claims: Claims, place: int) -> None:
    sealed = bytearray(to_bytes(claims))
    sealed[place % len(sealed)] ^= 0x55
    for some in (data, bytes(sealed), to_bytes(claims)[: place % len(sealed)]):
        try:
            assert isinstance(from_bytes(some), Claims)
        except ValueError:
            continue


WORDS = st.sampled_from(("admin", "default", PASSWORD, "123456", "", "nosuch", "{token}", "{user}", "unscoped"))
SCOPED = ("project", "domain", "system", "OS-TRUST:trust")
SAID = ("user", "id", "name", "secret", "identity_provider", "protocol")
NAMED = ("id", "name", "domain", "password", "passcode")
LEAVES = st.none() | st.booleans() | st.integers() | WORDS | st.text(max_size=8)
DOMAIN = st.dictionaries(st.sampled_from(("id", "name")), LEAVES, max_size=2) | LEAVES
THING = st.dictionaries(st.sampled_from(NAMED), DOMAIN, max_size=4) | LEAVES
BODY = st.dictionaries(st.sampled_from(SAID), THING) | LEAVES
AUTH = st.fixed_dictionaries(
    {
        "identity": st.fixed_dictionaries(
            {"methods": st.lists(st.sampled_from((*METHODS, "magic")), max_size=3)},
            optional=dict.fromkeys((*METHODS, "magic"), BODY),
        )
    },
    optional={"scope": LEAVES | st.dictionaries(st.sampled_from(SCOPED), THING)},
)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(AUTH, min_size=40, max_size=40))
def test_no_request_for_a_token_makes_a_mistake_of_ours(requests: list[Any]) -> None:
    with TemporaryDirectory() as keys:
        asyncio.run(_ask(Path(keys), requests))


async def _ask(keys: Path, requests: list[Any]) -> None:
    async with people(keys, settings=demanding(methods=",".join(METHODS))) as them:
        admin = (await them.call("GET", "/auth/tokens", X_Subject_Token=them.admin)).json()["token"]["user"]["id"]
        known = {"{token}": them.admin, "{user}": admin}
        for request in requests:
            answer = await them.call("POST", "/auth/tokens", {"auth": _filled(request, known)}, token="")
            assert answer.status_code < 500, (request, answer.text)
            if answer.status_code >= 400 and "openstack-auth-receipt" not in answer.headers:
                assert answer.json()["error"]["code"] == answer.status_code


def _filled(value: Any, known: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, known) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, known) for inner in value]
    return known.get(value, value) if isinstance(value, str) else value
