"""`openstack` of today and of Debian 12: trusts, tokens made of tokens, several factors."""

from __future__ import annotations

import base64
from pathlib import Path
from secrets import token_bytes

from tests.contract.clients import Client
from tests.contract.clouds import RunningCloud, user_environment


def test_a_trust_is_given_used_and_taken_back(openstack: Client, cloud: RunningCloud, name: str) -> None:
    trustor, trustee = f"{name}-ann", f"{name}-bob"
    project = openstack.json("project create", name)["id"]
    ann = openstack.json("user create --password secret", trustor)["id"]
    bob = openstack.json("user create --password secret", trustee)["id"]
    openstack("role add member --user", ann, "--project", project)
    member = openstack.json("role show member")["id"]
    them = user_environment(cloud, trustor, "secret", name)
    made = openstack.json("trust create --impersonate --project", project, "--role", member, ann, bob, as_=them)
    trust = made["id"]
    assert (made["trustor_user_id"], made["trustee_user_id"]) == (ann, bob)
    assert trust in {one["ID"] for one in openstack.json("trust list")}
    assert openstack.json("trust show", trust, as_=them)["project_id"] == project
    used = {**user_environment(cloud, trustee, "secret", ""), "OS_TRUST_ID": trust}
    for one in ("OS_PROJECT_NAME", "OS_PROJECT_DOMAIN_ID", "OS_PROJECT_DOMAIN_NAME"):
        used.pop(one, None)
    assert openstack.json("token issue", as_=used)["user_id"] == ann
    openstack("trust delete", trust, as_=them)
    assert "401" in openstack.refused("token issue", as_=used)
    for user in (trustor, trustee):
        openstack("user delete", user)
    openstack("project delete", name)


def test_a_token_is_exchanged_until_it_is_revoked(openstack: Client, cloud: RunningCloud) -> None:
    token = openstack.json("token issue")["id"]
    by_token = {
        "OS_CLOUD": "",
        "OS_AUTH_URL": f"{cloud.url}/identity/v3",
        "OS_AUTH_TYPE": "v3token",
        "OS_TOKEN": token,
        "OS_PROJECT_NAME": "admin",
        "OS_PROJECT_DOMAIN_ID": "default",
    }
    assert openstack.json("token issue", as_=by_token)["user_id"]
    assert openstack("token revoke", token) == ""
    assert "404" in openstack.refused("token issue", as_=by_token)


def test_several_factors_are_proved_with_a_receipt_and_at_once(
    openstack: Client, cloud: RunningCloud, name: str
) -> None:
    seed = base64.b32encode(token_bytes(20)).decode()
    user = openstack.json("user create --password secret", name)["id"]
    openstack("credential create --type totp", user, seed)
    rule = ("--multi-factor-auth-rule", "password,totp")
    openstack("user set --enable-multi-factor-auth", *rule, name)
    url = f"{cloud.url}/identity/v3"
    told = openstack.python_run(Path(__file__).with_name("factors_visit.py"), url, user, "secret", seed)
    assert told["receipt"] == ["password"]
    assert [sorted(rule) for rule in told["required"]] == [["password", "totp"]]
    assert told["methods"] == ["password", "totp"]
    assert told["at once"]
    assert told["exchanged"]
    openstack("user delete", name)
