"""`openstack` of today and of Debian 12: what identity keeps is made, listed, changed, shown and taken away."""

from __future__ import annotations

from pathlib import Path

from tests.contract.clients import Client
from tests.contract.clouds import RunningCloud, user_environment


def test_a_domain_has_groups_and_groups_have_users(openstack: Client, name: str) -> None:
    openstack("domain create --description d", name)
    openstack("domain set --description e", name)
    listed = {one["Name"]: one for one in openstack.json("domain list")}
    assert listed[name]["Description"] == "e"
    openstack("group create --domain", name, name)
    openstack("group set --description staff --domain", name, name)
    assert openstack.json("group show --domain", name, name)["description"] == "staff"
    assert [one["Name"] for one in openstack.json("group list --domain", name)] == [name]
    openstack("user create", name)
    openstack("group add user --group-domain", name, "--user-domain", "default", name, name)
    both = ("--group-domain", name, "--user-domain", "default", name, name)
    assert f"{name} in group {name}" in openstack("group contains user", *both)
    openstack("group remove user", *both)
    assert f"{name} not in group {name}" in openstack.run("group", "contains", "user", *both).err
    openstack("group delete --domain", name, name)
    assert "40" in openstack.refused("domain delete", name)  # it is enabled
    openstack("domain set --disable", name)
    openstack("domain delete", name)
    openstack("user delete", name)


def test_a_region_a_service_and_an_endpoint_are_changed(openstack: Client, name: str, tmp_path: Path) -> None:
    openstack("region create --description d", name)
    openstack("region set --description e", name)
    assert openstack.json("region show", name)["description"] == "e"
    assert name in {one["Region"] for one in openstack.json("region list")}
    service = openstack.json("service create --name", name, name)["id"]
    openstack("service set --description s", service)
    assert openstack.json("service show", name)["description"] == "s"
    endpoint = openstack.json("endpoint create --region", name, service, "public", "http://e.example/")["id"]
    openstack("endpoint set --url http://f.example/ --disable", endpoint)
    shown = openstack.json("endpoint show", endpoint)
    assert (shown["url"], shown["enabled"]) == ("http://f.example/", False)
    filters = tmp_path / "filters"
    filters.write_text('{"interface": "public"}')
    group = openstack.json("endpoint group create", name, str(filters))["id"]
    openstack("endpoint group set --description d --name", f"{name}-2", "--filters", str(filters), group)
    assert openstack.json("endpoint group show", group)["description"] == "d"
    openstack("endpoint group delete", group)
    openstack("endpoint delete", endpoint)
    openstack("service delete", service)
    openstack("region delete", name)


def test_a_credential_gets_another_secret(openstack: Client, name: str) -> None:
    openstack("user create", name)
    id = openstack.json("credential create --type totp", name, "ABC")["id"]
    openstack("credential set --type totp --user", name, "--data", "DEF", id)
    shown = openstack.json("credential show", id)
    assert (shown["blob"], shown["type"]) == ("DEF", "totp")
    assert "400" in openstack.refused("credential set --type cert --user", name, "--data", "DEF", id)
    assert id in {one["ID"] for one in openstack.json("credential list")}
    openstack("credential delete", id)
    openstack("user delete", name)


def test_a_role_and_an_application_credential_are_shown_as_they_were_made(openstack: Client, name: str) -> None:
    openstack("role create", name)
    openstack("role set --description d --immutable", name)
    assert openstack.json("role show", name)["description"] == "d"
    assert "40" in openstack.refused("role delete", name)
    openstack("role set --no-immutable", name)
    openstack("role delete", name)
    openstack("application credential create --role reader --description d", name)
    assert name in {one["Name"] for one in openstack.json("application credential list")}
    made = openstack.json("application credential show", name)
    assert made.get("description", made.get("Description")) == "d"
    openstack("application credential delete", name)


def test_a_consumer_is_lent_a_project_by_its_user(openstack: Client) -> None:
    """The three steps of OAuth 1, each signed by the client itself."""
    consumer = openstack.json("consumer create --description d")
    openstack("consumer set --description e", consumer["id"])
    assert openstack.json("consumer show", consumer["id"])["description"] == "e"
    assert consumer["id"] in {one["ID"] for one in openstack.json("consumer list")}
    signed = ("--consumer-key", consumer["id"], "--consumer-secret", consumer["secret"])
    asked = openstack.json("request token create --project admin", *signed)
    request = ("--request-key", asked["id"])
    verifier = openstack.json("request token authorize --role member", *request)["oauth_verifier"]
    secret = ("--request-secret", asked["secret"])
    assert "40" in openstack.refused("access token create --verifier wrong", *signed, *request, *secret)
    lent = openstack.json("access token create", *signed, *request, *secret, "--verifier", verifier)
    assert lent["id"]
    assert lent["secret"]
    openstack("consumer delete", consumer["id"])


def test_what_one_may_ask_a_token_for_is_listed(openstack: Client, cloud: RunningCloud, name: str) -> None:
    openstack("project create", name)
    openstack("user create --password secret", name)
    openstack("role add member --user", name, "--project", name)
    openstack("role add reader --user", name, "--domain", "default")
    them = user_environment(cloud, name, "secret", name)
    assert [one["Name"] for one in openstack.json("federation project list", as_=them)] == [name]
    assert [one["ID"] for one in openstack.json("federation domain list", as_=them)] == ["default"]
    openstack("user delete", name)
    openstack("project delete", name)
