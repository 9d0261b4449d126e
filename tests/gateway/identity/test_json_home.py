"""What a client finds by JSON Home."""

from __future__ import annotations

from pathlib import Path

from tests.gateway.identity.people import people

BASE = "https://docs.openstack.org/api/openstack-identity/3"


async def test_json_home_tells_of_every_path_in_its_own_words(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        http = them.world.http
        accept = {"Accept": "application/json-home, application/json;q=0.5"}
        for path, prefix in (("/identity/v3", ""), ("/identity/v3/", ""), ("/identity/", "/v3")):
            answer = await http.get(path, headers=accept)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json-home")
            found = answer.json()["resources"]
            assert found[f"{BASE}/rel/projects"] == {"href": f"{prefix}/projects"}
            assert found[f"{BASE}/ext/OS-OAUTH1/1.0/rel/consumer"] == {
                "href-template": f"{prefix}/OS-OAUTH1/consumers/{{consumer_id}}",
                "href-vars": {"consumer_id": f"{BASE}/ext/OS-OAUTH1/1.0/param/consumer_id"},
            }
            option = found[f"{BASE}/rel/domain_config_default_option"]["href-vars"]
            assert option == {"group": f"{BASE}/param/config_group", "option": f"{BASE}/param/config_option"}
            assert found[f"{BASE}/rel/limits"]["hints"] == {"status": "experimental"}
            assert len(found) > 110
        for other in ("application/json", "*/*", "application/json-home;q=0.4, application/json", ""):
            plain = await http.get("/identity/v3", headers={"Accept": other})
            assert (plain.headers["content-type"], list(plain.json())) == ("application/json", ["version"])
