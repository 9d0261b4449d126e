"""Identity over HTTP: every URL of the service, what answers it, the rule that says who may call it.

The function puts what it finds to the rule: whose the thing is.
Source: Identity API reference, version 3.14.
"""

from __future__ import annotations

from events.refusals import UnsupportedMedia
from gateway import faults
from gateway.identity import (
    access_rule,
    application_credential,
    assignment,
    assignments,
    credential,
    discovery,
    domain,
    ec2,
    endpoint,
    extensions,
    group,
    limit,
    project,
    project_tag,
    region,
    registered_limit,
    revoking,
    role,
    service,
    token,
    trust,
    user,
)
from gateway.identity.describing import describe
from gateway.identity.federation import routes as federation
from gateway.identity.policies import RULES
from gateway.identity.routing import resource as _resource
from gateway.identity.routing import route as _route
from gateway.policy import ANYONE
from gateway.serving import Face, Route

_AUTH = (
    Route("GET", "/", discovery.versions, ANYONE, fences=False),
    Route("GET", "/v3", discovery.version, ANYONE, fences=False),
    Route("GET", "/v3/", discovery.version, ANYONE, fences=False),
    Route("POST", "/v3/auth/tokens", token.issue, ANYONE, 201),
    _route("GET", "/v3/auth/tokens", token.validate, "validate_token", fences=False, past=False, target="late"),
    _route("DELETE", "/v3/auth/tokens", token.revoke, "revoke_token", 204, target="late"),
    _route("GET", "/v3/auth/catalog", token.show_catalog, "get_auth_catalog", past=False),
    _route("GET", "/v3/auth/projects", token.list_projects, "get_auth_projects", past=False),
    _route("GET", "/v3/auth/domains", token.list_domains, "get_auth_domains", past=False),
    _route("GET", "/v3/auth/system", token.list_systems, "get_auth_system", past=False),
    Route("GET", "/v3/auth/tokens/OS-PKI/revoked", revoking.list_pki, ANYONE),
    Route("GET", "/v3/OS-SIMPLE-CERT/ca", revoking.show_certificate, ANYONE),
    Route("GET", "/v3/OS-SIMPLE-CERT/certificates", revoking.show_certificate, ANYONE),
    _route("GET", "/v3/OS-REVOKE/events", revoking.list_events, "list_revoke_events", past=False),
)

_TRUST = "/v3/OS-TRUST/trusts"
_TRUSTS = (
    _route("POST", _TRUST, trust.create, "create_trust", 201),
    _route("GET", _TRUST, trust.listed, "list_trusts", target="late"),
    _route("GET", f"{_TRUST}/{{id}}", trust.show, "get_trust", target="late"),
    _route("DELETE", f"{_TRUST}/{{id}}", trust.delete, "delete_trust", 204, target="late"),
    _route("GET", f"{_TRUST}/{{id}}/roles", trust.list_roles, "list_roles_for_trust", target="late"),
    _route("GET", f"{_TRUST}/{{id}}/roles/{{role_id}}", trust.show_role, "get_role_for_trust", target="late"),
)

_DOMAINS = (*_resource(domain, "/v3/domains", "domain"),)

_PROJECTS = (
    *_resource(project, "/v3/projects", "project"),
    _route("GET", "/v3/projects/{id}/tags", project_tag.listed, "list_project_tags"),
    _route("PUT", "/v3/projects/{id}/tags", project_tag.replace, "update_project_tags"),
    _route("DELETE", "/v3/projects/{id}/tags", project_tag.remove_all, "delete_project_tags", 204),
    _route("GET", "/v3/projects/{id}/tags/{tag}", project_tag.check, "get_project_tag", 204),
    _route("PUT", "/v3/projects/{id}/tags/{tag}", project_tag.add, "create_project_tag", 201),
    _route("DELETE", "/v3/projects/{id}/tags/{tag}", project_tag.remove, "delete_project_tag", 204),
)

_USERS = (
    *_resource(user, "/v3/users", "user"),
    Route("POST", "/v3/users/{id}/password", user.change_password, ANYONE, 204),
    _route("DELETE", "/v3/users/{id}/tokens", user.void_tokens, "revoke_tokens_for_user", 204),
    _route("GET", "/v3/users/{id}/projects", user.list_projects, "list_user_projects"),
    _route("GET", "/v3/users/{id}/groups", user.list_groups, "list_groups_for_user"),
    _route(
        "POST",
        "/v3/users/{id}/application_credentials",
        application_credential.create,
        "create_application_credential",
        201,
    ),
    _route(
        "GET",
        "/v3/users/{id}/application_credentials",
        application_credential.listed,
        "list_application_credentials",
    ),
    _route(
        "GET",
        "/v3/users/{id}/application_credentials/{credential_id}",
        application_credential.show,
        "get_application_credential",
    ),
    _route(
        "DELETE",
        "/v3/users/{id}/application_credentials/{credential_id}",
        application_credential.delete,
        "delete_application_credential",
        204,
    ),
    _route("GET", "/v3/users/{id}/access_rules", access_rule.listed, "list_access_rules"),
    _route("GET", "/v3/users/{id}/access_rules/{rule_id}", access_rule.show, "get_access_rule"),
    _route("DELETE", "/v3/users/{id}/access_rules/{rule_id}", access_rule.delete, "delete_access_rule", 204),
)

_GROUPS = (
    *_resource(group, "/v3/groups", "group"),
    _route("GET", "/v3/groups/{id}/users", user.list_of_group, "list_users_in_group"),
    _route("PUT", "/v3/groups/{id}/users/{user_id}", group.add_member, "add_user_to_group", 204),
    _route("GET", "/v3/groups/{id}/users/{user_id}", group.check_member, "check_user_in_group", 204),
    _route("DELETE", "/v3/groups/{id}/users/{user_id}", group.remove_member, "remove_user_from_group", 204),
)

_IMPLIES = "/v3/roles/{id}/implies"
_ROLES = (
    _route("POST", "/v3/roles", role.create, "create_role", 201),
    _route("GET", "/v3/roles", role.listed, "list_roles"),
    _route("GET", "/v3/roles/{id}", role.show, "get_role", target="late"),
    _route("PATCH", "/v3/roles/{id}", role.change, "update_role"),
    _route("DELETE", "/v3/roles/{id}", role.delete, "delete_role", 204),
    _route("GET", _IMPLIES, role.list_implied, "list_implied_roles"),
    _route("PUT", f"{_IMPLIES}/{{implied}}", role.imply, "create_implied_role", 201),
    _route("GET", f"{_IMPLIES}/{{implied}}", role.show_implied, "get_implied_role"),
    _route("HEAD", f"{_IMPLIES}/{{implied}}", role.check_implied, "check_implied_role"),
    _route("DELETE", f"{_IMPLIES}/{{implied}}", role.stop_implying, "delete_implied_role", 204),
    _route("GET", "/v3/role_inferences", role.list_inferences, "list_role_inference_rules"),
    _route("GET", "/v3/role_assignments", assignments.listed, "list_role_assignments"),
)


def _grants(target: str, actor: str, *, system: bool = False, inherited: bool = False) -> tuple[Route, ...]:
    """The routes of one kind of actor on one kind of target."""
    of = f"_system_grant{{}}_for_{actor[: actor.index('s/')]}" if system else "_grant{}"
    start, end = ("/v3/OS-INHERIT", "/inherited_to_projects") if inherited else ("/v3", "")
    path = f"{start}/{target}/{actor}/roles"
    one = f"{path}/{{role_id}}{end}"
    return (
        _route("GET", path + end, assignment.listed, "list" + of.format("s")),
        _route("PUT", one, assignment.put, "create" + of.format(""), 204),
        _route("GET", one, assignment.check, "check" + of.format(""), 204),
        _route("DELETE", one, assignment.delete, "revoke" + of.format(""), 204),
    )


_GRANTS = tuple(
    route
    for actor in ("users/{user_id}", "groups/{group_id}")
    for routes in (
        _grants("projects/{project_id}", actor),
        _grants("domains/{domain_id}", actor),
        _grants("system", actor, system=True),
        _grants("projects/{project_id}", actor, inherited=True),
        _grants("domains/{domain_id}", actor, inherited=True),
    )
    for route in routes
)

_CATALOG = (
    _route("PUT", "/v3/regions/{id}", region.create, "create_region", 201),
    *_resource(region, "/v3/regions", "region"),
    *_resource(service, "/v3/services", "service"),
    *_resource(endpoint, "/v3/endpoints", "endpoint"),
)

_CREDENTIALS = (
    *_resource(credential, "/v3/credentials", "credential"),
    _route("POST", "/v3/users/{id}/credentials/OS-EC2", ec2.create, "ec2_create_credential", 201),
    _route("GET", "/v3/users/{id}/credentials/OS-EC2", ec2.listed, "ec2_list_credentials"),
    _route("GET", "/v3/users/{id}/credentials/OS-EC2/{access}", ec2.show, "ec2_get_credential"),
    _route(
        "DELETE",
        "/v3/users/{id}/credentials/OS-EC2/{access}",
        ec2.delete,
        "ec2_delete_credential",
        204,
    ),
    _route("POST", "/v3/ec2tokens", ec2.issue, "ec2tokens_validate"),
    _route("POST", "/v3/s3tokens", ec2.issue_for_s3, "s3tokens_validate"),
)

_LIMITS = (
    _route("POST", "/v3/registered_limits", registered_limit.create, "create_registered_limits", 201),
    _route("GET", "/v3/registered_limits", registered_limit.listed, "list_registered_limits"),
    _route("GET", "/v3/registered_limits/{id}", registered_limit.show, "get_registered_limit"),
    _route("PATCH", "/v3/registered_limits/{id}", registered_limit.change, "update_registered_limit"),
    _route("DELETE", "/v3/registered_limits/{id}", registered_limit.delete, "delete_registered_limit", 204),
    _route("GET", "/v3/limits/model", limit.model, "get_limit_model"),
    _route("POST", "/v3/limits", limit.create, "create_limits", 201),
    _route("GET", "/v3/limits", limit.listed, "list_limits"),
    _route("GET", "/v3/limits/{id}", limit.show, "get_limit"),
    _route("PATCH", "/v3/limits/{id}", limit.change, "update_limit"),
    _route("DELETE", "/v3/limits/{id}", limit.delete, "delete_limit", 204),
)

ROUTES = (
    *_AUTH,
    *_TRUSTS,
    *_DOMAINS,
    *_PROJECTS,
    *_USERS,
    *_GROUPS,
    *_ROLES,
    *_GRANTS,
    *_CATALOG,
    *_CREDENTIALS,
    *_LIMITS,
    *extensions.ROUTES,
    *federation.ROUTES,
)

FACE = Face(
    name="identity",
    path="/identity",
    routes=ROUTES,
    format=faults.identity,
    statuses={UnsupportedMedia: 400},
    headers={"Vary": "X-Auth-Token"},
    service_tokens=False,
    strict=False,
    options=True,
    rules=RULES,
    admin="admin_required",
    target="found",
    describe=describe,
)
