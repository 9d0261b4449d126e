"""Trusts as clients give, use and lose them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from events.clock import ManualClock
from tests.gateway.identity.people import PASSWORD, People, gone, names, people

TRUSTS = "/OS-TRUST/trusts"
VOID = "You are not authorized to perform the requested action."


class Two:
    """Ann, a member of a project, and Bob, who is nobody there."""

    def __init__(self, them: People) -> None:
        self.them = them
        self.ann = self.bob = self.project = self.member = ""
        self.as_ann = self.as_bob = ""

    async def trust(self, *, token: str | None = None, **members: Any) -> Any:
        wish = {
            "trustor_user_id": self.ann,
            "trustee_user_id": self.bob,
            "impersonation": True,
            "project_id": self.project,
            "roles": [{"name": "member"}],
            **members,
        }
        return await self.them.call("POST", TRUSTS, {"trust": wish}, token=token or self.as_ann)

    async def given(self, **members: Any) -> str:
        answer = await self.trust(**members)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["trust"]["id"])

    async def use(self, id: str, user: str = "") -> Any:
        return await self.them.ask(user or self.bob, PASSWORD, {"OS-TRUST:trust": {"id": id}})

    async def used(self, id: str, user: str = "") -> str:
        answer = await self.use(id, user)
        assert answer.status_code == 201, answer.text
        return str(answer.headers["x-subject-token"])


@asynccontextmanager
async def two(tmp_path: Path, clock: ManualClock | None = None) -> AsyncIterator[Two]:
    async with people(tmp_path, clock) as them:
        both = Two(them)
        ann, project, both.as_ann = await them.member("ann")
        bob = await them.make("user", name="bob", password=PASSWORD)
        both.ann, both.bob, both.project = ann["id"], bob["id"], project["id"]
        both.as_bob = await them.login(bob["id"], PASSWORD)
        both.member = await them.role("member")
        yield both


async def test_a_trust_lets_its_trustee_pass_for_its_trustor(tmp_path: Path) -> None:
    async with two(tmp_path) as both:
        answer = await both.use(await both.given())
        token = answer.json()["token"]
        assert token["user"]["id"] == both.ann
        assert token["project"]["id"] == both.project
        assert names(answer) == {"member", "reader"}
        assert token["OS-TRUST:trust"]["trustee_user"] == {"id": both.bob}
        assert token["OS-TRUST:trust"]["impersonation"] is True
        text = answer.headers["x-subject-token"]
        assert (await both.them.call("GET", f"/users/{both.ann}", token=text)).status_code == 200
        assert (await both.them.call("GET", f"/users/{both.bob}", token=text)).status_code == 403
        assert (await both.them.call("GET", "/auth/tokens", X_Subject_Token=text)).json()["token"] == token


async def test_without_impersonation_the_trustee_stays_who_they_are(tmp_path: Path) -> None:
    async with two(tmp_path) as both:
        answer = await both.use(await both.given(impersonation=False))
        assert answer.json()["token"]["user"]["id"] == both.bob
        assert names(answer) == {"member", "reader"}


async def test_a_trust_is_for_its_trustee_alone(tmp_path: Path) -> None:
    async with two(tmp_path) as both:
        id = await both.given()
        assert (await both.use(id, both.ann)).status_code == 403
        assert (await both.use("nosuch")).status_code == 401
        other = await both.them.make("user", name="eve", password=PASSWORD)
        eve = await both.them.login(other["id"], PASSWORD)
        for path in (f"{TRUSTS}/{id}", f"{TRUSTS}/{id}/roles", f"{TRUSTS}/{id}/roles/{both.member}", TRUSTS):
            assert (await both.them.call("GET", path, token=eve)).status_code == 403
        assert (await both.them.call("GET", f"{TRUSTS}?trustor_user_id={both.ann}", token=eve)).status_code == 403
        assert (await both.them.call("DELETE", f"{TRUSTS}/{id}", token=both.as_bob)).status_code == 403


async def test_trustor_trustee_and_admin_see_a_trust(tmp_path: Path) -> None:
    async with two(tmp_path) as both:
        id = await both.given()
        for token in (both.as_ann, both.as_bob, both.them.admin):
            shown = (await both.them.call("GET", f"{TRUSTS}/{id}", token=token)).json()["trust"]
            assert [role["name"] for role in shown["roles"]] == ["member"]
            roles = await both.them.call("GET", f"{TRUSTS}/{id}/roles", token=token)
            assert [role["id"] for role in roles.json()["roles"]] == [both.member]
            assert (await both.them.call("HEAD", f"{TRUSTS}/{id}/roles/{both.member}", token=token)).status_code == 200
        for token, path in (
            (both.as_ann, f"{TRUSTS}?trustor_user_id={both.ann}"),
            (both.as_bob, f"{TRUSTS}?trustee_user_id={both.bob}"),
            (both.them.admin, TRUSTS),
        ):
            found = (await both.them.call("GET", path, token=token)).json()["trusts"]
            assert [trust["id"] for trust in found] == [id]
            assert "roles" not in found[0]


@pytest.mark.parametrize(
    ("members", "status"),
    [
        ({"roles": []}, 403),
        ({"roles": [{"name": "manager"}]}, 404),  # which ann has not
        ({"roles": [{"name": "nosuch"}]}, 404),
        ({"roles": [{"name": "member", "id": "x"}]}, 400),
        ({"project_id": None}, 404),  # the roles are nowhere
        ({"project_id": "nosuch"}, 404),
        ({"trustee_user_id": "nosuch"}, 404),
        ({"trustor_user_id": "another"}, 403),
        ({"impersonation": "yes"}, 400),
        ({"remaining_uses": 0}, 400),
        ({"remaining_uses": "3"}, 400),
        ({"expires_at": "2020-01-01T00:00:00Z"}, 400),
        ({"expires_at": "tomorrow"}, 400),
        ({"allow_redelegation": True, "redelegation_count": 9}, 403),
        ({"allow_redelegation": True, "remaining_uses": 3}, 400),
    ],
)
async def test_no_trust_is_given_of_what_one_has_not(tmp_path: Path, members: Any, status: int) -> None:
    async with two(tmp_path) as both:
        assert (await both.trust(**members)).status_code == status


async def test_the_last_of_counted_uses_is_given_once(tmp_path: Path) -> None:
    async with two(tmp_path) as both:
        id = await both.given(remaining_uses=2)
        answers = await asyncio.gather(*(both.use(id) for _ in range(6)))
        won = [answer.headers["x-subject-token"] for answer in answers if answer.status_code == 201]
        assert len(won) == 2
        assert {answer.status_code for answer in answers} <= {201, 401, 403}
        for token in won:  # the last use is good as long as its token
            assert (await both.them.call("GET", "/auth/tokens", X_Subject_Token=token)).status_code == 200
        assert (await both.use(id)).status_code == 401
        assert (await both.them.call("GET", f"{TRUSTS}/{id}")).status_code == 404


async def test_a_trust_and_its_tokens_end_when_it_was_to(tmp_path: Path) -> None:
    clock = ManualClock()
    async with two(tmp_path, clock) as both:
        id = await both.given(expires_at="2026-01-01T00:10:00Z")
        answer = await both.use(id)
        assert answer.json()["token"]["expires_at"] == "2026-01-01T00:10:00.000000Z"
        clock.advance(601)
        await gone(both.them, answer.headers["x-subject-token"])
        assert (await both.use(id)).status_code == 401


async def test_a_trusts_token_is_exchanged_for_no_other_and_makes_no_secrets(tmp_path: Path) -> None:
    async with two(tmp_path) as both:
        token = await both.used(await both.given())
        for scope in (None, {"project": {"id": both.project}}):
            auth: dict[str, Any] = {"identity": {"methods": ["token"], "token": {"id": token}}}
            if scope:
                auth["scope"] = scope
            assert (await both.them.call("POST", "/auth/tokens", {"auth": auth}, token="")).status_code == 403
        credential = {"application_credential": {"name": "mine"}}
        made = await both.them.call("POST", f"/users/{both.ann}/application_credentials", credential, token=token)
        assert made.status_code == 403
        assert (await both.trust(token=token)).status_code == 403  # it may not be given on


async def test_a_trust_is_given_on_as_deep_as_it_says_and_never_grows(tmp_path: Path) -> None:
    async with two(tmp_path) as both:
        carl = (await both.them.make("user", name="carl", password=PASSWORD))["id"]
        first = await both.given(allow_redelegation=True, redelegation_count=1, expires_at="2100-01-01T00:00:00Z")
        token = await both.used(first)
        on = {"token": token, "trustee_user_id": carl}
        assert (await both.trust(**on, roles=[{"name": "reader"}])).status_code == 403  # not among the named
        assert (await both.trust(**on, expires_at="2101-01-01T00:00:00Z")).status_code == 403
        assert (await both.trust(**on, remaining_uses=1)).status_code == 403
        second = (await both.trust(**on, allow_redelegation=True)).json()["trust"]
        assert second["redelegated_trust_id"] == first
        assert (second["redelegation_count"], second["expires_at"]) == (0, "2100-01-01T00:00:00.000000Z")
        of_carl = await both.used(second["id"], carl)
        assert (await both.trust(token=of_carl, allow_redelegation=True)).status_code == 403  # deep enough
        assert (await both.them.call("DELETE", f"{TRUSTS}/{first}", token=both.as_ann)).status_code == 204
        await gone(both.them, of_carl, words=f"Could not find trust: {second['id']}.")
        assert (await both.use(second["id"], carl)).status_code == 401


async def test_what_a_trust_gives_ends_with_what_its_trustor_has(tmp_path: Path) -> None:
    async with two(tmp_path) as both:
        id = await both.given()
        token = await both.used(id)
        role = f"/projects/{both.project}/users/{both.ann}/roles/{both.member}"
        await both.them.call("DELETE", role)
        answer = await both.them.call("GET", "/auth/tokens", X_Subject_Token=token)
        assert (answer.status_code, answer.json()["error"]["message"]) == (403, VOID)
        assert (await both.them.call("GET", "/auth/projects", token=token)).status_code == 401
        assert (await both.use(id)).status_code == 403
        await both.them.call("PUT", role)
        assert (await both.them.call("GET", "/auth/projects", token=token)).status_code == 200


@pytest.mark.parametrize("who", ["ann", "bob"])
async def test_a_trust_rests_while_one_of_its_users_is_disabled(tmp_path: Path, who: str) -> None:
    async with two(tmp_path) as both:
        id = await both.given()
        token = await both.used(id)
        path = f"/users/{getattr(both, who)}"
        await both.them.call("PATCH", path, {"user": {"enabled": False}})
        assert (await both.them.call("GET", "/auth/projects", token=token)).status_code == 401
        assert (await both.use(id)).status_code in (401, 403)
        await both.them.call("PATCH", path, {"user": {"enabled": True}})
        await gone(both.them, token)  # for good
        assert (await both.use(id)).status_code == 201


@pytest.mark.parametrize("path", ["/users/{ann}", "/users/{bob}", "/projects/{project}"])
async def test_a_trust_ends_with_its_users_and_its_project(tmp_path: Path, path: str) -> None:
    async with two(tmp_path) as both:
        id = await both.given()
        where = path.format(ann=both.ann, bob=both.bob, project=both.project)
        assert (await both.them.call("DELETE", where)).status_code == 204
        assert (await both.them.call("GET", f"{TRUSTS}/{id}")).status_code == 404
