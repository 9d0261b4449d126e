"""Every URL of federation. Source: Identity API reference, "OS-FEDERATION"."""

from __future__ import annotations

from typing import Any

from gateway.identity import token
from gateway.identity.federation import identity_provider, mapping, protocol, service_provider
from gateway.identity.personas import CLOUD_ADMIN, SELF, SYSTEM_READER
from gateway.identity.routing import route as _route
from gateway.serving import Route

_PROVIDERS = "/v3/OS-FEDERATION/identity_providers"
_PROTOCOLS = f"{_PROVIDERS}/{{id}}/protocols"


def _resource(module: Any, path: str, one: str, name: str, many: str) -> tuple[Route, ...]:
    """The five operations of what is named by whoever makes it."""
    return (
        _route("GET", path, module.listed, SYSTEM_READER, f"list_{many}"),
        _route("PUT", one, module.create, CLOUD_ADMIN, f"create_{name}", 201),
        _route("GET", one, module.show, SYSTEM_READER, f"get_{name}"),
        _route("PATCH", one, module.change, CLOUD_ADMIN, f"update_{name}"),
        _route("DELETE", one, module.delete, CLOUD_ADMIN, f"delete_{name}", 204),
    )


def _named(module: Any, name: str, many: str) -> tuple[Route, ...]:
    path = f"/v3/OS-FEDERATION/{many}"
    return _resource(module, path, f"{path}/{{id}}", name, many)


ROUTES = (
    *_named(identity_provider, "identity_provider", "identity_providers"),
    *_resource(protocol, _PROTOCOLS, f"{_PROTOCOLS}/{{protocol}}", "protocol", "protocols"),
    *_named(mapping, "mapping", "mappings"),
    *_named(service_provider, "service_provider", "service_providers"),
    _route("GET", "/v3/OS-FEDERATION/projects", token.list_projects, SELF, "get_auth_projects", past=False),
    _route("GET", "/v3/OS-FEDERATION/domains", token.list_domains, SELF, "get_auth_domains", past=False),
)
