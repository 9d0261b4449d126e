"""Roles: of users and groups, inherited, implied, and of domains."""

from __future__ import annotations

from pathlib import Path

from tests.gateway.identity.people import PASSWORD, people


async def test_groups_give_their_members_roles(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user, group = await them.make("user", name="ann", password=PASSWORD), await them.make("group", name="g")
        project = await them.make("project", name="p")
        await them.grant(f"projects/{project['id']}/groups/{group['id']}", "reader")
        scope = {"project": {"id": project["id"]}}
        assert (await them.ask(user["id"], PASSWORD, scope)).status_code == 401
        member = f"/groups/{group['id']}/users/{user['id']}"
        assert (await them.call("HEAD", member)).status_code == 404
        assert (await them.call("PUT", member)).status_code == 204
        assert (await them.call("HEAD", member)).status_code == 204
        token = await them.login(user["id"], PASSWORD, scope)
        listed = (await them.call("GET", f"/groups/{group['id']}/users")).json()["users"]
        assert [one["id"] for one in listed] == [user["id"]]
        mine = (await them.call("GET", f"/users/{user['id']}/groups", token=token)).json()["groups"]
        assert [one["id"] for one in mine] == [group["id"]]
        assert (await them.call("DELETE", f"/groups/{group['id']}")).status_code == 204
        assert (await them.call("GET", "/auth/projects", token=token)).status_code == 401


async def test_roles_are_inherited_below_and_not_on_the_target(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user = await them.make("user", name="ann", password=PASSWORD)
        top = await them.make("project", name="top")
        child = await them.make("project", name="child", parent_id=top["id"])
        other = await them.make("project", name="other")
        role = await them.role("member")
        path = f"/OS-INHERIT/projects/{top['id']}/users/{user['id']}/roles/{role}/inherited_to_projects"
        assert (await them.call("PUT", path)).status_code == 204
        assert (await them.call("HEAD", path)).status_code == 204
        statuses = [
            (await them.ask(user["id"], PASSWORD, {"project": {"id": id}})).status_code
            for id in (top["id"], child["id"], other["id"])
        ]
        assert statuses == [401, 201, 401]
        found = (await them.call("GET", f"/users/{user['id']}/projects")).json()["projects"]
        assert [project["id"] for project in found] == [child["id"]]
        query = f"user.id={user['id']}"
        shown = (await them.call("GET", f"/role_assignments?{query}")).json()["role_assignments"]
        assert shown[0]["scope"] == {"project": {"id": top["id"]}, "OS-INHERIT:inherited_to": "projects"}
        shown = (await them.call("GET", f"/role_assignments?{query}&effective")).json()["role_assignments"]
        assert {one["scope"]["project"]["id"] for one in shown} == {child["id"]}
        assert {one["role"]["id"] for one in shown} == {role, await them.role("reader")}
        assert (await them.call("DELETE", path)).status_code == 204
        domain = f"/OS-INHERIT/domains/default/users/{user['id']}/roles/{role}/inherited_to_projects"
        assert (await them.call("PUT", domain)).status_code == 204
        assert (await them.ask(user["id"], PASSWORD, {"project": {"id": other["id"]}})).status_code == 201
        assert (await them.ask(user["id"], PASSWORD, {"domain": {"id": "default"}})).status_code == 401


async def test_role_assignments_are_listed_with_names(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user, project, _ = await them.member()
        query = f"scope.project.id={project['id']}&include_names=true"
        shown = (await them.call("GET", f"/role_assignments?{query}")).json()["role_assignments"]
        member = await them.role("member")
        domain = {"id": "default", "name": "Default"}
        assert shown == [
            {
                "links": {
                    "assignment": f"http://cloud.test/identity/v3/projects/{project['id']}/users/{user['id']}/roles/"
                    + member
                },
                "scope": {"project": {"id": project["id"], "name": "of-ann", "domain": domain}},
                "user": {"id": user["id"], "name": "ann", "domain": domain},
                "role": {"id": member, "name": "member"},
            }
        ]
        effective = (await them.call("GET", f"/role_assignments?{query}&effective")).json()["role_assignments"]
        assert [one["role"]["name"] for one in effective] == ["member", "reader"]
        assert (await them.call("GET", "/role_assignments?effective&group.id=x")).status_code == 400


async def test_roles_imply_and_circles_do_not_hang(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        one, two = await them.make("role", name="one"), await them.make("role", name="two")
        path = f"/roles/{one['id']}/implies/{two['id']}"
        assert (await them.call("GET", path)).status_code == 404
        assert (await them.call("PUT", path)).status_code == 201
        assert (await them.call("GET", path)).status_code == 200
        assert (await them.call("HEAD", path)).status_code == 204
        assert (await them.call("PUT", f"/roles/{two['id']}/implies/{one['id']}")).status_code == 403
        assert (await them.call("PUT", f"/roles/{one['id']}/implies/{await them.role('admin')}")).status_code == 403
        assert (await them.call("DELETE", f"/roles/{two['id']}")).status_code == 204
        implied = (await them.call("GET", f"/roles/{one['id']}/implies")).json()
        assert implied["role_inference"]["implies"] == []
        reader = await them.role("reader")
        assert (await them.call("DELETE", f"/roles/{reader}")).status_code == 403
        assert (await them.call("PATCH", f"/roles/{reader}", {"role": {"name": "x"}})).status_code == 403


async def test_a_role_of_a_domain_is_not_in_tokens_but_what_it_implies_is(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        user, project, _ = await them.member()
        role = await them.make("role", name="local", domain_id="default")
        service = await them.role("service")
        assert (await them.call("PUT", f"/roles/{role['id']}/implies/{service}")).status_code == 201
        await them.call("PUT", f"/projects/{project['id']}/users/{user['id']}/roles/{role['id']}")
        token = (await them.ask(user["id"], PASSWORD, {"project": {"id": project["id"]}})).json()["token"]
        assert {one["name"] for one in token["roles"]} == {"member", "reader", "service"}
