"""Identity over HTTP: every URL of the service, what answers it, the least persona that may call it.

Where the persona is SELF any token comes in, and the function looks whose the thing is.
Source: Identity API reference, version 3.14.
"""

from __future__ import annotations

from events.refusals import UnsupportedMedia
from gateway import faults
from gateway.identity import (
    application_credential,
    assignment,
    assignments,
    discovery,
    domain,
    endpoint,
    group,
    project,
    region,
    role,
    service,
    token,
    user,
)
from gateway.identity.personas import (
    ADMIN,
    ANYONE,
    DOMAIN_MANAGER,
    DOMAIN_READER,
    SELF,
    SYSTEM_READER,
)
from gateway.serving import Face, Route

_AUTH = (
    Route("GET", "/", discovery.versions, ANYONE),
    Route("GET", "/v3", discovery.version, ANYONE),
    Route("GET", "/v3/", discovery.version, ANYONE),
    Route("POST", "/v3/auth/tokens", token.issue, ANYONE, 201),
    Route("GET", "/v3/auth/tokens", token.validate, SELF, policy="identity:validate_token"),
    Route("DELETE", "/v3/auth/tokens", token.revoke, SELF, 204, policy="identity:revoke_token"),
    Route("GET", "/v3/auth/catalog", token.show_catalog, SELF, policy="identity:get_auth_catalog"),
    Route("GET", "/v3/auth/projects", token.list_projects, SELF, policy="identity:get_auth_projects"),
    Route("GET", "/v3/auth/domains", token.list_domains, SELF, policy="identity:get_auth_domains"),
    Route("GET", "/v3/auth/system", token.list_systems, SELF, policy="identity:get_auth_system"),
)

_DOMAINS = (
    Route("POST", "/v3/domains", domain.create, ADMIN, 201, policy="identity:create_domain"),
    Route("GET", "/v3/domains", domain.listed, DOMAIN_READER, policy="identity:list_domains"),
    Route("GET", "/v3/domains/{id}", domain.show, SELF, policy="identity:get_domain"),
    Route("PATCH", "/v3/domains/{id}", domain.change, ADMIN, policy="identity:update_domain"),
    Route("DELETE", "/v3/domains/{id}", domain.delete, ADMIN, 204, policy="identity:delete_domain"),
)

_PROJECTS = (
    Route("POST", "/v3/projects", project.create, DOMAIN_MANAGER, 201, policy="identity:create_project"),
    Route("GET", "/v3/projects", project.listed, DOMAIN_READER, policy="identity:list_projects"),
    Route("GET", "/v3/projects/{id}", project.show, SELF, policy="identity:get_project"),
    Route("PATCH", "/v3/projects/{id}", project.change, DOMAIN_MANAGER, policy="identity:update_project"),
    Route("DELETE", "/v3/projects/{id}", project.delete, DOMAIN_MANAGER, 204, policy="identity:delete_project"),
    Route("GET", "/v3/projects/{id}/tags", project.list_tags, SELF, policy="identity:list_project_tags"),
    Route("PUT", "/v3/projects/{id}/tags", project.replace_tags, DOMAIN_MANAGER, policy="identity:update_project_tags"),
    Route(
        "DELETE",
        "/v3/projects/{id}/tags",
        project.remove_tags,
        DOMAIN_MANAGER,
        204,
        policy="identity:delete_project_tags",
    ),
    Route("GET", "/v3/projects/{id}/tags/{tag}", project.show_tag, SELF, 204, policy="identity:get_project_tag"),
    Route(
        "PUT",
        "/v3/projects/{id}/tags/{tag}",
        project.add_tag,
        DOMAIN_MANAGER,
        201,
        policy="identity:create_project_tag",
    ),
    Route(
        "DELETE",
        "/v3/projects/{id}/tags/{tag}",
        project.remove_tag,
        DOMAIN_MANAGER,
        204,
        policy="identity:delete_project_tag",
    ),
)

_USERS = (
    Route("POST", "/v3/users", user.create, DOMAIN_MANAGER, 201, policy="identity:create_user"),
    Route("GET", "/v3/users", user.listed, DOMAIN_READER, policy="identity:list_users"),
    Route("GET", "/v3/users/{id}", user.show, SELF, policy="identity:get_user"),
    Route("PATCH", "/v3/users/{id}", user.change, DOMAIN_MANAGER, policy="identity:update_user"),
    Route("DELETE", "/v3/users/{id}", user.delete, DOMAIN_MANAGER, 204, policy="identity:delete_user"),
    Route("POST", "/v3/users/{id}/password", user.change_password, ANYONE, 204),
    Route("GET", "/v3/users/{id}/projects", user.list_projects, SELF, policy="identity:list_user_projects"),
    Route("GET", "/v3/users/{id}/groups", user.list_groups, SELF, policy="identity:list_groups_for_user"),
    Route(
        "POST",
        "/v3/users/{id}/application_credentials",
        application_credential.create,
        SELF,
        201,
        policy="identity:create_application_credential",
    ),
    Route(
        "GET",
        "/v3/users/{id}/application_credentials",
        application_credential.listed,
        SELF,
        policy="identity:list_application_credentials",
    ),
    Route(
        "GET",
        "/v3/users/{id}/application_credentials/{credential_id}",
        application_credential.show,
        SELF,
        policy="identity:get_application_credential",
    ),
    Route(
        "DELETE",
        "/v3/users/{id}/application_credentials/{credential_id}",
        application_credential.delete,
        SELF,
        204,
        policy="identity:delete_application_credential",
    ),
    Route(
        "GET",
        "/v3/users/{id}/access_rules",
        application_credential.list_access_rules,
        SELF,
        policy="identity:list_access_rules",
    ),
)

_GROUPS = (
    Route("POST", "/v3/groups", group.create, DOMAIN_MANAGER, 201, policy="identity:create_group"),
    Route("GET", "/v3/groups", group.listed, DOMAIN_READER, policy="identity:list_groups"),
    Route("GET", "/v3/groups/{id}", group.show, DOMAIN_READER, policy="identity:get_group"),
    Route("PATCH", "/v3/groups/{id}", group.change, DOMAIN_MANAGER, policy="identity:update_group"),
    Route("DELETE", "/v3/groups/{id}", group.delete, DOMAIN_MANAGER, 204, policy="identity:delete_group"),
    Route("GET", "/v3/groups/{id}/users", user.list_of_group, DOMAIN_READER, policy="identity:list_users_in_group"),
    Route(
        "PUT",
        "/v3/groups/{id}/users/{user_id}",
        group.add_member,
        DOMAIN_MANAGER,
        204,
        policy="identity:add_user_to_group",
    ),
    Route(
        "GET", "/v3/groups/{id}/users/{user_id}", group.check_member, SELF, 204, policy="identity:check_user_in_group"
    ),
    Route(
        "DELETE",
        "/v3/groups/{id}/users/{user_id}",
        group.remove_member,
        DOMAIN_MANAGER,
        204,
        policy="identity:remove_user_from_group",
    ),
)

_IMPLIES = "/v3/roles/{id}/implies"
_ROLES = (
    Route("POST", "/v3/roles", role.create, ADMIN, 201, policy="identity:create_role"),
    Route("GET", "/v3/roles", role.listed, DOMAIN_READER, policy="identity:list_roles"),
    Route("GET", "/v3/roles/{id}", role.show, DOMAIN_READER, policy="identity:get_role"),
    Route("PATCH", "/v3/roles/{id}", role.change, ADMIN, policy="identity:update_role"),
    Route("DELETE", "/v3/roles/{id}", role.delete, ADMIN, 204, policy="identity:delete_role"),
    Route("GET", _IMPLIES, role.list_implied, SYSTEM_READER, policy="identity:list_implied_roles"),
    Route("PUT", f"{_IMPLIES}/{{implied}}", role.imply, ADMIN, 201, policy="identity:create_implied_role"),
    Route("GET", f"{_IMPLIES}/{{implied}}", role.show_implied, SYSTEM_READER, policy="identity:get_implied_role"),
    Route("HEAD", f"{_IMPLIES}/{{implied}}", role.check_implied, SYSTEM_READER, policy="identity:check_implied_role"),
    Route("DELETE", f"{_IMPLIES}/{{implied}}", role.stop_implying, ADMIN, 204, policy="identity:delete_implied_role"),
    Route(
        "GET", "/v3/role_inferences", role.list_inferences, SYSTEM_READER, policy="identity:list_role_inference_rules"
    ),
    Route("GET", "/v3/role_assignments", assignments.listed, DOMAIN_READER, policy="identity:list_role_assignments"),
)


def _grants(target: str, actor: str, *, system: bool = False, inherited: bool = False) -> tuple[Route, ...]:
    """The routes of one kind of actor on one kind of target."""
    reader, manager = (SYSTEM_READER, ADMIN) if system else (DOMAIN_READER, DOMAIN_MANAGER)
    start, end = ("/v3/OS-INHERIT", "/inherited_to_projects") if inherited else ("/v3", "")
    path = f"{start}/{target}/{actor}/roles"
    one = f"{path}/{{role_id}}{end}"
    return (
        Route("GET", path + end, assignment.listed, reader, policy="identity:list_grants"),
        Route("PUT", one, assignment.put, manager, 204, policy="identity:create_grant"),
        Route("GET", one, assignment.check, reader, 204, policy="identity:check_grant"),
        Route("DELETE", one, assignment.delete, manager, 204, policy="identity:revoke_grant"),
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
    Route("POST", "/v3/regions", region.create, ADMIN, 201, policy="identity:create_region"),
    Route("PUT", "/v3/regions/{id}", region.create, ADMIN, 201, policy="identity:create_region"),
    Route("GET", "/v3/regions", region.listed, SELF, policy="identity:list_regions"),
    Route("GET", "/v3/regions/{id}", region.show, SELF, policy="identity:get_region"),
    Route("PATCH", "/v3/regions/{id}", region.change, ADMIN, policy="identity:update_region"),
    Route("DELETE", "/v3/regions/{id}", region.delete, ADMIN, 204, policy="identity:delete_region"),
    Route("POST", "/v3/services", service.create, ADMIN, 201, policy="identity:create_service"),
    Route("GET", "/v3/services", service.listed, SYSTEM_READER, policy="identity:list_services"),
    Route("GET", "/v3/services/{id}", service.show, SYSTEM_READER, policy="identity:get_service"),
    Route("PATCH", "/v3/services/{id}", service.change, ADMIN, policy="identity:update_service"),
    Route("DELETE", "/v3/services/{id}", service.delete, ADMIN, 204, policy="identity:delete_service"),
    Route("POST", "/v3/endpoints", endpoint.create, ADMIN, 201, policy="identity:create_endpoint"),
    Route("GET", "/v3/endpoints", endpoint.listed, SYSTEM_READER, policy="identity:list_endpoints"),
    Route("GET", "/v3/endpoints/{id}", endpoint.show, SYSTEM_READER, policy="identity:get_endpoint"),
    Route("PATCH", "/v3/endpoints/{id}", endpoint.change, ADMIN, policy="identity:update_endpoint"),
    Route("DELETE", "/v3/endpoints/{id}", endpoint.delete, ADMIN, 204, policy="identity:delete_endpoint"),
)

ROUTES = (*_AUTH, *_DOMAINS, *_PROJECTS, *_USERS, *_GROUPS, *_ROLES, *_GRANTS, *_CATALOG)

FACE = Face(
    name="identity",
    path="/identity",
    routes=ROUTES,
    format=faults.identity,
    statuses={UnsupportedMedia: 400},
    headers={"Vary": "X-Auth-Token"},
)
