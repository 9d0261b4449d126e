"""Networks over HTTP: every URL of the service, what answers it, the rule that says who may call it.

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
from gateway.network.describing import COLLECTIONS, describe
from gateway.network.documents import Resource
from gateway.network.policies import RULES
from gateway.policy import ANYONE
from gateway.serving import Call, Face, Route


def _of_nothing(resource: Resource) -> Callable[[Call], Awaitable[None]]:
    """To change or delete a collection is to do so with nothing in it. Raises NotFound."""

    async def refuse(call: Call) -> None:
        raise resource.not_found(None)

    return refuse


_TAGS = "/v2.0/{collection}/{id}/tags"

ROUTES = (
    Route("GET", "/", extension.versions, ANYONE, fences=False),
    Route("GET", "/v2.0", extension.collections, "get_extension"),
    Route("GET", "/v2.0/", extension.collections, "get_extension"),
    Route("GET", "/{version}", extension.no_version, ANYONE, fences=False),
    Route("GET", "/v2.0/extensions", extension.show_all, "get_extension"),
    Route("GET", "/v2.0/extensions/{alias}", extension.show, "get_extension"),
    Route("GET", "/v2.0/networks", network.show_all, "get_network"),
    Route("POST", "/v2.0/networks", network.create, "create_network", 201),
    Route("GET", "/v2.0/networks/{id}", network.show_one, "get_network"),
    Route("PUT", "/v2.0/networks/{id}", network.update, "update_network"),
    Route("DELETE", "/v2.0/networks/{id}", network.delete, "delete_network", 204),
    Route("GET", "/v2.0/subnets", subnet.show_all, "get_subnet"),
    Route("POST", "/v2.0/subnets", subnet.create, "create_subnet", 201),
    Route("GET", "/v2.0/subnets/{id}", subnet.show_one, "get_subnet"),
    Route("PUT", "/v2.0/subnets/{id}", subnet.update, "update_subnet"),
    Route("DELETE", "/v2.0/subnets/{id}", subnet.delete, "delete_subnet", 204),
    Route("GET", "/v2.0/ports", port.show_all, "get_port"),
    Route("POST", "/v2.0/ports", port.create, "create_port", 201),
    Route("GET", "/v2.0/ports/{id}", port.show_one, "get_port"),
    Route("PUT", "/v2.0/ports/{id}", port.update, "update_port"),
    Route("DELETE", "/v2.0/ports/{id}", port.delete, "delete_port", 204),
    Route("GET", "/v2.0/security-groups", security_group.show_all, "get_security_group"),
    Route("POST", "/v2.0/security-groups", security_group.create, "create_security_group", 201),
    Route("GET", "/v2.0/security-groups/{id}", security_group.show_one, "get_security_group"),
    Route("PUT", "/v2.0/security-groups/{id}", security_group.update, "update_security_group"),
    Route("DELETE", "/v2.0/security-groups/{id}", security_group.delete, "delete_security_group", 204),
    Route("GET", "/v2.0/security-group-rules", security_group_rule.show_all, "get_security_group_rule"),
    Route("POST", "/v2.0/security-group-rules", security_group_rule.create, "create_security_group_rule", 201),
    Route("GET", "/v2.0/security-group-rules/{id}", security_group_rule.show_one, "get_security_group_rule"),
    Route("PUT", "/v2.0/security-group-rules/{id}", security_group_rule.update, "update_security_group_rule"),
    Route("DELETE", "/v2.0/security-group-rules/{id}", security_group_rule.delete, "delete_security_group_rule", 204),
    Route("GET", "/v2.0/quotas", quota.show_all, "get_quota"),
    Route("GET", "/v2.0/quotas/tenant", quota.own, "get_extension"),
    Route("GET", "/v2.0/quotas/tenant.json", quota.own, "get_extension"),
    Route("GET", "/v2.0/quotas/{id}", quota.show, "get_quota"),
    Route("PUT", "/v2.0/quotas/{id}", quota.update, "update_quota"),
    Route("DELETE", "/v2.0/quotas/{id}", quota.delete, "delete_quota", 204),
    Route("GET", "/v2.0/quotas/{id}/default", quota.default, "get_quota"),
    Route("GET", "/v2.0/quotas/{id}/default.json", quota.default, "get_quota"),
    Route("GET", "/v2.0/quotas/{id}/details", quota.details, "get_quota"),
    Route("GET", "/v2.0/quotas/{id}/details.json", quota.details, "get_quota"),
    Route("GET", "/v2.0/agents", absent.agents, "get_agent", target="late"),
    Route("GET", "/v2.0/agents/{id}", absent.agent, "get_agent", target="late"),
    Route("GET", "/v2.0/availability_zones", absent.zones, "get_availability_zone"),
    Route("GET", "/v2.0/routers", absent.routers, "get_router", target="late"),
    Route("POST", "/v2.0/routers", absent.nowhere, "create_router", target="late"),
    Route("GET", "/v2.0/routers/{id}", absent.router, "get_router", target="late"),
    Route("GET", "/v2.0/floatingips", absent.floating_ips, "get_floatingip", target="late"),
    Route("POST", "/v2.0/floatingips", absent.nowhere, "create_floatingip", target="late"),
    Route("GET", "/v2.0/floatingips/{id}", absent.floating_ip, "get_floatingip", target="late"),
    Route("GET", "/v2.0/subnetpools", absent.subnet_pools, "get_subnetpool", target="late"),
    Route("GET", "/v2.0/subnetpools/{id}", absent.subnet_pool, "get_subnetpool", target="late"),
    Route("GET", _TAGS, tag.show_all, "tags"),
    Route("PUT", _TAGS, tag.replace, "tags"),
    Route("POST", _TAGS, tag.extend, "tags"),
    Route("DELETE", _TAGS, tag.clear, "tags", 204),
    Route("GET", _TAGS + "/{tag}", tag.show, "tags", 204),
    Route("PUT", _TAGS + "/{tag}", tag.add, "tags", 201),
    Route("DELETE", _TAGS + "/{tag}", tag.remove, "tags", 204),
    *(
        Route(
            method,
            f"/v2.0/{plural}",
            _of_nothing(resource),
            ("update_" if method == "PUT" else "delete_") + resource.name,
        )
        for plural, resource in COLLECTIONS.items()
        for method in ("PUT", "DELETE")
    ),
)

FACE = Face(
    name="network",
    path="/network",
    routes=ROUTES,
    format=faults.network,
    statuses={OverQuota: 409, NoCapacity: 503},
    rules=RULES,
    target="found",
    describe=describe,
)
