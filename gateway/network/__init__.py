"""Networks over HTTP: every URL of the service, what answers it, the least persona that may call it.

Source: Networking API reference, v2.0 and its extensions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from events.refusals import NoCapacity, OverQuota
from gateway import faults
from gateway.network import (
    absent,
    extension,
    network,
    port,
    quota,
    security_group,
    security_group_rule,
    subnet,
    tag,
)
from gateway.network.documents import Resource
from gateway.policy import ADMIN, ANY_TOKEN, ANYONE, MEMBER, READER
from gateway.serving import Call, Face, Route


def _of_nothing(resource: Resource) -> Callable[[Call], Awaitable[None]]:
    """To change or delete a collection is to do so with nothing in it. Raises NotFound."""

    async def refuse(call: Call) -> None:
        raise resource.not_found(None)

    return refuse


_COLLECTIONS = {
    "networks": network.NETWORK,
    "subnets": subnet.SUBNET,
    "ports": port.PORT,
    "security-groups": security_group.GROUP,
    "security-group-rules": security_group_rule.RULE,
}
_TAGS = "/v2.0/{collection}/{id}/tags"

ROUTES = (
    Route("GET", "/", extension.versions, ANYONE, fences=False),
    Route("GET", "/v2.0", extension.collections, ANY_TOKEN),
    Route("GET", "/v2.0/", extension.collections, ANY_TOKEN),
    Route("GET", "/{version}", extension.no_version, ANYONE, fences=False),
    Route("GET", "/v2.0/extensions", extension.show_all, ANY_TOKEN),
    Route("GET", "/v2.0/extensions/{alias}", extension.show, ANY_TOKEN),
    Route("GET", "/v2.0/networks", network.show_all, READER, policy="get_network"),
    Route("POST", "/v2.0/networks", network.create, MEMBER, 201, policy="create_network"),
    Route("GET", "/v2.0/networks/{id}", network.show_one, READER, policy="get_network"),
    Route("PUT", "/v2.0/networks/{id}", network.update, MEMBER, policy="update_network"),
    Route("DELETE", "/v2.0/networks/{id}", network.delete, MEMBER, 204, policy="delete_network"),
    Route("GET", "/v2.0/subnets", subnet.show_all, READER, policy="get_subnet"),
    Route("POST", "/v2.0/subnets", subnet.create, MEMBER, 201, policy="create_subnet"),
    Route("GET", "/v2.0/subnets/{id}", subnet.show_one, READER, policy="get_subnet"),
    Route("PUT", "/v2.0/subnets/{id}", subnet.update, MEMBER, policy="update_subnet"),
    Route("DELETE", "/v2.0/subnets/{id}", subnet.delete, MEMBER, 204, policy="delete_subnet"),
    Route("GET", "/v2.0/ports", port.show_all, READER, policy="get_port"),
    Route("POST", "/v2.0/ports", port.create, MEMBER, 201, policy="create_port"),
    Route("GET", "/v2.0/ports/{id}", port.show_one, READER, policy="get_port"),
    Route("PUT", "/v2.0/ports/{id}", port.update, MEMBER, policy="update_port"),
    Route("DELETE", "/v2.0/ports/{id}", port.delete, MEMBER, 204, policy="delete_port"),
    Route("GET", "/v2.0/security-groups", security_group.show_all, READER, policy="get_security_group"),
    Route("POST", "/v2.0/security-groups", security_group.create, MEMBER, 201, policy="create_security_group"),
    Route("GET", "/v2.0/security-groups/{id}", security_group.show_one, READER, policy="get_security_group"),
    Route("PUT", "/v2.0/security-groups/{id}", security_group.update, MEMBER, policy="update_security_group"),
    Route("DELETE", "/v2.0/security-groups/{id}", security_group.delete, MEMBER, 204, policy="delete_security_group"),
    Route("GET", "/v2.0/security-group-rules", security_group_rule.show_all, READER, policy="get_security_group_rule"),
    Route(
        "POST",
        "/v2.0/security-group-rules",
        security_group_rule.create,
        MEMBER,
        201,
        policy="create_security_group_rule",
    ),
    Route(
        "GET",
        "/v2.0/security-group-rules/{id}",
        security_group_rule.show_one,
        READER,
        policy="get_security_group_rule",
    ),
    Route(
        "PUT",
        "/v2.0/security-group-rules/{id}",
        security_group_rule.update,
        MEMBER,
        policy="update_security_group_rule",
    ),
    Route(
        "DELETE",
        "/v2.0/security-group-rules/{id}",
        security_group_rule.delete,
        MEMBER,
        204,
        policy="delete_security_group_rule",
    ),
    Route("GET", "/v2.0/quotas", quota.show_all, READER, policy="get_quota"),
    Route("GET", "/v2.0/quotas/tenant", quota.own, READER, policy="get_quota"),
    Route("GET", "/v2.0/quotas/tenant.json", quota.own, READER, policy="get_quota"),
    Route("GET", "/v2.0/quotas/{id}", quota.show, READER, policy="get_quota"),
    Route("PUT", "/v2.0/quotas/{id}", quota.update, ADMIN, policy="update_quota"),
    Route("DELETE", "/v2.0/quotas/{id}", quota.delete, ADMIN, 204, policy="delete_quota"),
    Route("GET", "/v2.0/quotas/{id}/default", quota.default, READER, policy="get_quota"),
    Route("GET", "/v2.0/quotas/{id}/default.json", quota.default, READER, policy="get_quota"),
    Route("GET", "/v2.0/quotas/{id}/details", quota.details, READER, policy="get_quota"),
    Route("GET", "/v2.0/quotas/{id}/details.json", quota.details, READER, policy="get_quota"),
    Route("GET", "/v2.0/agents", absent.agents, READER, policy="get_agent"),
    Route("GET", "/v2.0/agents/{id}", absent.agent, READER, policy="get_agent"),
    Route("GET", "/v2.0/availability_zones", absent.zones, READER, policy="get_availability_zone"),
    Route("GET", "/v2.0/routers", absent.routers, READER, policy="get_router"),
    Route("POST", "/v2.0/routers", absent.nowhere, READER, policy="create_router"),
    Route("GET", "/v2.0/routers/{id}", absent.router, READER, policy="get_router"),
    Route("GET", "/v2.0/floatingips", absent.floating_ips, READER, policy="get_floatingip"),
    Route("POST", "/v2.0/floatingips", absent.nowhere, READER, policy="create_floatingip"),
    Route("GET", "/v2.0/floatingips/{id}", absent.floating_ip, READER, policy="get_floatingip"),
    Route("GET", "/v2.0/subnetpools", absent.subnet_pools, READER, policy="get_subnetpool"),
    Route("GET", "/v2.0/subnetpools/{id}", absent.subnet_pool, READER, policy="get_subnetpool"),
    Route("GET", _TAGS, tag.show_all, READER, policy="get_tags"),
    Route("PUT", _TAGS, tag.replace, MEMBER, policy="update_tags"),
    Route("POST", _TAGS, tag.extend, MEMBER, policy="create_tags"),
    Route("DELETE", _TAGS, tag.clear, MEMBER, 204, policy="delete_tags"),
    Route("GET", _TAGS + "/{tag}", tag.show, READER, 204, policy="get_tags"),
    Route("PUT", _TAGS + "/{tag}", tag.add, MEMBER, 201, policy="update_tags"),
    Route("DELETE", _TAGS + "/{tag}", tag.remove, MEMBER, 204, policy="delete_tags"),
    *(
        Route(method, f"/v2.0/{plural}", _of_nothing(resource), READER)
        for plural, resource in _COLLECTIONS.items()
        for method in ("PUT", "DELETE")
    ),
)

FACE = Face(
    name="network",
    path="/network",
    routes=ROUTES,
    format=faults.network,
    statuses={OverQuota: 409, NoCapacity: 503},
)
