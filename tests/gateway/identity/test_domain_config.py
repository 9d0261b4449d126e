"""What is configured of a domain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from events.journal import MemoryJournal
from tests.gateway.identity.people import people


async def test_a_secret_is_kept_and_never_shown(tmp_path: Path) -> None:
    journal = MemoryJournal()
    async with people(tmp_path, journal=journal) as them:
        domain = (await them.make("domain", name="d"))["id"]
        path = f"/domains/{domain}/config"
        given = {"ldap": {"url": "ldap://x", "password": "hush-hush"}, "identity": {"driver": "ldap"}}
        answer = await them.call("PUT", path, {"config": given})
        shown: dict[str, Any] = {"ldap": {"url": "ldap://x"}, "identity": {"driver": "ldap"}}
        assert (answer.status_code, answer.json()) == (201, {"config": shown})
        assert (await them.call("GET", f"{path}/ldap/password")).status_code == 404
        assert (await them.call("GET", path)).json() == {"config": shown}
        assert not any(b"hush-hush" in entry.data for entry in journal.entries)
        vault = them.world.cloud.vault
        first = [key for key in await vault.keys() if "domain_config" in key]
        assert len(first) == 1
        changed = {"config": {"password": "second"}}
        assert (await them.call("PATCH", f"{path}/ldap/password", changed)).json() == {"config": shown}
        second = [key for key in await vault.keys() if "domain_config" in key]
        assert len(second) == 1
        assert second != first
        assert (await them.call("DELETE", f"{path}/ldap")).status_code == 204
        assert [key for key in await vault.keys() if "domain_config" in key] == []
        assert (await them.call("GET", path)).json() == {"config": {"identity": {"driver": "ldap"}}}


async def test_a_change_adds_to_what_is_there_and_names_only_what_its_path_names(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        domain = (await them.make("domain", name="d"))["id"]
        path = f"/domains/{domain}/config"
        assert (await them.call("GET", path)).status_code == 404
        for where, given, status in (
            ("", {"ldap": {"url": "a"}}, 200),
            ("", {"identity": {"driver": "ldap"}}, 200),
            ("/ldap", {"ldap": {"suffix": "s"}}, 200),
            ("/ldap/url", {"url": "b"}, 200),
            ("/ldap/user", {"user": "b"}, 404),
            ("/ldap", {"identity": {"driver": "sql"}}, 403),
            ("/ldap/url", {"suffix": "b"}, 403),
            ("", {"ldap": {"nosuch": "b"}}, 403),
            ("", {"nosuch": {"url": "b"}}, 403),
            ("", {}, 403),
        ):
            answer = await them.call("PATCH", path + where, {"config": given})
            assert answer.status_code == status, (where, given, answer.text)
        found = (await them.call("GET", path)).json()["config"]
        assert found == {"ldap": {"url": "b", "suffix": "s"}, "identity": {"driver": "ldap"}}
        assert (await them.call("GET", f"{path}/ldap/url")).json() == {"config": {"url": "b"}}
        again = await them.call("PUT", path, {"config": {"ldap": {"url": "c"}}})
        assert (again.status_code, again.json()) == (200, {"config": {"ldap": {"url": "c"}}})
        default = (await them.call("GET", "/domains/config/ldap/url/default")).json()
        assert default == {"config": {"url": "ldap://localhost"}}
        assert (await them.call("GET", "/domains/config/ldap/password/default")).status_code == 403


async def test_everybody_may_know_what_passwords_must_be_like(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        _, _, token = await them.member()
        path = "/domains/default/config/security_compliance"
        answer = (await them.call("GET", path, token=token)).json()
        assert answer == {
            "config": {"security_compliance": {"password_regex": None, "password_regex_description": None}}
        }
        assert (await them.call("GET", f"{path}/lockout_duration", token=token)).status_code == 403
        assert (await them.call("GET", "/domains/default/config", token=token)).status_code == 403
