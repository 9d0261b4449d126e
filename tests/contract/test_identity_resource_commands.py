"""`openstack` of today: the many small resources of identity."""

from __future__ import annotations

from pathlib import Path

from tests.contract.clients import Client
from tests.contract.clouds import RunningCloud


def test_a_project_lies_below_another(openstack: Client, name: str) -> None:
    above = openstack.json("project create --tag x", name)
    below = openstack.json("project create --parent", name, f"{name}-below")
    assert below["parent_id"] == above["id"]
    assert below["id"] in str(openstack.json("project show --children", name)["subtree"])
    assert above["id"] in str(openstack.json("project show --parents", f"{name}-below")["parents"])
    assert name in {one["Name"] for one in openstack.json("project list --tags x")}
    assert "403" in openstack.refused("project delete", name)
    openstack("project delete", f"{name}-below")
    openstack("project delete", name)


def test_a_project_is_given_endpoints(openstack: Client, name: str, tmp_path: Path) -> None:
    openstack("project create", name)
    service = openstack.json("service create --name", name, name)["id"]
    public = openstack.json("endpoint create --region RegionOne", service, "public", "http://e.example/")["id"]
    openstack("endpoint add project", public, name)
    assert [one["ID"] for one in openstack.json("endpoint list --project", name)] == [public]
    openstack("endpoint remove project", public, name)
    filters = tmp_path / "filters"
    filters.write_text('{"interface": "public"}')
    group = openstack.json("endpoint group create", name, str(filters))["id"]
    openstack("endpoint group add project", group, name)
    assert [one["ID"] for one in openstack.json("endpoint group list --project", name)] == [group]
    openstack("endpoint group remove project", group, name)
    openstack("endpoint group delete", group)
    openstack("service delete", service)
    openstack("project delete", name)


def test_a_policy_document_is_kept(openstack: Client, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.write_text('{"a": "b"}')
    id = openstack.json("policy create --type text/x", str(rules))["id"]
    openstack("policy set --type text/y", id)
    assert openstack.json("policy show", id)["type"] == "text/y"
    assert id in {one["ID"] for one in openstack.json("policy list")}
    openstack("policy delete", id)


def test_keys_of_ec2_are_made_and_shown(openstack: Client) -> None:
    access = openstack.json("ec2 credentials create")["access"]
    assert access in {one["Access"] for one in openstack.json("ec2 credentials list")}
    assert openstack.json("ec2 credentials show", access)["secret"]
    openstack("ec2 credentials delete", access)


def test_an_application_credential_may_ask_for_what_its_rules_name(
    openstack: Client, cloud: RunningCloud, name: str
) -> None:
    rules = '[{"service": "compute", "method": "GET", "path": "/v2.1/flavors/**"}]'
    made = openstack.json("application credential create --access-rules", rules, name)
    them = {
        "OS_CLOUD": "",
        "OS_AUTH_URL": f"{cloud.url}/identity/v3",
        "OS_AUTH_TYPE": "v3applicationcredential",
        "OS_APPLICATION_CREDENTIAL_ID": made.get("id") or made["ID"],
        "OS_APPLICATION_CREDENTIAL_SECRET": made.get("secret") or made["Secret"],
    }
    openstack.json("flavor list", as_=them)
    assert "401" in openstack.refused("server list", as_=them)
    (rule,) = openstack.json("access rule list")
    assert rule["Path"] == "/v2.1/flavors/**"
    shown = openstack.json("access rule show", rule["ID"])
    assert shown.get("method", shown.get("Method")) == "GET"
    openstack("application credential delete", name)
    openstack("access rule delete", rule["ID"])


def test_a_role_implies_another(openstack: Client, name: str) -> None:
    one, other = (openstack.json("role create", f"{name}-{number}")["id"] for number in "12")
    openstack("implied role create", one, "--implied-role", other)
    assert (one, other) in {
        (each["Prior Role ID"], each["Implied Role ID"]) for each in openstack.json("implied role list")
    }
    openstack("implied role delete", one, "--implied-role", other)
    openstack("role delete", one)
    openstack("role delete", other)
