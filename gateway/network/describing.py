"""Bodies of network as JSON Schema, made of the resources' attributes, for the service's OpenAPI document."""

from __future__ import annotations

from typing import Any

from gateway.calling import Route
from gateway.network.documents import Resource
from gateway.network.network import NETWORK
from gateway.network.port import PORT
from gateway.network.security_group import GROUP
from gateway.network.security_group_rule import RULE
from gateway.network.subnet import SUBNET

COLLECTIONS: dict[str, Resource] = {one.plural.replace("_", "-"): one for one in (NETWORK, SUBNET, PORT, GROUP, RULE)}
"""By their names in paths."""


def describe(route: Route) -> dict[str, Any] | None:
    """The schema of a route's body: which attributes it may have; their values are checked one by one."""
    parts = route.path.split("/")
    resource = COLLECTIONS.get(parts[2]) if len(parts) in (3, 4) else None
    if resource is None or route.method not in ("POST", "PUT"):
        return None
    new = route.method == "POST"
    known: dict[str, Any] = {name: {} for name, one in resource.attributes.items() if (one.post if new else one.put)}
    required = [name for name, one in resource.attributes.items() if new and one.required]
    inner = {"type": "object", "properties": known, "required": required, "additionalProperties": False}
    return {"type": "object", "properties": {resource.name: inner}, "required": [resource.name]}
