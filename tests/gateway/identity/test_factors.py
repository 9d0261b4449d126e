"""Passcodes, rules of several factors and their receipts, and users whom a proxy names."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from events.clock import ManualClock
from gateway.identity.methods.totp import generate
from gateway.identity.receipts import HEADER
from tests.gateway.identity.people import PASSWORD, People, demanding, people

SEED = base64.b32encode(b"12345678901234567890").decode()
OFFERED = demanding(methods="password,token,totp")
RULES = {"multi_factor_auth_rules": [["password", "totp"], ["password", "magic", "totp"]]}


def passcode(clock: ManualClock, ago: int = 0) -> str:
    code = generate(SEED.encode(), int(clock.now().timestamp()) // 30 - ago)
    assert code is not None
    return code.decode()


async def seeded(them: People) -> str:
    """Ann, who has a seed."""
    user = (await them.make("user", name="ann", password=PASSWORD))["id"]
    credential = {"user_id": user, "type": "totp", "blob": SEED.rstrip("=")}
    assert (await them.call("POST", "/credentials", {"credential": credential})).status_code == 201
    return str(user)


async def by_code(them: People, user: str, code: str, *, password: str | None = None, **headers: str) -> Any:
    identity: dict[str, Any] = {"methods": ["totp"], "totp": {"user": {"id": user, "passcode": code}}}
    if password is not None:
        identity["methods"].append("password")
        identity["password"] = {"user": {"id": user, "password": password}}
    return await them.call("POST", "/auth/tokens", {"auth": {"identity": identity}}, token="", **headers)


def test_passcodes_are_those_of_the_standard() -> None:
    for seconds, code in ((59, b"287082"), (1111111109, b"081804"), (20000000000, b"353130")):  # RFC 6238, appendix B
        assert generate(SEED.encode(), seconds // 30) == code
    assert generate(b"no base32!", 1) is None


async def test_a_passcode_opens_once(tmp_path: Path) -> None:
    clock = ManualClock()
    async with people(tmp_path, clock, settings=OFFERED) as them:
        ann = await seeded(them)
        answers = await asyncio.gather(*(by_code(them, ann, passcode(clock)) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [201, 401, 401, 401]
        assert next(a for a in answers if a.status_code == 201).json()["token"]["methods"] == ["totp"]
        clock.advance(30)
        assert (await by_code(them, ann, "000000")).status_code == 401
        assert (await by_code(them, ann, passcode(clock))).status_code == 201


async def test_the_passcode_before_is_good_and_none_before_that(tmp_path: Path) -> None:
    clock = ManualClock()
    async with people(tmp_path, clock, settings=OFFERED) as them:
        ann = await seeded(them)
        assert (await by_code(them, ann, passcode(clock, 2))).status_code == 401
        assert (await by_code(them, ann, passcode(clock, -1))).status_code == 401
        assert (await by_code(them, ann, passcode(clock, 1))).status_code == 201


async def test_who_has_no_seed_has_no_passcode(tmp_path: Path) -> None:
    clock = ManualClock()
    async with people(tmp_path, clock, settings=OFFERED) as them:
        ann = await seeded(them)
        bob = (await them.make("user", name="bob", password=PASSWORD))["id"]
        for user in (bob, "nosuch"):
            assert (await by_code(them, user, passcode(clock))).status_code == 401
        await them.call("PATCH", f"/users/{ann}", {"user": {"enabled": False}})
        assert (await by_code(them, ann, passcode(clock))).status_code == 401


# Several factors


async def test_a_receipt_stands_for_what_was_proved(tmp_path: Path) -> None:
    clock = ManualClock()
    async with people(tmp_path, clock, settings=OFFERED) as them:
        ann = await seeded(them)
        await them.call("PATCH", f"/users/{ann}", {"user": {"options": RULES}})
        first = await them.ask(ann, PASSWORD)
        assert first.status_code == 401
        assert "x-subject-token" not in first.headers
        told = first.json()
        assert told["receipt"]["methods"] == ["password"]
        assert told["receipt"]["user"]["id"] == ann
        assert told["required_auth_methods"] == [["password", "totp"], ["password", "totp"]]
        receipt = first.headers[HEADER]
        second = await by_code(them, ann, passcode(clock), OpenStack_Auth_Receipt=receipt)
        assert second.status_code == 201
        token = second.headers["x-subject-token"]
        assert set(second.json()["token"]["methods"]) == {"password", "totp"}
        auth = {"identity": {"methods": ["token"], "token": {"id": token}}, "scope": "unscoped"}
        assert (await them.call("POST", "/auth/tokens", {"auth": auth}, token="")).status_code == 201


async def test_both_factors_at_once_need_no_receipt(tmp_path: Path) -> None:
    clock = ManualClock()
    async with people(tmp_path, clock, settings=OFFERED) as them:
        ann = await seeded(them)
        await them.call("PATCH", f"/users/{ann}", {"user": {"options": RULES}})
        assert (await by_code(them, ann, passcode(clock), password=PASSWORD)).status_code == 201
        assert (await by_code(them, ann, passcode(clock), password=PASSWORD)).status_code == 401


async def test_a_receipt_is_no_token_and_a_token_no_receipt(tmp_path: Path) -> None:
    clock = ManualClock()
    async with people(tmp_path, clock, settings=OFFERED) as them:
        ann = await seeded(them)
        token = await them.login(ann, PASSWORD)
        await them.call("PATCH", f"/users/{ann}", {"user": {"options": RULES}})
        receipt = (await them.ask(ann, PASSWORD)).headers[HEADER]
        assert (await them.call("GET", "/auth/projects", token=receipt)).status_code == 401
        for text in (token, "garbage", "é", ""):
            answer = await by_code(them, ann, passcode(clock), OpenStack_Auth_Receipt=text)
            assert answer.status_code == 401
            clock.advance(30)
            receipt = (await them.ask(ann, PASSWORD)).headers[HEADER]
        assert (await by_code(them, ann, passcode(clock), OpenStack_Auth_Receipt=receipt)).status_code == 201


async def test_a_receipt_is_its_users_and_ends(tmp_path: Path) -> None:
    clock = ManualClock()
    async with people(tmp_path, clock, settings=OFFERED) as them:
        ann = await seeded(them)
        bob = (await them.make("user", name="bob", password=PASSWORD, options=RULES))["id"]
        await them.call("PATCH", f"/users/{ann}", {"user": {"options": RULES}})
        of_bob = (await them.ask(bob, PASSWORD)).headers[HEADER]
        assert (await by_code(them, ann, passcode(clock), OpenStack_Auth_Receipt=of_bob)).status_code == 401
        receipt = (await them.ask(ann, PASSWORD)).headers[HEADER]
        clock.advance(301)
        late = await by_code(them, ann, passcode(clock), OpenStack_Auth_Receipt=receipt)
        assert (late.status_code, HEADER.lower() in late.headers) == (401, False)
        receipt = (await them.ask(ann, PASSWORD)).headers[HEADER]
        clock.advance(30)
        await them.call("PATCH", f"/users/{ann}", {"user": {"password": PASSWORD + "2"}})
        assert (await by_code(them, ann, passcode(clock), OpenStack_Auth_Receipt=receipt)).status_code == 401


@pytest.mark.parametrize(
    "options",
    [
        {**RULES, "multi_factor_auth_enabled": False},
        {"multi_factor_auth_rules": [["magic"]]},  # which nobody offers
        {"multi_factor_auth_rules": []},
        {"multi_factor_auth_rules": [["totp"], ["password"]]},
    ],
)
async def test_one_factor_is_enough_where_no_rule_asks_for_more(tmp_path: Path, options: Any) -> None:
    async with people(tmp_path, settings=OFFERED) as them:
        ann = (await them.make("user", name="ann", password=PASSWORD, options=options))["id"]
        assert (await them.ask(ann, PASSWORD)).status_code == 201


async def test_a_method_that_is_not_offered_is_named_among_none(tmp_path: Path) -> None:
    async with people(tmp_path, settings=demanding(methods="password, token")) as them:
        ann = await seeded(them)
        answer = await by_code(them, ann, "123456")
        assert answer.status_code == 401
        assert answer.json()["error"]["identity"] == {"methods": ["password", "token"]}


# Users whom a proxy names


async def outside(them: People, **headers: str) -> Any:
    auth = {"identity": {"methods": ["external"], "external": {}}}
    return await them.call("POST", "/auth/tokens", {"auth": auth}, token="", **headers)


async def test_nobody_names_users_unless_it_is_set(tmp_path: Path) -> None:
    for settings in ({}, {"external_header": "X-Remote-User"}, {"external_proxies": "127.0.0.1"}):
        async with people(tmp_path, settings=demanding(**settings)) as them:
            assert (await outside(them, X_Remote_User="admin")).status_code == 401
            assert (await outside(them, Remote_User="admin")).status_code == 401


async def test_a_trusted_proxy_names_its_users(tmp_path: Path) -> None:
    settings = demanding(
        external_header="X-Remote-User",
        external_domain_header="X-Remote-Domain",
        external_proxies="10.0.0.0/8, 127.0.0.1",
    )
    async with people(tmp_path, settings=settings) as them:
        domain = await them.make("domain", name="abroad")
        eve = await them.make("user", name="eve", domain_id=domain["id"])
        answer = await outside(them, X_Remote_User="admin")
        assert (answer.status_code, answer.json()["token"]["methods"]) == (201, ["external"])
        abroad = await outside(them, X_Remote_User="eve", X_Remote_Domain="abroad")
        assert abroad.json()["token"]["user"]["id"] == eve["id"]
        for headers in ({}, {"X_Remote_User": "nobody"}, {"X_Remote_User": "eve"}):
            assert (await outside(them, **headers)).status_code == 401
