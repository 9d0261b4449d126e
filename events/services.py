"""The one table of services and resources; by it every floor finds its modules.

Source of the types: OpenStack's service-types authority.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from msgspec import Struct

from events.decider import Decider


class Service(Struct, frozen=True, kw_only=True):
    """A service, as the catalog names it."""

    name: str  # of its folder on every floor
    type: str
    catalog_name: str  # OpenStack's code name: what `catalog list` shows
    path: str  # of its root under the cloud's listener
    version_path: str = ""  # appended in the catalog's URLs
    resources: tuple[str, ...] = ()


SERVICES: tuple[Service, ...] = (
    Service(
        name="identity",
        type="identity",
        catalog_name="keystone",
        path="/identity",
        resources=(
            "domain",
            "project",
            "user",
            "group",
            "membership",
            "role",
            "assignment",
            "name",
            "application_credential",
            "revocation",
            "trust",
            "passcode",
            "region",
            "service",
            "endpoint",
            "credential",
            "registered_limit",
            "limit",
            "policy",
            "endpoint_group",
            "association",
            "access_rule",
            "domain_config",
            "oauth_consumer",
            "oauth_request_token",
            "oauth_access_token",
            "identity_provider",
            "federation_protocol",
            "mapping",
            "service_provider",
            "federated_user",
            "expiring_membership",
        ),
    ),
    Service(
        name="compute",
        type="compute",
        catalog_name="nova",
        path="/compute",
        version_path="/v2.1",
        resources=("flavor", "keypair", "quota", "host", "host_room", "server"),
    ),
    Service(
        name="image",
        type="image",
        catalog_name="glance",
        path="/image",
        resources=("image", "member"),
    ),
    Service(
        name="network",
        type="network",
        catalog_name="neutron",
        path="/network",
        resources=("network", "subnet", "port", "address", "mac", "segment", "security_group", "quota"),
    ),
)


def deciders() -> list[Decider[Any, Any, Any]]:
    """The decider of every resource of every service."""
    return [import_module(f"events.{s.name}.{resource}") for s in SERVICES for resource in s.resources]


def modules(floor: str) -> list[ModuleType]:
    """The modules of every resource that has one on `floor`: `projections`, `handlers` or `agents`."""
    names = [
        f"{floor}.{s.name}.{resource}" for s in SERVICES for resource in s.resources if find_spec(f"{floor}.{s.name}")
    ]
    return [import_module(name) for name in names if find_spec(name)]
