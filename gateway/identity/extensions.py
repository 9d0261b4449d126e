"""The URLs of identity's extensions: policy documents, endpoint filters, domain configuration, OAuth.

Source: Identity API reference, "Policies", "OS-ENDPOINT-POLICY", "OS-EP-FILTER", "OS-OAUTH1", "OS-OAUTH2", "Domain
configuration".
"""

from __future__ import annotations

from gateway.identity import (
    domain_config,
    endpoint_filter,
    endpoint_group,
    endpoint_policy,
    oauth1,
    oauth2,
    oauth_access_token,
    oauth_consumer,
    policy,
)
from gateway.identity.routing import resource, route
from gateway.policy import ANYONE
from gateway.serving import Route

_POLICIES = resource(policy, "/v3/policies", "policy", "policies")


def _policy_of(path: str, name: str) -> tuple[Route, ...]:
    """The routes by which what is at `path` gets a policy."""
    path, name = f"/v3/policies/{{id}}/OS-ENDPOINT-POLICY/{path}", f"policy_association_for_{name}"
    return (
        route("PUT", path, endpoint_policy.put, f"create_{name}", 204),
        route("GET", path, endpoint_policy.check, f"check_{name}", 204),
        route("DELETE", path, endpoint_policy.delete, f"delete_{name}", 204),
    )


_ENDPOINT_POLICY = (
    *_policy_of("endpoints/{endpoint_id}", "endpoint"),
    *_policy_of("services/{service_id}", "service"),
    *_policy_of("services/{service_id}/regions/{region_id}", "region_and_service"),
    route(
        "GET",
        "/v3/policies/{id}/OS-ENDPOINT-POLICY/endpoints",
        endpoint_policy.list_endpoints,
        "list_endpoints_for_policy",
    ),
    route(
        "GET",
        "/v3/endpoints/{id}/OS-ENDPOINT-POLICY/policy",
        endpoint_policy.show,
        "get_policy_for_endpoint",
    ),
)

_GROUPS = "/v3/OS-EP-FILTER/endpoint_groups"
_GROUP = f"{_GROUPS}/{{id}}"
_OF_PROJECT = "/v3/OS-EP-FILTER/projects/{project_id}"
_PAIR = f"{_OF_PROJECT}/endpoints/{{endpoint_id}}"
_GROUP_PAIR = f"{_GROUP}/projects/{{project_id}}"

_FILTER = (
    *resource(endpoint_group, _GROUPS, "endpoint_group"),
    route("PUT", _PAIR, endpoint_filter.add_endpoint, "add_endpoint_to_project", 204),
    route("GET", _PAIR, endpoint_filter.check_endpoint, "check_endpoint_in_project", 204),
    route("DELETE", _PAIR, endpoint_filter.remove_endpoint, "remove_endpoint_from_project", 204),
    route("GET", f"{_OF_PROJECT}/endpoints", endpoint_filter.list_endpoints, "list_endpoints_for_project"),
    route(
        "GET",
        "/v3/OS-EP-FILTER/endpoints/{id}/projects",
        endpoint_filter.list_projects,
        "list_projects_for_endpoint",
    ),
    route("PUT", _GROUP_PAIR, endpoint_filter.add_group, "add_endpoint_group_to_project", 204),
    route("GET", _GROUP_PAIR, endpoint_filter.show_group, "get_endpoint_group_in_project"),
    route("DELETE", _GROUP_PAIR, endpoint_filter.remove_group, "remove_endpoint_group_from_project", 204),
    route(
        "GET",
        f"{_GROUP}/projects",
        endpoint_filter.list_projects_of_group,
        "list_projects_associated_with_endpoint_group",
    ),
    route(
        "GET",
        f"{_GROUP}/endpoints",
        endpoint_filter.list_endpoints_of_group,
        "list_endpoints_associated_with_endpoint_group",
    ),
    route(
        "GET",
        f"{_OF_PROJECT}/endpoint_groups",
        endpoint_filter.list_groups,
        "list_endpoint_groups_for_project",
    ),
)

_CONFIG = "/v3/domains/{id}/config"
_DEFAULT = "get_domain_config_default"
_PARTS = ("", "/{group}", "/{group}/{option}")
_DOMAIN_CONFIG = (
    *(route("GET", f"/v3/domains/config{part}/default", domain_config.show_default, _DEFAULT) for part in _PARTS),
    *(
        route(
            "GET",
            f"{_CONFIG}/security_compliance{part}",
            domain_config.show_compliance,
            "get_security_compliance_domain_config",
        )
        for part in ("", "/{option}")
    ),
    route("PUT", _CONFIG, domain_config.create, "create_domain_config", 201),
    *(
        one
        for part in _PARTS
        for one in (
            route("GET", f"{_CONFIG}{part}", domain_config.show, "get_domain_config"),
            route("PATCH", f"{_CONFIG}{part}", domain_config.change, "update_domain_config"),
            route("DELETE", f"{_CONFIG}{part}", domain_config.delete, "delete_domain_config", 204),
        )
    ),
)

_LENT = "/v3/users/{id}/OS-OAUTH1/access_tokens"
_OAUTH = (
    *resource(oauth_consumer, "/v3/OS-OAUTH1/consumers", "consumer"),
    Route("POST", "/v3/OS-OAUTH1/request_token", oauth1.request, ANYONE, 201),
    Route("POST", "/v3/OS-OAUTH1/access_token", oauth1.access, ANYONE, 201),
    route("PUT", "/v3/OS-OAUTH1/authorize/{token_id}", oauth1.authorize, "authorize_request_token"),
    route("GET", _LENT, oauth_access_token.listed, "list_access_tokens"),
    route("GET", f"{_LENT}/{{token_id}}", oauth_access_token.show, "get_access_token"),
    route("DELETE", f"{_LENT}/{{token_id}}", oauth_access_token.delete, "ec2_delete_credential", 204),
    route("GET", f"{_LENT}/{{token_id}}/roles", oauth_access_token.list_roles, "list_access_token_roles"),
    route("GET", f"{_LENT}/{{token_id}}/roles/{{role_id}}", oauth_access_token.show_role, "get_access_token_role"),
    Route("POST", "/v3/OS-OAUTH2/token", oauth2.issue, ANYONE),
    *(Route(method, "/v3/OS-OAUTH2/token", oauth2.refuse, ANYONE) for method in ("GET", "PUT", "PATCH", "DELETE")),
)

ROUTES = (*_OAUTH, *_DOMAIN_CONFIG, *_POLICIES, *_ENDPOINT_POLICY, *_FILTER)
