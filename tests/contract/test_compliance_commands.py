"""`openstack` of today and of Debian 12: users' options and passwords, limits, what takes effect of assignments."""

from __future__ import annotations

from tests.contract.clients import Client
from tests.contract.clouds import RunningCloud, user_environment


def test_a_user_has_options_and_changes_their_own_password(openstack: Client, cloud: RunningCloud, name: str) -> None:
    openstack("project create", name)
    options = "--ignore-lockout-failure-attempts --ignore-password-expiry --enable-lock-password"
    rules = "--multi-factor-auth-rule password,totp --multi-factor-auth-rule password"
    made = openstack.json(f"user create {options} {rules} --password secret", name)
    assert made["options"] == {
        "ignore_lockout_failure_attempts": True,
        "ignore_password_expiry": True,
        "lock_password": True,
        "multi_factor_auth_rules": [["password", "totp"], ["password"]],
    }
    openstack("role add member --user", name, "--project", name)
    them = user_environment(cloud, name, "secret", name)
    change = "user password set --original-password secret --password other"
    assert "password policy disallowing password changes" in openstack.refused(change, as_=them)
    openstack("user set --disable-lock-password", name)
    openstack(change, as_=them)
    assert "401" in openstack.refused("token issue", as_=them)
    assert openstack.json("token issue", as_={**them, "OS_PASSWORD": "other"})["user_id"] == made["id"]
    openstack("user delete", name)
    openstack("project delete", name)


def test_limits_are_registered_set_shown_and_taken_away(openstack: Client, name: str) -> None:
    project = openstack.json("project create", name)["id"]
    service = openstack.json("service create --name", name, name)["id"]
    registered = openstack.json("registered limit create --default-limit 10 --service", service, "cores")
    assert registered["default_limit"] == 10
    openstack("registered limit set --default-limit 20", registered["id"])
    assert openstack.json("registered limit show", registered["id"])["default_limit"] == 20
    limit = openstack.json("limit create --resource-limit 5 --service", service, "--project", name, "cores")
    assert (limit["resource_limit"], limit["project_id"]) == (5, project)
    openstack("limit set --resource-limit 7", limit["id"])
    assert openstack.json("limit show", limit["id"])["resource_limit"] == 7
    (listed,) = openstack.json("limit list --service", service)
    assert listed["Resource Limit"] == 7
    assert "associated with it" in openstack.refused("registered limit delete", registered["id"])
    openstack("limit delete", limit["id"])
    openstack("registered limit delete", registered["id"])
    assert openstack.json("registered limit list --service", service) == []
    openstack("service delete", service)
    openstack("project delete", name)


def test_what_takes_effect_is_listed_with_names(openstack: Client, name: str) -> None:
    openstack("project create", name)
    openstack("user create", name)
    openstack("group create", name)
    openstack("group add user", name, name)
    openstack("role add member --group", name, "--project", name)
    found = openstack.json("role assignment list --effective --names --user", name)
    assert {one["Role"] for one in found} == {"member", "reader"}
    assert {one["Project"] for one in found} == {f"{name}@Default"}
    for kind in ("group", "user", "project"):
        openstack(f"{kind} delete", name)
