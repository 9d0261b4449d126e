"""Every identity method of openstacksdk, used as a program does; run by a client's own Python.

Prints as JSON which methods it has called, which there are, and what of their answers is not as it should be.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import openstack  # type: ignore[import-not-found]

RULES = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "OIDC-email"}]}]


class Visit:
    """The SDK's identity, which remembers what it was asked, and by what name everything made here is known."""

    def __init__(self, name: str) -> None:
        self.conn = openstack.connect()
        self.sdk = self.conn.identity
        self.name = name
        self.called: set[str] = set()
        self.wrong: list[str] = []

    def has(self, method: str) -> bool:
        return hasattr(self.sdk, method)

    def call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """What the method answers; a listing as a list."""
        self.called.add(method)
        found = getattr(self.sdk, method)(*arguments, **named)
        return list(found) if hasattr(found, "__next__") else found

    def expect(self, what: str, found: Any, wanted: Any) -> None:
        if found != wanted:
            self.wrong.append(f"{what}: {found!r}, not {wanted!r}")

    def make(self, kind: str, *above: Any, **members: Any) -> Any:
        return self.call(f"create_{kind}", *above, **members)

    def lives(self, kind: str, several: str, one: Any, *above: Any, **change: Any) -> None:
        """It is shown, listed, found and changed, as far as the SDK can."""
        self.expect(f"get_{kind}", self.call(f"get_{kind}", *above, one.id).id, one.id)
        self.expect(several, one.id in [each.id for each in self.call(several, *above)], True)
        if self.has(f"find_{kind}"):
            self.expect(f"find_{kind}", self.call(f"find_{kind}", *above, one.id).id, one.id)
            self.expect(f"find_{kind} of none", self.call(f"find_{kind}", *above, "nosuch"), None)
        for member, value in change.items():
            changed = self.call(f"update_{kind}", *above, one.id, **{member: value})
            self.expect(f"update_{kind}", getattr(changed, member), value)

    def end(self, kind: str, *things: Any) -> None:
        try:
            self.call(f"delete_{kind}", *things, ignore_missing=False)
        except AttributeError:  # Debian 12's `delete_limit` stumbles over a name of its own before it asks anything
            self.sdk.delete(f"/{kind}s/{things[0].id}")


def people(v: Visit) -> None:
    """Domains, projects, users, groups, roles and what gives them to whom."""
    domain = v.make("domain", name=v.name)
    v.lives("domain", "domains", domain, description="d")
    project = v.make("project", name=v.name, domain_id=domain.id)
    v.lives("project", "projects", project, description="d")
    user = v.make("user", name=v.name, domain_id=domain.id, password="secret")
    v.lives("user", "users", user, email="a@b.example")
    group = v.make("group", name=v.name, domain_id=domain.id)
    v.lives("group", "groups", group, description="d")
    role = v.make("role", name=v.name)
    v.lives("role", "roles", role, description="d")
    v.call("add_user_to_group", user, group)
    v.expect("check_user_in_group", v.call("check_user_in_group", user, group), True)
    for method, of, found in (("group_users", group, user), ("user_groups", user, group)):
        if v.has(method):
            v.expect(method, [one.id for one in v.call(method, of)], [found.id])
    for kind, target in (("domain", domain), ("project", project), ("system", "all")):
        for actor, whose in (("user", user), ("group", group)):
            about = (whose, role, target) if kind == "system" else (target, whose, role)
            v.call(f"assign_{kind}_role_to_{actor}", *about)
            v.expect(f"{kind} {actor}", v.call(f"validate_{actor}_has_{kind}_role", *about), True)
            if kind == "system" and not v.has("group_users"):
                continue  # Debian 12's stumbles over a name of its own before it asks anything
            given = v.call("role_assignments_filter", **{kind: target, actor: whose})
            v.expect(f"role_assignments_filter of {kind}", [one.id for one in given], [role.id])
    v.expect("role_assignments", len(v.call("role_assignments", role_id=role.id)), 6)
    v.expect("user_projects", [one.id for one in v.call("user_projects", user)], [project.id])
    for kind, target in (("domain", domain), ("project", project), ("system", "all")):
        for actor, whose in (("user", user), ("group", group)):
            about = (whose, role, target) if kind == "system" else (target, whose, role)
            v.call(f"unassign_{kind}_role_from_{actor}", *about)
            v.expect(f"no {kind} {actor}", v.call(f"validate_{actor}_has_{kind}_role", *about), False)
    v.call("remove_user_from_group", user, group)
    v.expect("check_user_in_group", v.call("check_user_in_group", user, group), False)
    if v.has("update_password"):
        v.call("update_password", user, "secret", "other")
    if v.has("create_domain_config"):
        v.make("domain_config", domain, ldap={"url": "ldap://a"})
        v.expect("get_domain_config", v.call("get_domain_config", domain).ldap.url, "ldap://a")
        v.expect("update", v.call("update_domain_config", domain, ldap={"url": "ldap://b"}).ldap.url, "ldap://b")
        v.end("domain_config", domain)
    credential = v.make("credential", type="totp", blob="ABC", user_id=user.id)
    v.lives("credential", "credentials", credential, blob="DEF")
    v.end("credential", credential)
    for kind, one in (("role", role), ("group", group), ("user", user), ("project", project)):
        v.end(kind, one)
    v.call("update_domain", domain, is_enabled=False)
    v.end("domain", domain)


def services(v: Visit) -> None:
    """Regions, services, endpoints, who is given which, limits and policy documents."""
    project = v.make("project", name=v.name)
    region = v.make("region", id=v.name)
    v.lives("region", "regions", region, description="d")
    service = v.make("service", name=v.name, type=v.name)
    v.lives("service", "services", service, description="d")
    endpoint = v.make("endpoint", service_id=service.id, interface="public", url="http://e/", region_id=region.id)
    v.lives("endpoint", "endpoints", endpoint, url="http://f/")
    if v.has("create_endpoint_group"):
        group = v.make("endpoint_group", name=v.name, filters={"service_id": service.id})
        v.lives("endpoint_group", "endpoint_groups", group, description="d")
        v.expect("of group", [one.id for one in v.call("endpoint_group_endpoints", group)], [endpoint.id])
        v.call("associate_project_with_endpoint_group", group, project)
        v.expect("of group", [one.id for one in v.call("endpoint_group_projects", group)], [project.id])
        v.expect("groups", [one.id for one in v.call("project_endpoint_groups", project)], [group.id])
        v.call("disassociate_project_from_endpoint_group", group, project)
        v.call("associate_endpoint_with_project", project, endpoint)
        v.expect("of project", [one.id for one in v.call("project_endpoints", project)], [endpoint.id])
        v.expect("of endpoint", [one.id for one in v.call("endpoint_projects", endpoint)], [project.id])
        v.call("disassociate_endpoint_from_project", project, endpoint)
        v.end("endpoint_group", group)
    v.make("registered_limit", service_id=service.id, resource_name="cores", default_limit=10)
    (registered,) = v.call("registered_limits", service_id=service.id)  # Debian 12's learns no id on making one
    v.lives("registered_limit", "registered_limits", registered, default_limit=20)
    v.make("limit", service_id=service.id, project_id=project.id, resource_name="cores", resource_limit=5)
    (limit,) = v.call("limits", service_id=service.id)
    v.lives("limit", "limits", limit, resource_limit=7)
    policy = v.make("policy", blob="{}", type="application/json")
    v.lives("policy", "policies", policy, blob="{1}")
    kept = (("limit", limit), ("registered_limit", registered), ("policy", policy), ("endpoint", endpoint))
    for kind, one in (*kept, ("service", service), ("region", region), ("project", project)):
        v.end(kind, one)


def lent(v: Visit) -> None:
    """What a user lends: trusts, application credentials; and their tokens."""
    me, here = v.conn.current_user_id, v.conn.current_project_id
    friend = v.make("user", name=v.name)
    parties = {"trustor_user_id": me, "trustee_user_id": friend.id, "project_id": here}
    trust = v.make("trust", **parties, is_impersonation=True, roles=[{"name": "member"}])
    v.lives("trust", "trusts", trust)
    v.end("trust", trust)
    rules = [{"service": "compute", "method": "GET", "path": "/v2.1/servers"}]
    one = v.call("create_application_credential", me, v.name, access_rules=rules)
    v.lives("application_credential", "application_credentials", one, me)
    v.end("application_credential", me, one)
    if v.has("access_rules"):
        (rule,) = v.call("access_rules", me, path="/v2.1/servers")
        v.expect("get_access_rule", v.call("get_access_rule", me, rule.id).method, "GET")
        v.call("delete_access_rule", me, rule.id)
    if v.has("validate_token"):
        token = openstack.connect().authorize()
        v.expect("validate_token", v.call("validate_token", token).user["id"], me)
        v.expect("check_token", v.call("check_token", token), True)
        v.call("revoke_token", token)
        v.expect("check_token of a void one", v.call("check_token", token), False)
    v.end("user", friend)


def federated(v: Visit) -> None:
    """Identity providers, mappings, protocols, service providers."""
    provider = v.make("identity_provider", id=v.name, remote_ids=[f"https://{v.name}"])
    v.lives("identity_provider", "identity_providers", provider, description="d")
    mapping = v.make("mapping", id=v.name, rules=RULES)
    v.lives("mapping", "mappings", mapping, rules=[*RULES, *RULES])
    other = v.make("mapping", id=f"{v.name}-2", rules=RULES)
    protocol = v.make("federation_protocol", provider.id, id="saml2", mapping_id=mapping.id)
    v.lives("federation_protocol", "federation_protocols", protocol, provider.id, mapping_id=other.id)
    v.end("federation_protocol", provider.id, protocol)
    v.end("mapping", mapping)
    v.end("mapping", other)
    v.end("identity_provider", provider)
    if v.has("create_service_provider"):
        abroad = v.make("service_provider", id=v.name, auth_url="https://b/auth", sp_url="https://b/sp")
        v.lives("service_provider", "service_providers", abroad, description="d")
        v.end("service_provider", abroad)


def main(name: str) -> dict[str, list[str]]:
    visit = Visit(name)
    for walk in (people, services, lent, federated):
        walk(visit)
    there = {method for method in vars(type(visit.sdk)) if not method.startswith("_") and visit.has(method)}
    methods = {one for one in there if callable(getattr(visit.sdk, one))}
    return {"called": sorted(visit.called), "there": sorted(methods), "wrong": visit.wrong}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
