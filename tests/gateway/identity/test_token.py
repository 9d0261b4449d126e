"""Tokens as clients get and show them."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from events.journal import MemoryJournal
from gateway.identity.passwords import Passwords
from tests.gateway.identity.people import PASSWORD, demanding, names, people

ADMIN_ROLES = {"admin", "manager", "member", "reader"}


async def test_a_token_says_everything_that_clients_read(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        answer = await them.call("GET", "/auth/tokens", X_Subject_Token=them.admin)
        assert answer.status_code == 200
        assert answer.headers["x-subject-token"] == them.admin
        assert answer.headers["vary"] == "X-Auth-Token"
        token = answer.json()["token"]
        assert token["methods"] == ["password"]
        assert token["user"]["domain"] == {"id": "default", "name": "Default"}
        assert token["project"]["name"] == "admin"
        assert names(answer) == ADMIN_ROLES
        assert token["expires_at"].endswith("Z")
        assert len(token["audit_ids"]) == 1
        compute = next(entry for entry in token["catalog"] if entry["type"] == "compute")
        assert {e["interface"] for e in compute["endpoints"]} == {"public", "internal", "admin"}
        assert {e["url"] for e in compute["endpoints"]} == {"http://cloud.test/compute/v2.1"}
        assert {e["region_id"] for e in compute["endpoints"]} == {"RegionOne"}


async def test_a_token_without_catalog_is_had_by_asking(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        answer = await them.call("GET", "/auth/tokens?nocatalog", X_Subject_Token=them.admin)
        assert "catalog" not in answer.json()["token"]


async def test_each_scope_gives_its_roles(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user = await them.make("user", name="ann", password=PASSWORD)
        await them.grant(f"domains/default/users/{user['id']}", "manager")
        await them.grant(f"system/users/{user['id']}", "reader")
        domain = await them.ask(user["id"], PASSWORD, {"domain": {"id": "default"}})
        assert domain.json()["token"]["domain"] == {"id": "default", "name": "Default"}
        assert names(domain) == {"manager", "member", "reader"}
        system = await them.ask(user["id"], PASSWORD, {"system": {"all": True}})
        assert system.json()["token"]["system"] == {"all": True}
        assert names(system) == {"reader"}
        unscoped = await them.ask(user["id"], PASSWORD, "unscoped")
        assert not {"roles", "catalog", "project"} & unscoped.json()["token"].keys()


async def test_the_default_project_is_the_scope_of_who_names_none(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user, project, _ = await them.member()
        await them.call("PATCH", f"/users/{user['id']}", {"user": {"default_project_id": project["id"]}})
        assert (await them.ask(user["id"], PASSWORD)).json()["token"]["project"]["id"] == project["id"]
        assert "project" not in (await them.ask(user["id"], PASSWORD, "unscoped")).json()["token"]


async def test_a_rescoped_token_descends_from_the_first(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user, project, _ = await them.member()
        first = await them.ask(user["id"], PASSWORD, "unscoped")
        auth = {
            "identity": {"methods": ["token"], "token": {"id": first.headers["x-subject-token"]}},
            "scope": {"project": {"id": project["id"]}},
        }
        second = (await them.call("POST", "/auth/tokens", {"auth": auth}, token="")).json()["token"]
        assert set(second["methods"]) == {"token", "password"}
        assert second["expires_at"] == first.json()["token"]["expires_at"]
        assert second["audit_ids"][1] == first.json()["token"]["audit_ids"][0]


async def test_nobody_learns_why_they_are_refused(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user, _, _ = await them.member()
        other = await them.make("project", name="other")
        await them.make("user", name="off", password=PASSWORD, enabled=False)
        off = (await them.call("GET", "/users?name=off")).json()["users"][0]["id"]
        bare = await them.make("user", name="bare")
        refused = [
            await them.ask(user["id"], "wrong"),
            await them.ask("nobody", "wrong"),
            await them.ask(off, PASSWORD),
            await them.ask(bare["id"], ""),
            await them.ask(user["id"], PASSWORD, {"project": {"id": other["id"]}}),
            await them.ask(user["id"], PASSWORD, {"project": {"id": "nosuch"}}),
            await them.ask(user["id"], PASSWORD, {"domain": {"id": "default"}}),
            await them.ask(user["id"], PASSWORD, {"system": {"all": True}}),
        ]
        assert {answer.status_code for answer in refused} == {401}
        assert len({answer.text for answer in refused}) == 1
        assert refused[0].headers["www-authenticate"] == 'Keystone uri="http://cloud.test/identity/v3"'


async def test_a_wrong_user_takes_as_long_as_a_wrong_password(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        them.tokens.passwords = Passwords(8)
        user, _, _ = await them.member()

        async def took(id: str) -> float:
            times = []
            for _ in range(5):
                start = time.process_time()
                assert (await them.ask(id, "wrong")).status_code == 401
                times.append(time.process_time() - start)
            return median(times)

        known, unknown = await took(user["id"]), await took("nobody")
        assert 0.5 < known / unknown < 2


async def test_a_password_is_read_up_to_72_bytes(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user = await them.make("user", name="ann", password="ä" * 36 + "first")
        assert (await them.ask(user["id"], "ä" * 36 + "second")).status_code == 201
        assert (await them.ask(user["id"], "ä" * 35)).status_code == 401
        odd = await them.make("user", name="odd", password="\x00nul")
        assert (await them.ask(odd["id"], "\x00other")).status_code == 401
        assert (await them.ask(odd["id"], "\x00nul")).status_code == 201


async def test_no_password_stands_in_the_journal(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user, _, token = await them.member()
        made = await them.call(
            "POST",
            f"/users/{user['id']}/application_credentials",
            {"application_credential": {"name": "one", "secret": "my secret"}},
            token=token,
        )
        assert made.status_code == 201
        await them.call("POST", "/credentials", {"credential": {"user_id": user["id"], "type": "t", "blob": "my blob"}})
        assert isinstance(them.world.execute.journal, MemoryJournal)
        journal = b"".join(entry.data for entry in them.world.execute.journal.entries)
        for secret in (PASSWORD, "my secret", "my blob", token):
            assert secret.encode() not in journal


@pytest.mark.parametrize(
    ("path", "status"),
    [("/auth/tokens/OS-PKI/revoked", 403), ("/OS-SIMPLE-CERT/ca", 410), ("/OS-SIMPLE-CERT/certificates", 410)],
)
async def test_kinds_of_tokens_that_are_no_more_are_answered_for(tmp_path: Path, path: str, status: int) -> None:
    async with people(tmp_path) as them:
        assert (await them.call("GET", path, token="")).status_code == status


async def test_scoped_tokens_are_exchanged_only_if_the_settings_say_so(tmp_path: Path) -> None:
    for allowed, status in ((True, 201), (False, 403)):
        settings = demanding(allow_rescope_scoped_token=allowed)
        async with people(tmp_path / str(allowed), settings=settings) as them:
            user, project, token = await them.member()
            unscoped = await them.login(user["id"], PASSWORD, "unscoped")
            for shown, answer in ((unscoped, 201), (token, status)):
                identity = {"methods": ["token"], "token": {"id": shown}}
                auth = {"identity": identity, "scope": {"project": {"id": project["id"]}}}
                assert (await them.call("POST", "/auth/tokens", {"auth": auth}, token="")).status_code == answer


async def test_a_token_of_the_system_is_exchanged_for_none_of_a_project(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        admin = them.tokens.read(them.admin).user
        system = await them.login(admin, PASSWORD, {"system": {"all": True}})
        identity = {"methods": ["token"], "token": {"id": system}}
        project = them.tokens.read(them.admin).scope_id
        scopes: tuple[tuple[Any, int], ...] = (
            ({"project": {"id": project}}, 403),
            ({"domain": {"id": "default"}}, 403),
            ({"system": {"all": True}}, 201),
            ("unscoped", 201),
        )
        for scope, status in scopes:
            auth = {"identity": identity, "scope": scope}
            assert (await them.call("POST", "/auth/tokens", {"auth": auth}, token="")).status_code == status


async def test_who_shows_no_token_learns_nothing(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        assert (await them.call("GET", "/projects", token="")).status_code == 401
        answer = await them.call("GET", "/auth/tokens")
        assert (answer.status_code, answer.json()["error"]["message"]) == (404, "No token in the request")


async def test_one_user_does_not_look_into_anothers_token(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        _, _, ann = await them.member("ann")
        _, _, bob = await them.member("bob")
        assert (await them.call("GET", "/auth/tokens", token=ann, X_Subject_Token=bob)).status_code == 403
        assert (await them.call("DELETE", "/auth/tokens", token=ann, X_Subject_Token=bob)).status_code == 403
        assert (await them.call("GET", "/auth/tokens", token=ann, X_Subject_Token=ann)).status_code == 200
