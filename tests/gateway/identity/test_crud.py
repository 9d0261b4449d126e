"""Domains, projects, users, catalog, credentials and limits as a client sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.gateway.identity.people import PASSWORD, people


def message(answer: Any) -> str:
    return str(answer.json()["error"]["message"])


async def test_discovery_needs_no_token(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        http = them.world.http
        for path in ("/identity", "/identity/"):
            answer = await http.get(path)
            assert answer.status_code == 300
            assert answer.headers["location"] == "http://cloud.test/identity/v3/"
            version = answer.json()["versions"]["values"][0]
            assert (version["id"], version["status"]) == ("v3.14", "stable")
            assert version["links"] == [{"rel": "self", "href": "http://cloud.test/identity/v3/"}]
        for path in ("/identity/v3", "/identity/v3/"):
            assert (await http.get(path)).json() == {"version": version}


async def test_a_path_says_which_methods_it_takes(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        asked = await them.call("OPTIONS", "/projects", token="")
        assert (asked.status_code, asked.headers["allow"]) == (200, "POST, GET, HEAD, OPTIONS")
        refused = await them.call("PUT", "/projects")
        assert (refused.status_code, refused.headers["allow"]) == (405, "POST, GET, HEAD, OPTIONS")
        assert (await them.call("OPTIONS", "/nosuch", token="")).status_code == 401


async def test_what_cannot_be_read_is_said_in_the_services_words(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        headers = {"X-Auth-Token": them.admin, "Content-Type": "application/json"}
        url = "/identity/v3/projects"
        for body in (b"nonsense", b"[]", b'"x"', b"\xff", b"[" * 100_000):
            answer = await them.world.http.post(url, content=body, headers=headers)
            assert answer.status_code == 400
            assert message(answer).startswith("Expecting to find valid JSON in request body.")
        answer = await them.world.http.post(url, content=b"x", headers={**headers, "Content-Type": "text/plain"})
        assert answer.status_code == 400
        assert message(answer).startswith("Expecting to find application/json in Content-Type header.")
        assert (await them.call("PUT", "/projects", {})).json() == {
            "message": "The method is not allowed for the requested URL."
        }
        answer = await them.call("GET", "/nosuch")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")


async def test_members_of_the_wrong_type_are_named(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        for body, words in (
            (
                {"project": {"name": 7}},
                "Invalid input for field/attribute name. Value: 7. 7 is not of type 'string'",
            ),
            (
                {"project": {"domain_id": "d"}},
                "Invalid input for field/attribute project. Value: {'domain_id': 'd'}. 'name' is a required property",
            ),
            ({"user": {}}, "Additional properties are not allowed ('user' was unexpected)"),
            (
                {"project": {"name": "x", "enabled": "yes"}},
                "Invalid input for field/attribute enabled. Value: yes. 'yes' is not of type 'boolean'",
            ),
        ):
            answer = await them.call("POST", "/projects", body)
            assert (answer.status_code, message(answer)) == (400, words)
        for name in ("", " ", "x" * 65):
            assert (await them.call("POST", "/projects", {"project": {"name": name}})).status_code == 400


async def test_a_domain_lives_and_takes_all_in_it_along(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        domain = await them.make("domain", name="d", description="x")
        id = domain["id"]
        twice = await them.call("POST", "/domains", {"domain": {"name": "d"}})
        assert (twice.status_code, message(twice)) == (
            409,
            "Conflict occurred attempting to store project - it is not permitted to have two projects acting as "
            "domains with the same name: d.",
        )
        user = await them.make("user", name="u", domain_id=id, password=PASSWORD)
        project = await them.make("project", name="p", domain_id=id)
        group = await them.make("group", name="g", domain_id=id)
        assert (await them.call("DELETE", f"/domains/{id}")).status_code == 403
        assert (await them.call("PATCH", f"/domains/{id}", {"domain": {"enabled": False}})).status_code == 200
        assert (await them.call("DELETE", f"/domains/{id}")).status_code == 204
        for path in (
            f"/domains/{id}",
            f"/users/{user['id']}",
            f"/projects/{project['id']}",
            f"/groups/{group['id']}",
        ):
            assert (await them.call("GET", path)).status_code == 404
        await them.make("domain", name="d")  # its name is free again


async def test_projects_form_trees(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        top = await them.make("project", name="top")
        child = await them.make("project", name="child", parent_id=top["id"])
        leaf = await them.make("project", name="leaf", parent_id=child["id"], domain_id="default")
        assert (top["parent_id"], child["parent_id"]) == ("default", top["id"])
        path = f"/projects/{top['id']}"
        shown = (await them.call("GET", f"{path}?subtree_as_ids")).json()["project"]
        assert shown["subtree"] == {child["id"]: {leaf["id"]: None}}
        shown = (await them.call("GET", f"/projects/{leaf['id']}?parents_as_ids")).json()["project"]
        assert shown["parents"] == {child["id"]: {top["id"]: {"default": None}}}
        assert (await them.call("DELETE", path)).status_code == 403
        off = {"project": {"enabled": False}}
        assert (await them.call("PATCH", path, off)).status_code == 403
        for id in (leaf["id"], child["id"], top["id"]):
            assert (await them.call("PATCH", f"/projects/{id}", off)).status_code == 200
        assert (await them.call("PATCH", f"/projects/{leaf['id']}", {"project": {"enabled": True}})).status_code == 403
        below = {"project": {"name": "below", "parent_id": leaf["id"]}}
        assert (await them.call("POST", "/projects", below)).status_code == 400
        for id in (top["id"], child["id"], leaf["id"]):
            assert (await them.call("PATCH", f"/projects/{id}", {"project": {"enabled": True}})).status_code == 200
        deep = leaf
        for number in range(2):
            deep = await them.make("project", name=f"deep{number}", parent_id=deep["id"])
        too_deep = {"project": {"name": "six", "parent_id": deep["id"]}}
        answer = await them.call("POST", "/projects", too_deep)
        assert (answer.status_code, message(answer)) == (403, f"Max hierarchy depth reached for {deep['id']} branch.")


async def test_a_projects_name_is_unique_in_its_domain_and_can_change(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        domain = await them.make("domain", name="d")
        one, _ = await them.make("project", name="p"), await them.make("project", name="p", domain_id=domain["id"])
        assert (await them.call("POST", "/projects", {"project": {"name": "p"}})).status_code == 409
        two = await them.make("project", name="q")
        path = f"/projects/{two['id']}"
        assert (await them.call("PATCH", path, {"project": {"name": "p"}})).status_code == 409
        assert (await them.call("PATCH", f"/projects/{one['id']}", {"project": {"name": "r"}})).status_code == 200
        assert (await them.call("PATCH", path, {"project": {"name": "p"}})).status_code == 200
        await them.make("project", name="q")
        assert (await them.call("PATCH", path, {"project": {"domain_id": domain["id"]}})).status_code == 400


async def test_tags_are_set_and_found(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        one = await them.make("project", name="one", tags=["a", "b"])
        await them.make("project", name="two", tags=["b"])
        path = f"/projects/{one['id']}/tags"
        assert (await them.call("PUT", f"{path}/c")).status_code == 201
        assert (await them.call("GET", f"{path}/c")).status_code == 204
        assert (await them.call("DELETE", f"{path}/c")).status_code == 204
        assert (await them.call("GET", f"{path}/c")).status_code == 404
        assert (await them.call("PUT", f"{path}/a,b")).status_code == 400
        for query, found in (
            ("tags=a,b", {"one"}),
            ("tags-any=a,b", {"one", "two"}),
            ("not-tags=a,b", {"two", "admin", "service"}),
            ("not-tags-any=a,b", {"admin", "service"}),
        ):
            answer = await them.call("GET", f"/projects?{query}")
            assert {project["name"] for project in answer.json()["projects"]} == found
        assert (await them.call("PUT", path, {"tags": ["z"]})).json()["tags"] == ["z"]
        assert (await them.call("PUT", path, {"tags": ["z", "z"]})).status_code == 400
        assert (await them.call("DELETE", path)).status_code == 204


async def test_a_user_keeps_what_else_is_said_of_them(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user = await them.make("user", name="ann", email="a@example.org", shoe=43, password=PASSWORD)
        assert (user["email"], user["shoe"], user["domain_id"]) == ("a@example.org", 43, "default")
        assert "password" not in user
        path = f"/users/{user['id']}"
        changed = (await them.call("PATCH", path, {"user": {"description": "d", "name": "bob"}})).json()["user"]
        assert (changed["name"], changed["email"], changed["description"]) == ("bob", "a@example.org", "d")
        assert changed["extra"] == {"email": "a@example.org", "shoe": 43, "description": "d"}
        assert (await them.call("POST", "/users", {"user": {"name": "bob"}})).status_code == 409
        await them.make("user", name="ann")
        many = {f"k{number}": "v" for number in range(65)}
        assert (await them.call("POST", "/users", {"user": {"name": "x", **many}})).status_code == 400
        assert (await them.call("POST", "/users", {"user": {"name": "x", "k": "v" * 40_000}})).status_code == 400
        assert (await them.call("DELETE", path)).status_code == 204
        assert message(await them.call("GET", path)) == f"Could not find user: {user['id']}."


async def test_lists_are_filtered_and_paged(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        for number in range(5):
            await them.make("user", name=f"user{number}", enabled=number != 3)
        for query, names in (
            ("name=user1", {"user1"}),
            ("name__contains=ser", {f"user{n}" for n in range(5)}),
            ("name__istartswith=USER", {f"user{n}" for n in range(5)}),
            ("name__endswith=4", {"user4"}),
            ("enabled=false", {"user3"}),
            ("domain_id=nosuch", set()),
            ("name=user1&enabled=0", set()),
        ):
            answer = await them.call("GET", f"/users?{query}")
            assert {user["name"] for user in answer.json()["users"]} == names, query
        seen: list[str] = []
        path = "/users?limit=2"
        while path:
            answer = (await them.call("GET", path)).json()
            assert len(answer["users"]) <= 2
            assert answer.get("truncated") == (True if answer["links"]["next"] else None)
            seen += [user["id"] for user in answer["users"]]
            path = (answer["links"]["next"] or "").removeprefix("http://cloud.test/identity/v3")
        assert len(seen) == len(set(seen)) == 6
        assert (await them.call("GET", "/users?marker=nosuch")).status_code == 404
        assert (await them.call("GET", "/users?limit=x")).status_code == 400
        assert (await them.call("GET", "/users?limit=-1")).status_code == 400


async def test_the_catalog_is_kept(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        await them.make("region", id="north", parent_region_id="RegionOne")
        assert (await them.call("POST", "/regions", {"region": {"id": "north"}})).status_code == 409
        circle = {"region": {"parent_region_id": "north"}}
        assert (await them.call("PATCH", "/regions/RegionOne", circle)).status_code == 400
        service = await them.make("service", type="thing", name="t", description="d")
        wish = {"service_id": service["id"], "interface": "public", "region_id": "north"}
        url = "http://thing.example/$(tenant_id)s"
        endpoint = await them.make("endpoint", **wish, url=url)
        assert endpoint["url"] == url
        for bad in ({"interface": "sideways"}, {"service_id": "nosuch"}, {"region_id": "nosuch"}, {"url": "/compute"}):
            body = {"endpoint": {**wish, "url": url, **bad}}
            assert (await them.call("POST", "/endpoints", body)).status_code == 400
        catalog = (await them.call("GET", "/auth/catalog")).json()["catalog"]
        shown = next(entry for entry in catalog if entry["type"] == "thing")["endpoints"][0]
        project = (await them.call("GET", "/projects?name=admin")).json()["projects"][0]["id"]
        assert shown["url"] == f"http://thing.example/{project}"
        found = (await them.call("GET", f"/endpoints?service_id={service['id']}")).json()["endpoints"]
        assert [one["id"] for one in found] == [endpoint["id"]]
        own = (await them.call("GET", "/endpoints?interface=public")).json()["endpoints"]
        assert "http://cloud.test/identity" in {one["url"] for one in own}
        assert (await them.call("DELETE", "/regions/RegionOne")).status_code == 403
        await them.call("PATCH", f"/endpoints/{endpoint['id']}", {"endpoint": {"enabled": False}})
        catalog = (await them.call("GET", "/auth/catalog")).json()["catalog"]
        assert next(entry for entry in catalog if entry["type"] == "thing")["endpoints"] == []
        assert (await them.call("DELETE", f"/services/{service['id']}")).status_code == 204
        assert (await them.call("GET", f"/endpoints/{endpoint['id']}")).status_code == 404
        assert (await them.call("DELETE", "/regions/north")).status_code == 204


async def test_credentials_are_their_users_alone(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        ann, project, token = await them.member("ann")
        _, _, bob = await them.member("bob")
        wish = {"credential": {"user_id": ann["id"], "type": "totp", "blob": "seed"}}
        assert (await them.call("POST", "/credentials", wish, token=bob)).status_code == 403
        made = (await them.call("POST", "/credentials", wish, token=token)).json()["credential"]
        path = f"/credentials/{made['id']}"
        assert (await them.call("GET", path, token=bob)).status_code == 403
        changed = await them.call("PATCH", path, {"credential": {"blob": "new"}}, token=token)
        assert changed.json()["credential"]["blob"] == "new"
        assert (await them.call("GET", "/credentials", token=bob)).json()["credentials"] == []
        keys = f"/users/{ann['id']}/credentials/OS-EC2"
        ec2 = (await them.call("POST", keys, {"tenant_id": project["id"]}, token=token)).json()["credential"]
        assert (await them.call("GET", f"{keys}/{ec2['access']}", token=token)).json()["credential"] == ec2
        assert (await them.call("GET", keys, token=bob)).status_code == 403
        assert (await them.call("POST", keys, {"tenant_id": "nosuch"}, token=token)).status_code == 404
        assert (await them.call("POST", keys, [], token=token)).status_code == 404
        assert len((await them.call("GET", "/credentials", token=token)).json()["credentials"]) == 2
        assert (await them.call("DELETE", f"{keys}/{ec2['access']}", token=token)).status_code == 204
        assert (await them.call("DELETE", path, token=token)).status_code == 204
        assert (await them.call("GET", path)).status_code == 404


async def test_limits_need_a_registered_one(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        _, project, token = await them.member()
        service = await them.make("service", type="thing")
        limit = {"service_id": service["id"], "resource_name": "things", "project_id": project["id"]}
        body = {"limits": [{**limit, "resource_limit": 5}]}
        assert (await them.call("POST", "/limits", body)).status_code == 403
        registered = {"service_id": service["id"], "resource_name": "things", "default_limit": 10}
        answer = await them.call("POST", "/registered_limits", {"registered_limits": [registered]})
        id = answer.json()["registered_limits"][0]["id"]
        two = {"registered_limits": [{**registered, "resource_name": "others"}, registered]}
        assert (await them.call("POST", "/registered_limits", two)).status_code == 409
        assert len((await them.call("GET", "/registered_limits")).json()["registered_limits"]) == 1  # all or none
        made = (await them.call("POST", "/limits", body)).json()["limits"][0]
        assert (await them.call("POST", "/limits", body)).status_code == 409
        assert (await them.call("DELETE", f"/registered_limits/{id}")).status_code == 403
        shown = (await them.call("GET", "/limits", token=token)).json()["limits"]
        assert [one["resource_limit"] for one in shown] == [5]
        await them.call("PATCH", f"/limits/{made['id']}", {"limit": {"resource_limit": 6}})
        assert (await them.call("GET", f"/limits/{made['id']}")).json()["limit"]["resource_limit"] == 6
        for bad in (-2, 2**40, "5", None, True):
            wrong = {"limits": [{**limit, "resource_limit": bad}]}
            assert (await them.call("POST", "/limits", wrong)).status_code == 400
        assert (await them.call("DELETE", f"/limits/{made['id']}")).status_code == 204
        assert (await them.call("DELETE", f"/registered_limits/{id}")).status_code == 204


async def test_a_filter_that_says_nothing_is_refused(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        for path in ("/users?enabled=maybe", "/projects?enabled=maybe", "/domains?enabled=maybe"):
            answer = await them.call("GET", path)
            assert answer.status_code == 400
            assert message(answer).startswith("Invalid input for field/attribute enabled. Value: maybe. 'maybe' is not")
        assert (await them.call("GET", "/users?enabled=off")).json()["users"] == []
        answer = await them.call("GET", "/regions?name=RegionOne")
        assert answer.status_code == 400
        assert message(answer) == "Additional properties are not allowed ('name' was unexpected)"
        assert (await them.call("GET", "/regions?parent_region_id=")).status_code == 400
