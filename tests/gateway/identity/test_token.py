"""Tokens as clients get, show and lose them."""

from __future__ import annotations

import asyncio
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from cryptography.fernet import Fernet

from events.clock import ManualClock, SystemClock
from events.refusals import Unauthenticated
from events.vault import MemoryVault
from gateway.identity.claims import Claims, from_bytes, to_bytes
from gateway.identity.keys import SETTLED, ZERO, KeyRing
from gateway.identity.passwords import Passwords
from gateway.identity.tokens import Tokens
from tests.gateway.identity.people import PASSWORD, SETTINGS, demanding, gone, names, people

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
        journal = b"".join(entry.data for entry in them.world.execute.journal.entries)  # type: ignore[attr-defined]
        for secret in (PASSWORD, "my secret", "my blob", token):
            assert secret.encode() not in journal


# What does not hold


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


async def test_a_path_says_which_methods_it_takes(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        asked = await them.call("OPTIONS", "/projects", token="")
        assert (asked.status_code, asked.headers["allow"]) == (200, "POST, GET, HEAD, OPTIONS")
        refused = await them.call("PUT", "/projects")
        assert (refused.status_code, refused.headers["allow"]) == (405, "POST, GET, HEAD, OPTIONS")
        assert (await them.call("OPTIONS", "/nosuch", token="")).status_code == 401


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


def tampered(token: str) -> list[str]:
    data = bytearray(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    found = []
    for place in (0, 5, 20, 60, len(data) - 1):
        changed = bytearray(data)
        changed[place] ^= 1
        found.append(urlsafe_b64encode(bytes(changed)).decode().rstrip("="))
    return found


async def test_a_forged_or_changed_token_opens_nothing(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        stranger = await KeyRing.open(MemoryVault(), SystemClock(), tmp_path / "elsewhere")
        sealed = to_bytes(them.tokens.read(them.admin))
        forged = [
            stranger.seal(sealed),
            Fernet(Fernet.generate_key()).encrypt(sealed).decode(),
            *tampered(them.admin),
            them.admin[:-4],
            them.admin + "A" * 2000,
            "garbage",
            "é",
            "gAAAAA",
        ]
        for text in forged:
            await gone(them, text, words="Could not recognize Fernet token")


async def test_what_our_key_sealed_but_is_no_token_opens_nothing(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        for data in (b"", b"\x00", b"\x93\x01\x02\x03", b"nonsense"):
            await gone(them, them.tokens.keys.seal(data), words="Could not recognize Fernet token")


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


# Keys


async def test_tokens_outlive_a_restart_and_two_rotations_less_one(tmp_path: Path) -> None:
    clock = ManualClock()
    async with people(tmp_path, clock) as them:
        vault = them.world.cloud.vault
        other = await KeyRing.open(vault, clock, tmp_path / "fernet")  # of another gateway
        again = Tokens(them.fold, SETTINGS, clock, await KeyRing.open(vault, clock, tmp_path / "fernet"))
        assert (await again.authenticate(them.admin)).user_name == "admin"
        assert await again.keys.rotate(3) > ZERO  # perhaps not every gateway knows the staged key yet
        clock.advance(SETTLED.total_seconds())
        assert await again.keys.rotate(3) == ZERO
        assert other.unseal(again.keys.seal(b"new")) == b"new"  # it knew the staged key before
        again._opened.clear()
        assert (await again.authenticate(them.admin)).user_name == "admin"
        clock.advance(SETTLED.total_seconds())
        assert await again.keys.rotate(3) == ZERO
        assert other.unseal(again.keys.seal(b"newer")) is None
        await other.refresh()
        assert other.unseal(again.keys.seal(b"newer")) == b"newer"
        again._opened.clear()
        with pytest.raises(Unauthenticated):
            await again.authenticate(them.admin)


async def test_gateways_that_begin_at_once_have_the_same_keys(tmp_path: Path) -> None:
    vault, clock = MemoryVault(), ManualClock()
    rings = await asyncio.gather(*(KeyRing.open(vault, clock, tmp_path / str(n)) for n in range(3)))
    assert len({repr(ring.keys) for ring in rings}) == 1
    old = rings[0].seal(b"text")
    clock.advance(SETTINGS.identity.token_key_age + 1)
    await asyncio.gather(*(ring.mind(SETTINGS.identity) for ring in rings))
    assert {max(ring.keys.by_number) for ring in rings} == {2}
    texts = [old, *(ring.seal(b"text") for ring in rings)]
    assert all(ring.unseal(text) for ring in rings for text in texts)


async def test_the_keys_that_an_older_cloud_has_in_files_are_taken_over(tmp_path: Path) -> None:
    files = tmp_path / "fernet"
    files.mkdir()
    keys = {number: Fernet.generate_key() for number in (0, 3, 4)}
    for number, key in keys.items():
        (files / str(number)).write_bytes(key)
    vault, clock = MemoryVault(), SystemClock()
    ring = await KeyRing.open(vault, clock, files)
    for key in keys.values():
        assert ring.unseal(Fernet(key).encrypt(b"old").decode()) == b"old"
    assert Fernet(keys[4]).decrypt(ring.seal(b"new") + "==") == b"new"  # the highest number seals
    assert not files.exists()
    assert (await KeyRing.open(vault, clock, files)).keys == ring.keys


async def test_claims_survive_being_sealed(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        admin = them.tokens.read(them.admin)
        for id in ("default", "f" * 32, "F" * 32, "ab " * 10 + "ab", ""):
            claims = Claims(
                user=id,
                methods=("password", "token"),
                scope="domain",
                scope_id=id,
                issued_at=admin.issued_at,
                expires_at=admin.expires_at + timedelta(microseconds=1),
                audit_ids=admin.audit_ids * 2,
                application_credential=id,
            )
            assert from_bytes(to_bytes(claims)) == claims


# Application credentials
