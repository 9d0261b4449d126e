"""`cumulog policy check` of who is known to a running cloud."""

from __future__ import annotations

import httpx

from tests.contract.clouds import RunningCloud, found, login


def test_a_check_asks_the_cloud_what_a_user_is(cloud: RunningCloud, admin: httpx.Client, name: str) -> None:
    project = found(admin.post("/identity/v3/projects", json={"project": {"name": name}}), 201)["project"]["id"]
    user = found(admin.post("/identity/v3/users", json={"user": {"name": name, "password": name}}), 201)["user"]["id"]
    role = found(admin.get("/identity/v3/roles?name=reader"))["roles"][0]["id"]
    found(admin.put(f"/identity/v3/projects/{project}/users/{user}/roles/{role}"), 204)
    on = ("--user", name, "--project", name)
    may = cloud.run("policy", "check", "os_compute_api:servers:show", *on, "--target", f"project_id={project}")
    assert may.returncode == 0, may.stderr
    assert f"    yes  {name} (reader; project {project})" in may.stdout
    assert cloud.run("policy", "check", "os_compute_api:servers:create", *on).returncode == 1
    assert cloud.run("policy", "check", "identity:list_users", "--user", "admin", "--project", "admin").returncode == 0
    assert "Could not find user: nosuch" in cloud.run("policy", "check", "get_image", "--user", "nosuch").stderr
    with login(cloud.url, name, name, name) as http:
        token = http.headers["X-Auth-Token"]
    assert cloud.run("policy", "check", "create_network", "--token", token).returncode == 1
