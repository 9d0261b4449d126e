"""Identity providers, protocols, mappings and service providers as an operator sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.gateway.identity.people import PASSWORD, People, people

F = "/OS-FEDERATION"
IDP = f"{F}/identity_providers"
RULES = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "HTTP_OIDC_SUB"}]}]


async def answered(them: People, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    answer = await them.call(method, path, body)
    return answer.status_code, answer.json() if answer.content else None


def said(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1]["error"]["message"]


async def test_a_provider_without_a_domain_gets_one_and_it_goes_with_neither(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        status, body = await answered(them, "PUT", f"{IDP}/acme", {})
        made = body["identity_provider"]
        url = f"http://cloud.test/identity/v3{IDP}/acme"
        assert status == 201
        assert {**made, "domain_id": ""} == {
            "id": "acme",
            "domain_id": "",
            "enabled": False,
            "description": None,
            "remote_ids": [],
            "authorization_ttl": None,
            "links": {"self": url},
        }
        domain = (await answered(them, "GET", f"/domains/{made['domain_id']}"))[1]["domain"]
        assert (domain["name"], domain["enabled"]) == (made["domain_id"], True)
        assert said(await answered(them, "PUT", f"{IDP}/acme", {})) == (
            409,
            "Conflict occurred attempting to store identity_provider - Duplicate entry: None.",
        )
        assert (await answered(them, "DELETE", f"{IDP}/acme"))[0] == 204
        assert said(await answered(them, "GET", f"{IDP}/acme")) == (404, "Could not find Identity Provider: acme.")
        assert (await answered(them, "GET", f"/domains/{made['domain_id']}"))[0] == 200


async def test_a_remote_id_is_of_one_provider_and_free_once_it_is_given_back(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        first = {"identity_provider": {"remote_ids": ["https://a", "https://b"], "domain_id": "default"}}
        second = {"identity_provider": {"remote_ids": ["https://c", "https://b"]}}
        assert (await answered(them, "PUT", f"{IDP}/one", first))[0] == 201
        before = len((await answered(them, "GET", "/domains"))[1]["domains"])
        taken = (409, "Conflict occurred attempting to store identity_provider - Duplicate remote ID: None.")
        assert said(await answered(them, "PUT", f"{IDP}/two", second)) == taken
        assert len((await answered(them, "GET", "/domains"))[1]["domains"]) == before  # none was made for nobody
        change = {"identity_provider": {"remote_ids": ["https://a"]}}
        assert (await answered(them, "PATCH", f"{IDP}/one", change))[0] == 200
        assert (await answered(them, "PUT", f"{IDP}/two", second))[0] == 201
        both = {"identity_provider": {"remote_ids": ["https://a", "https://b"]}}
        assert said(await answered(them, "PATCH", f"{IDP}/one", both)) == taken
        assert (
            said(await answered(them, "PATCH", f"{IDP}/one", {"identity_provider": {"remote_ids": ["https://c"]}}))
            == taken
        )
        await answered(them, "DELETE", f"{IDP}/two")
        assert (await answered(them, "PATCH", f"{IDP}/one", {"identity_provider": {"remote_ids": ["https://c"]}}))[
            0
        ] == 200


IMPOSSIBLE: tuple[tuple[dict[str, Any], int, str | None], ...] = (
    ({"domain_id": "nonesuch"}, 404, "Could not find domain: nonesuch."),
    (
        {"foo": 1},
        400,
        "Invalid input for field/attribute identity_provider. Value: {'foo': 1}. "
        "Additional properties are not allowed ('foo' was unexpected)",
    ),
    (
        {"authorization_ttl": -1},
        400,
        "Invalid input for field/attribute authorization_ttl. Value: -1. -1 is less than the minimum of 0",
    ),
    (
        {"remote_ids": ["a", "a"]},
        400,
        "Invalid input for field/attribute remote_ids. Value: ['a', 'a']. ['a', 'a'] has non-unique elements",
    ),
    (
        {"enabled": "yes"},
        400,
        "Invalid input for field/attribute enabled. Value: yes. 'yes' is not of type 'boolean'",
    ),
    ({"authorization_ttl": 1 << 70}, 400, None),
    ({"remote_ids": [7]}, 400, None),
)


async def test_what_no_provider_can_be_is_said(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        for members, status, words in IMPOSSIBLE:
            answer = said(await answered(them, "PUT", f"{IDP}/acme", {"identity_provider": members}))
            assert answer[0] == status, members
            assert words is None or answer[1] == words
        assert (await answered(them, "PUT", f"{IDP}/{'x' * 65}", {}))[0] == 400
        assert (await answered(them, "PATCH", f"{IDP}/acme", {"identity_provider": {"domain_id": "default"}}))[0] == 400


async def test_protocols_need_a_provider_and_a_mapping_and_go_with_the_provider(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        path = f"{IDP}/acme/protocols"
        wish = {"protocol": {"mapping_id": "people"}}
        assert said(await answered(them, "PUT", f"{path}/openid", wish)) == (400, "Invalid mapping id: people")
        await answered(them, "PUT", f"{F}/mappings/people", {"mapping": {"rules": RULES}})
        assert said(await answered(them, "PUT", f"{path}/openid", wish)) == (
            404,
            "Could not find Identity Provider: acme.",
        )
        await answered(them, "PUT", f"{IDP}/acme", {})
        status, body = await answered(them, "PUT", f"{path}/openid", wish)
        assert (status, body["protocol"]["id"], body["protocol"]["mapping_id"]) == (201, "openid", "people")
        assert said(await answered(them, "PUT", f"{path}/openid", wish))[0] == 409
        shown = (await answered(them, "GET", path))[1]["protocols"]
        assert [(p["id"], p["idp_id"], p["remote_id_attribute"]) for p in shown] == [("openid", "acme", None)]
        change = {"protocol": {"mapping_id": "people", "remote_id_attribute": "HTTP_OIDC_ISS"}}
        assert (await answered(them, "PATCH", f"{path}/openid", change))[0] == 200
        only = {"protocol": {"remote_id_attribute": "X"}}
        assert (await answered(them, "PATCH", f"{path}/openid", only))[0] == 400
        await answered(them, "DELETE", f"{IDP}/acme")
        assert said(await answered(them, "GET", f"{path}/openid")) == (
            404,
            "Could not find federated protocol openid for Identity Provider: acme.",
        )
        assert (await answered(them, "GET", path))[1]["protocols"] == []


async def test_a_mapping_is_changed_as_a_whole(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        path = f"{F}/mappings/people"
        status, body = await answered(them, "PUT", path, {"mapping": {"rules": RULES, "schema_version": "2.0"}})
        assert (status, body["mapping"]["rules"], body["mapping"]["schema_version"]) == (201, RULES, "2.0")
        assert (await answered(them, "PUT", path, {"mapping": {"rules": RULES}}))[0] == 409
        body = (await answered(them, "PATCH", path, {"mapping": {"rules": RULES * 2}}))[1]
        assert (body["mapping"]["rules"], body["mapping"]["schema_version"]) == (RULES * 2, "1.0")
        wrongs: list[dict[str, Any]] = [{}, {"mapping": {}}, {"mapping": {"schema_version": "2.0"}}]
        for wrong in wrongs:
            assert said(await answered(them, "PATCH", path, wrong)) == (400, "'rules' is a required property\n")
        assert said(await answered(them, "PATCH", f"{path}2", {"mapping": {"rules": RULES}}))[0] == 404
        assert (await answered(them, "DELETE", path))[0] == 204
        assert said(await answered(them, "DELETE", path)) == (404, "Could not find mapping: people.")


async def test_tokens_tell_of_enabled_service_providers(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        urls = {"auth_url": "https://b/auth", "sp_url": "https://b/sp"}
        path = f"{F}/service_providers/b"
        status, body = await answered(them, "PUT", path, {"service_provider": urls})
        assert status == 201
        assert body["service_provider"] == {
            **urls,
            "id": "b",
            "enabled": False,
            "description": None,
            "relay_state_prefix": "ss:mem:",
            "links": {"self": f"http://cloud.test/identity/v3{path}"},
        }
        subject = {"X_Subject_Token": them.admin}
        assert "service_providers" not in (await them.call("GET", "/auth/tokens", **subject)).json()["token"]
        await answered(them, "PATCH", path, {"service_provider": {"enabled": True}})
        token = (await them.call("GET", "/auth/tokens", **subject)).json()["token"]
        assert token["service_providers"] == [{**urls, "id": "b"}]
        assert (await answered(them, "GET", f"{F}/service_providers?enabled=false"))[1]["service_providers"] == []
        for wrong in ({"auth_url": "x"}, {**urls, "sp_url": "nonsense"}, {**urls, "foo": 1}):
            assert (await answered(them, "PUT", f"{path}2", {"service_provider": wrong}))[0] == 400
        assert (await answered(them, "DELETE", path))[0] == 204
        assert said(await answered(them, "GET", path)) == (404, "Could not find Service Provider: b.")


async def test_only_admins_and_readers_of_the_system_see_who_vouches(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        _, _, token = await them.member()
        for path in (IDP, f"{IDP}/acme", f"{IDP}/acme/protocols", f"{F}/mappings", f"{F}/service_providers"):
            assert (await them.call("GET", path, token=token)).status_code == 403
        reader = await them.make("user", name="auditor", password=PASSWORD)
        await them.grant(f"system/users/{reader['id']}", "reader")
        system = await them.login(reader["id"], PASSWORD, {"system": {"all": True}})
        assert (await them.call("GET", IDP, token=system)).status_code == 200
        assert (await them.call("PUT", f"{IDP}/acme", {}, token=system)).status_code == 403


async def test_a_domain_takes_its_providers_along(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        domain = (await answered(them, "PUT", f"{IDP}/acme", {}))[1]["identity_provider"]["domain_id"]
        await answered(them, "PATCH", f"/domains/{domain}", {"domain": {"enabled": False}})
        assert (await answered(them, "DELETE", f"/domains/{domain}"))[0] == 204
        assert (await answered(them, "GET", f"{IDP}/acme"))[0] == 404


async def test_an_operator_may_say_who_vouches_for_a_user(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        await answered(them, "PUT", f"{F}/mappings/people", {"mapping": {"rules": RULES}})
        await answered(them, "PUT", f"{IDP}/acme", {})
        await answered(them, "PUT", f"{IDP}/acme/protocols/openid", {"protocol": {"mapping_id": "people"}})

        def known(unique_id: str, idp: str = "acme", protocol: str = "openid") -> list[dict[str, Any]]:
            return [{"idp_id": idp, "protocols": [{"protocol_id": protocol, "unique_id": unique_id}]}]

        user = await them.make("user", name="ann", federated=known("a1"))
        path = f"/users/{user['id']}"
        assert user["federated"] == known("a1")
        assert (await answered(them, "GET", path))[1]["user"]["federated"] == known("a1")
        for wrong, status in (
            (known("a1"), 409),
            (known("b", idp="other"), 400),
            (known("b", protocol="other"), 400),
            ([{"idp_id": "acme"}], 400),
            ("x", 400),
        ):
            body = {"user": {"name": "bob", "federated": wrong}}
            assert (await answered(them, "POST", "/users", body))[0] == status, wrong
        changed = (await answered(them, "PATCH", path, {"user": {"federated": known("a2")}}))[1]["user"]
        assert (changed["federated"], changed["extra"]) == (known("a2"), {})
        assert (await answered(them, "GET", "/users?unique_id=a1"))[1]["users"] == []
        assert len((await answered(them, "GET", "/users?unique_id=a2"))[1]["users"]) == 1
        await answered(them, "DELETE", f"{IDP}/acme/protocols/openid")
        assert "federated" not in (await answered(them, "GET", path))[1]["user"]  # a local user stays
        assert (await answered(them, "DELETE", path))[0] == 204
