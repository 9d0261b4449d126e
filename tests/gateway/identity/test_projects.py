"""Projects below projects, domains as projects, and what is immutable."""

from __future__ import annotations

from pathlib import Path

from tests.gateway.identity.people import people


async def test_a_domain_is_a_project_too(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        domain = await them.make("domain", name="d", description="x")
        path = f"/projects/{domain['id']}"
        shown = (await them.call("GET", path)).json()["project"]
        assert (shown["is_domain"], shown["domain_id"], shown["parent_id"]) == (True, None, None)
        assert shown["links"]["self"].endswith(path)
        top = await them.make("project", name="top", domain_id=domain["id"])
        low = await them.make("project", name="low", domain_id=domain["id"], parent_id=top["id"])
        tree = (await them.call("GET", f"{path}?subtree_as_ids&parents_as_ids")).json()["project"]
        assert (tree["subtree"], tree["parents"]) == ({top["id"]: {low["id"]: None}}, None)
        assert {p["id"] for p in (await them.call("GET", "/projects?is_domain=true")).json()["projects"]} == {
            "default",
            domain["id"],
        }
        assert domain["id"] not in {p["id"] for p in (await them.call("GET", "/projects")).json()["projects"]}
        assert (await them.call("PUT", f"{path}/tags/one")).status_code == 201
        assert (await them.call("GET", f"/domains/{domain['id']}")).json()["domain"]["tags"] == ["one"]
        assert (await them.call("DELETE", f"{path}/tags/one")).status_code == 204
        assert (await them.call("DELETE", f"{path}/tags/one")).status_code == 404
        assert (await them.call("PATCH", path, {"project": {"is_domain": False}})).status_code == 400
        assert (await them.call("DELETE", path)).status_code == 403  # it is enabled
        changed = await them.call("PATCH", path, {"project": {"name": "e", "enabled": False}})
        assert changed.json()["project"]["name"] == "e"
        assert (await them.call("GET", f"/domains/{domain['id']}")).json()["domain"]["name"] == "e"
        assert (await them.call("DELETE", path)).status_code == 204
        for gone in (path, f"/domains/{domain['id']}", f"/projects/{low['id']}"):
            assert (await them.call("GET", gone)).status_code == 404


async def test_a_project_that_acts_as_a_domain_is_a_domain(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        made = await them.make("project", name="d", is_domain=True)
        assert (await them.call("GET", f"/domains/{made['id']}")).json()["domain"]["name"] == "d"
        for members, status in (
            ({"name": "d"}, 409),
            ({"name": "e", "domain_id": "default"}, 400),
            ({"name": "e", "parent_id": made["id"]}, 400),
        ):
            answer = await them.call("POST", "/projects", {"project": {**members, "is_domain": True}})
            assert answer.status_code == status, answer.text
        manager = await them.make("user", name="m", password="p")
        await them.grant(f"domains/default/users/{manager['id']}", "manager")
        theirs = await them.login(manager["id"], "p", {"domain": {"id": "default"}})
        acting = {"project": {"name": "f", "is_domain": True}}
        assert (await them.call("POST", "/projects", acting, token=theirs)).status_code == 403


async def test_a_project_is_made_below_one_of_its_own_domain(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        domain = (await them.make("domain", name="d"))["id"]
        top = (await them.make("project", name="top", domain_id=domain))["id"]
        for members, status in (
            ({"parent_id": top}, 400),  # its domain would be the caller's
            ({"parent_id": domain}, 400),
            ({"parent_id": "nosuch"}, 400),
            ({"domain_id": "nosuch"}, 400),
            ({"parent_id": top, "domain_id": domain}, 201),
            ({"parent_id": domain, "domain_id": domain}, 201),
        ):
            answer = await them.call(
                "POST", "/projects", {"project": {"name": f"p{len(members)}{status}{members}"[:60], **members}}
            )
            assert answer.status_code == status, answer.text


async def test_what_is_immutable_is_not_tagged_either(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        project = await them.make("project", name="p", tags=["a"], options={"immutable": True})
        path = f"/projects/{project['id']}"
        for method, where in (
            ("PUT", "/tags/b"),
            ("DELETE", "/tags/a"),
            ("DELETE", "/tags"),
            ("DELETE", ""),
        ):
            assert (await them.call(method, path + where)).status_code == 403, where
        assert (await them.call("PATCH", path, {"project": {"options": {"immutable": False}}})).status_code == 200
        assert (await them.call("DELETE", path)).status_code == 204


async def test_relatives_are_listed_on_which_the_caller_has_a_role(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        top = await them.make("project", name="top")
        mid = await them.make("project", name="mid", parent_id=top["id"])
        low = await them.make("project", name="low", parent_id=mid["id"])
        me = (await them.call("GET", "/auth/tokens", X_Subject_Token=them.admin)).json()["token"]["user"]["id"]
        await them.grant(f"projects/{mid['id']}/users/{me}", "member")
        family = f"/projects/{low['id']}?parents_as_list&include_limits"
        parents = (await them.call("GET", family)).json()["project"]["parents"]
        assert [(one["project"]["id"], one["project"]["limits"]) for one in parents] == [(mid["id"], [])]
        subtree = (await them.call("GET", f"/projects/{top['id']}?subtree_as_list")).json()["project"]["subtree"]
        assert [one["project"]["id"] for one in subtree] == [mid["id"]]
        for part in ("parents", "subtree"):
            both = f"/projects/{low['id']}?{part}_as_list&{part}_as_ids"
            assert (await them.call("GET", both)).status_code == 400
