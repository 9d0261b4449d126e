"""`openstack` of today and of Debian 12: tokens, projects, users, roles, the catalog."""

from __future__ import annotations

import subprocess

from tests.contract.clients import Client
from tests.contract.clouds import RunningCloud, user_environment


def test_the_command_itself_issues_a_token(openstack: Client) -> None:
    """As a person runs it: a process of its own."""
    command = openstack.python.with_name("openstack")
    ran = subprocess.run(
        [str(command), "token", "issue", "-f", "value", "-c", "id"],
        env=openstack.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("gAAAA")


def test_a_token_says_whose_it_is(openstack: Client) -> None:
    token = openstack.json("token issue")
    assert {"id", "expires", "project_id", "user_id"} <= token.keys()
    assert openstack.json("user show admin")["id"] == token["user_id"]
    assert openstack.json("project show admin")["id"] == token["project_id"]
    assert openstack("token revoke", token["id"]) == ""


def test_a_wrong_password_is_refused(openstack: Client) -> None:
    assert "401" in openstack.refused("token issue", as_={"OS_PASSWORD": "wrong"})


def test_the_catalog_leads_to_every_service(openstack: Client, cloud: RunningCloud) -> None:
    catalog = {entry["Type"]: entry for entry in openstack.json("catalog list")}
    assert {"identity", "compute", "image", "network"} <= catalog.keys()
    for entry in catalog.values():
        assert {endpoint["interface"] for endpoint in entry["Endpoints"]} == {"public", "internal", "admin"}
        assert all(endpoint["url"].startswith(cloud.url) for endpoint in entry["Endpoints"])
    assert openstack.json("catalog show compute")["type"] == "compute"
    endpoints = openstack.json("endpoint list")
    assert len(endpoints) == 3 * len(catalog)
    assert openstack.json("endpoint show", endpoints[0]["ID"])["id"] == endpoints[0]["ID"]
    assert {service["Type"] for service in openstack.json("service list")} == catalog.keys()


def test_projects_users_and_roles_are_listed_and_shown(openstack: Client) -> None:
    assert {"admin", "service"} <= {project["Name"] for project in openstack.json("project list")}
    assert "admin" in {user["Name"] for user in openstack.json("user list")}
    assert {"admin", "manager", "member", "reader"} <= {role["Name"] for role in openstack.json("role list")}
    assert openstack.json("role show member")["name"] == "member"
    assert openstack.json("domain show default")["id"] == "default"
    assert "No" in openstack.refused("project show nosuch")
    assert "No" in openstack.refused("user show nosuch")


def test_a_user_is_made_given_a_role_and_taken_away(openstack: Client, cloud: RunningCloud, name: str) -> None:
    project = openstack.json("project create --description made", name)
    user = openstack.json("user create --password secret --email a@b.example --project", name, name)
    assert openstack.json("user show", user["id"])["email"] == "a@b.example"
    them = user_environment(cloud, name, "secret", name)
    assert "401" in openstack.refused("token issue", as_=them)
    openstack("role add member --user", name, "--project", name)
    (assignment,) = openstack.json("role assignment list --names --user", name)
    assert assignment["Role"] == "member"
    assert openstack.json("token issue", as_=them)["project_id"] == project["id"]
    assert "403" in openstack.refused("user list", as_=them)
    openstack("user set --description renamed --password other", name)
    assert openstack.json("token issue", as_={**them, "OS_PASSWORD": "other"})["user_id"] == user["id"]
    openstack("project set --disable", name)
    assert openstack.json("project show", name)["enabled"] is False
    openstack("role remove member --user", name, "--project", name)
    openstack("user delete", name)
    openstack("project delete", name)
    assert name not in {one["Name"] for one in openstack.json("user list")}


def test_an_application_credential_authenticates(openstack: Client, cloud: RunningCloud, name: str) -> None:
    made = openstack.json("application credential create --role member", name)
    them = {
        "OS_CLOUD": "",
        "OS_AUTH_URL": f"{cloud.url}/identity/v3",
        "OS_AUTH_TYPE": "v3applicationcredential",
        "OS_APPLICATION_CREDENTIAL_ID": made.get("id") or made["ID"],
        "OS_APPLICATION_CREDENTIAL_SECRET": made.get("secret") or made["Secret"],
    }
    assert openstack.json("token issue", as_=them)["project_id"]
    openstack("application credential delete", name)
    assert "40" in openstack.refused("token issue", as_=them)


def test_a_wrong_name_is_an_answer_not_a_crash(openstack: Client) -> None:
    for kind in ("role", "service", "endpoint", "domain", "group", "region"):
        openstack.refused(f"{kind} show nosuch")
