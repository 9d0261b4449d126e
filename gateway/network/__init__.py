"""Networks over HTTP: every URL of the service, what answers it, the rule that says who may call it.

Source: Networking API reference, v2.0 and its extensions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

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
from gateway.network.describing import describe
from gateway.network.documents import Resource
from gateway.network.policies import FORMER, RULES
from gateway.policy import ANYONE
from gateway.serving import Call, Face, Route


def _of_nothing(resource: Resource) -> Callable[[Call], Awaitable[None]]:
    """To change or delete a collection is to do so with nothing in it. Raises NotFound."""

    async def refuse(call: Call) -> None:
        raise resource.not_found(None)

    return refuse


def _collection(module: Any, plural: str, resource: Resource) -> tuple[Route, ...]:
    """What is asked of a collection, and of one of it."""
    path, name, nothing = f"/v2.0/{plural}", resource.name, _of_nothing(resource)
    one = path + "/{id}"
    return (
        Route("GET", path, module.show_all, f"get_{name}"),
        Route("POST", path, module.create, f"create_{name}", 201),
        Route("PUT", path, nothing, f"update_{name}"),
        Route("DELETE", path, nothing, f"delete_{name}"),
        Route("GET", one, module.show_one, f"get_{name}"),
        Route("PUT", one, module.update, f"update_{name}"),
        Route("DELETE", one, module.delete, f"delete_{name}", 204),
    )


_TAGS = "/v2.0/{collection}/{id}/tags"

ROUTES = (
    Route("GET", "/", extension.versions, ANYONE, fences=False),
    Route("GET", "/v2.0", extension.collections, "get_extension"),
    Route("GET", "/v2.0/", extension.collections, "get_extension"),
    Route("GET", "/{version}", extension.no_version, ANYONE, fences=False),
    Route("GET", "/v2.0/extensions", extension.show_all, "get_extension"),
    Route("GET", "/v2.0/extensions/{alias}", extension.show, "get_extension"),
    *_collection(network, "networks", network.NETWORK),
    *_collection(subnet, "subnets", subnet.SUBNET),
    *_collection(port, "ports", port.PORT),
    *_collection(security_group, "security-groups", security_group.GROUP),
    *_collection(security_group_rule, "security-group-rules", security_group_rule.RULE),
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
)

FACE = Face(
    name="network",
    path="/network",
    routes=ROUTES,
    format=faults.network,
    statuses={OverQuota: 409, NoCapacity: 503},
    rules=RULES,
    former=FORMER,
    target="found",
    describe=describe,
)
