"""Identity over HTTP: every URL of the service, what answers it, the least persona that may call it.

Where the persona is SELF any token comes in, and the function looks whose the thing is.
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
from gateway.identity.personas import (
    ADMIN_OR_SERVICE,
    ANYONE,
    CLOUD_ADMIN,
    DOMAIN_MANAGER,
    DOMAIN_READER,
    OWN,
    ROLE_READER,
    SELF,
    SYSTEM_READER,
)
from gateway.identity.policies import RULES
from gateway.identity.routing import route as _route
from gateway.serving import Face, Route

_AUTH = (
    Route("GET", "/", discovery.versions, ANYONE, fences=False),
    Route("GET", "/v3", discovery.version, ANYONE, fences=False),
    Route("GET", "/v3/", discovery.version, ANYONE, fences=False),
    Route("POST", "/v3/auth/tokens", token.issue, ANYONE, 201),
    _route("GET", "/v3/auth/tokens", token.validate, SELF, "validate_token", fences=False, past=False, target="late"),
    _route("DELETE", "/v3/auth/tokens", token.revoke, SELF, "revoke_token", 204, target="late"),
    _route("GET", "/v3/auth/catalog", token.show_catalog, SELF, "get_auth_catalog", past=False),
    _route("GET", "/v3/auth/projects", token.list_projects, SELF, "get_auth_projects", past=False),
    _route("GET", "/v3/auth/domains", token.list_domains, SELF, "get_auth_domains", past=False),
    _route("GET", "/v3/auth/system", token.list_systems, SELF, "get_auth_system", past=False),
    Route("GET", "/v3/auth/tokens/OS-PKI/revoked", revoking.list_pki, ANYONE),
    Route("GET", "/v3/OS-SIMPLE-CERT/ca", revoking.show_certificate, ANYONE),
    Route("GET", "/v3/OS-SIMPLE-CERT/certificates", revoking.show_certificate, ANYONE),
    _route("GET", "/v3/OS-REVOKE/events", revoking.list_events, ADMIN_OR_SERVICE, "list_revoke_events", past=False),
)

_TRUST = "/v3/OS-TRUST/trusts"
_TRUSTS = (
    _route("POST", _TRUST, trust.create, SELF, "create_trust", 201),
    _route("GET", _TRUST, trust.listed, SELF, "list_trusts", target="late"),
    _route("GET", f"{_TRUST}/{{id}}", trust.show, SELF, "get_trust", target="late"),
    _route("DELETE", f"{_TRUST}/{{id}}", trust.delete, SELF, "delete_trust", 204, target="late"),
    _route("GET", f"{_TRUST}/{{id}}/roles", trust.list_roles, SELF, "list_roles_for_trust", target="late"),
    _route("GET", f"{_TRUST}/{{id}}/roles/{{role_id}}", trust.show_role, SELF, "get_role_for_trust", target="late"),
)

_DOMAINS = (
    _route("POST", "/v3/domains", domain.create, CLOUD_ADMIN, "create_domain", 201),
    _route("GET", "/v3/domains", domain.listed, DOMAIN_READER, "list_domains"),
    _route("GET", "/v3/domains/{id}", domain.show, SELF, "get_domain"),
    _route("PATCH", "/v3/domains/{id}", domain.change, CLOUD_ADMIN, "update_domain"),
    _route("DELETE", "/v3/domains/{id}", domain.delete, CLOUD_ADMIN, "delete_domain", 204),
)

_PROJECTS = (
    _route("POST", "/v3/projects", project.create, DOMAIN_MANAGER, "create_project", 201),
    _route("GET", "/v3/projects", project.listed, DOMAIN_READER, "list_projects"),
    _route("GET", "/v3/projects/{id}", project.show, SELF, "get_project"),
    _route("PATCH", "/v3/projects/{id}", project.change, DOMAIN_MANAGER, "update_project"),
    _route("DELETE", "/v3/projects/{id}", project.delete, DOMAIN_MANAGER, "delete_project", 204),
    _route("GET", "/v3/projects/{id}/tags", project_tag.listed, SELF, "list_project_tags"),
    _route("PUT", "/v3/projects/{id}/tags", project_tag.replace, DOMAIN_MANAGER, "update_project_tags"),
    _route("DELETE", "/v3/projects/{id}/tags", project_tag.remove_all, DOMAIN_MANAGER, "delete_project_tags", 204),
    _route("GET", "/v3/projects/{id}/tags/{tag}", project_tag.check, SELF, "get_project_tag", 204),
    _route("PUT", "/v3/projects/{id}/tags/{tag}", project_tag.add, DOMAIN_MANAGER, "create_project_tag", 201),
    _route("DELETE", "/v3/projects/{id}/tags/{tag}", project_tag.remove, DOMAIN_MANAGER, "delete_project_tag", 204),
)

_USERS = (
    _route("POST", "/v3/users", user.create, DOMAIN_MANAGER, "create_user", 201),
    _route("GET", "/v3/users", user.listed, DOMAIN_READER, "list_users"),
    _route("GET", "/v3/users/{id}", user.show, SELF, "get_user"),
    _route("PATCH", "/v3/users/{id}", user.change, DOMAIN_MANAGER, "update_user"),
    _route("DELETE", "/v3/users/{id}", user.delete, DOMAIN_MANAGER, "delete_user", 204),
    Route("POST", "/v3/users/{id}/password", user.change_password, ANYONE, 204),
    _route("GET", "/v3/users/{id}/projects", user.list_projects, SELF, "list_user_projects"),
    _route("GET", "/v3/users/{id}/groups", user.list_groups, SELF, "list_groups_for_user"),
    _route(
        "POST",
        "/v3/users/{id}/application_credentials",
        application_credential.create,
        OWN,
        "create_application_credential",
        201,
    ),
    _route(
        "GET",
        "/v3/users/{id}/application_credentials",
        application_credential.listed,
        OWN,
        "list_application_credentials",
    ),
    _route(
        "GET",
        "/v3/users/{id}/application_credentials/{credential_id}",
        application_credential.show,
        OWN,
        "get_application_credential",
    ),
    _route(
        "DELETE",
        "/v3/users/{id}/application_credentials/{credential_id}",
        application_credential.delete,
        OWN,
        "delete_application_credential",
        204,
    ),
    _route("GET", "/v3/users/{id}/access_rules", access_rule.listed, OWN, "list_access_rules"),
    _route("GET", "/v3/users/{id}/access_rules/{rule_id}", access_rule.show, OWN, "get_access_rule"),
    _route("DELETE", "/v3/users/{id}/access_rules/{rule_id}", access_rule.delete, OWN, "delete_access_rule", 204),
)

_GROUPS = (
    _route("POST", "/v3/groups", group.create, DOMAIN_MANAGER, "create_group", 201),
    _route("GET", "/v3/groups", group.listed, DOMAIN_READER, "list_groups"),
    _route("GET", "/v3/groups/{id}", group.show, DOMAIN_READER, "get_group"),
    _route("PATCH", "/v3/groups/{id}", group.change, DOMAIN_MANAGER, "update_group"),
    _route("DELETE", "/v3/groups/{id}", group.delete, DOMAIN_MANAGER, "delete_group", 204),
    _route("GET", "/v3/groups/{id}/users", user.list_of_group, DOMAIN_READER, "list_users_in_group"),
    _route("PUT", "/v3/groups/{id}/users/{user_id}", group.add_member, DOMAIN_MANAGER, "add_user_to_group", 204),
    _route("GET", "/v3/groups/{id}/users/{user_id}", group.check_member, DOMAIN_READER, "check_user_in_group", 204),
    _route(
        "DELETE", "/v3/groups/{id}/users/{user_id}", group.remove_member, DOMAIN_MANAGER, "remove_user_from_group", 204
    ),
)

_IMPLIES = "/v3/roles/{id}/implies"
_ROLES = (
    _route("POST", "/v3/roles", role.create, CLOUD_ADMIN, "create_role", 201),
    _route("GET", "/v3/roles", role.listed, ROLE_READER, "list_roles"),
    _route("GET", "/v3/roles/{id}", role.show, SELF, "get_role", target="late"),
    _route("PATCH", "/v3/roles/{id}", role.change, CLOUD_ADMIN, "update_role"),
    _route("DELETE", "/v3/roles/{id}", role.delete, CLOUD_ADMIN, "delete_role", 204),
    _route("GET", _IMPLIES, role.list_implied, SYSTEM_READER, "list_implied_roles"),
    _route("PUT", f"{_IMPLIES}/{{implied}}", role.imply, CLOUD_ADMIN, "create_implied_role", 201),
    _route("GET", f"{_IMPLIES}/{{implied}}", role.show_implied, SYSTEM_READER, "get_implied_role"),
    _route("HEAD", f"{_IMPLIES}/{{implied}}", role.check_implied, SYSTEM_READER, "check_implied_role"),
    _route("DELETE", f"{_IMPLIES}/{{implied}}", role.stop_implying, CLOUD_ADMIN, "delete_implied_role", 204),
    _route("GET", "/v3/role_inferences", role.list_inferences, SYSTEM_READER, "list_role_inference_rules"),
    _route("GET", "/v3/role_assignments", assignments.listed, DOMAIN_READER, "list_role_assignments"),
)


def _grants(target: str, actor: str, *, system: bool = False, inherited: bool = False) -> tuple[Route, ...]:
    """The routes of one kind of actor on one kind of target."""
    reader, manager = (SYSTEM_READER, CLOUD_ADMIN) if system else (DOMAIN_READER, DOMAIN_MANAGER)
    of = f"_system_grant{{}}_for_{actor[: actor.index('s/')]}" if system else "_grant{}"
    start, end = ("/v3/OS-INHERIT", "/inherited_to_projects") if inherited else ("/v3", "")
    path = f"{start}/{target}/{actor}/roles"
    one = f"{path}/{{role_id}}{end}"
    return (
        _route("GET", path + end, assignment.listed, reader, "list" + of.format("s")),
        _route("PUT", one, assignment.put, manager, "create" + of.format(""), 204),
        _route("GET", one, assignment.check, reader, "check" + of.format(""), 204),
        _route("DELETE", one, assignment.delete, manager, "revoke" + of.format(""), 204),
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
    _route("POST", "/v3/regions", region.create, CLOUD_ADMIN, "create_region", 201),
    _route("PUT", "/v3/regions/{id}", region.create, CLOUD_ADMIN, "create_region", 201),
    _route("GET", "/v3/regions", region.listed, SELF, "list_regions"),
    _route("GET", "/v3/regions/{id}", region.show, SELF, "get_region"),
    _route("PATCH", "/v3/regions/{id}", region.change, CLOUD_ADMIN, "update_region"),
    _route("DELETE", "/v3/regions/{id}", region.delete, CLOUD_ADMIN, "delete_region", 204),
    _route("POST", "/v3/services", service.create, CLOUD_ADMIN, "create_service", 201),
    _route("GET", "/v3/services", service.listed, SYSTEM_READER, "list_services"),
    _route("GET", "/v3/services/{id}", service.show, SYSTEM_READER, "get_service"),
    _route("PATCH", "/v3/services/{id}", service.change, CLOUD_ADMIN, "update_service"),
    _route("DELETE", "/v3/services/{id}", service.delete, CLOUD_ADMIN, "delete_service", 204),
    _route("POST", "/v3/endpoints", endpoint.create, CLOUD_ADMIN, "create_endpoint", 201),
    _route("GET", "/v3/endpoints", endpoint.listed, SYSTEM_READER, "list_endpoints"),
    _route("GET", "/v3/endpoints/{id}", endpoint.show, SYSTEM_READER, "get_endpoint"),
    _route("PATCH", "/v3/endpoints/{id}", endpoint.change, CLOUD_ADMIN, "update_endpoint"),
    _route("DELETE", "/v3/endpoints/{id}", endpoint.delete, CLOUD_ADMIN, "delete_endpoint", 204),
)

_CREDENTIALS = (
    _route("POST", "/v3/credentials", credential.create, SELF, "create_credential", 201),
    _route("GET", "/v3/credentials", credential.listed, SELF, "list_credentials"),
    _route("GET", "/v3/credentials/{id}", credential.show, SELF, "get_credential"),
    _route("PATCH", "/v3/credentials/{id}", credential.change, SELF, "update_credential"),
    _route("DELETE", "/v3/credentials/{id}", credential.delete, SELF, "delete_credential", 204),
    _route("POST", "/v3/users/{id}/credentials/OS-EC2", ec2.create, OWN, "ec2_create_credential", 201),
    _route("GET", "/v3/users/{id}/credentials/OS-EC2", ec2.listed, OWN, "ec2_list_credentials"),
    _route("GET", "/v3/users/{id}/credentials/OS-EC2/{access}", ec2.show, OWN, "ec2_get_credential"),
    _route(
        "DELETE",
        "/v3/users/{id}/credentials/OS-EC2/{access}",
        ec2.delete,
        OWN,
        "ec2_delete_credential",
        204,
    ),
    _route("POST", "/v3/ec2tokens", ec2.issue, ADMIN_OR_SERVICE, "ec2tokens_validate"),
    _route("POST", "/v3/s3tokens", ec2.issue_for_s3, ADMIN_OR_SERVICE, "s3tokens_validate"),
)

_LIMITS = (
    _route("POST", "/v3/registered_limits", registered_limit.create, CLOUD_ADMIN, "create_registered_limits", 201),
    _route("GET", "/v3/registered_limits", registered_limit.listed, SELF, "list_registered_limits"),
    _route("GET", "/v3/registered_limits/{id}", registered_limit.show, SELF, "get_registered_limit"),
    _route("PATCH", "/v3/registered_limits/{id}", registered_limit.change, CLOUD_ADMIN, "update_registered_limit"),
    _route(
        "DELETE", "/v3/registered_limits/{id}", registered_limit.delete, CLOUD_ADMIN, "delete_registered_limit", 204
    ),
    _route("GET", "/v3/limits/model", limit.model, SELF, "get_limit_model"),
    _route("POST", "/v3/limits", limit.create, CLOUD_ADMIN, "create_limits", 201),
    _route("GET", "/v3/limits", limit.listed, SELF, "list_limits"),
    _route("GET", "/v3/limits/{id}", limit.show, SELF, "get_limit"),
    _route("PATCH", "/v3/limits/{id}", limit.change, CLOUD_ADMIN, "update_limit"),
    _route("DELETE", "/v3/limits/{id}", limit.delete, CLOUD_ADMIN, "delete_limit", 204),
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
    rules=RULES,
    admin="admin_required",
    target="found",
    describe=describe,
)
