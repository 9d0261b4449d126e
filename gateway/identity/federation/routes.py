"""Every URL of federation. Source: Identity API reference, "OS-FEDERATION"."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

from gateway.identity import token
from gateway.identity.federation import identity_provider, mapping, protocol, service_provider, signon
from gateway.identity.routing import resource as _resource
from gateway.identity.routing import route as _route
from gateway.policy import ANYONE
from gateway.serving import Answer, Call, Route

Function = Callable[..., Awaitable[Any]]

_PROVIDERS = "/v3/OS-FEDERATION/identity_providers"
_PROTOCOLS = f"{_PROVIDERS}/{{id}}/protocols"


def _later(module: str, name: str) -> Function:
    """A function of a module whose libraries are loaded when it is first called."""

    async def answer(call: Call) -> Answer:
        function: Function = getattr(import_module(f"gateway.identity.federation.{module}"), name)
        found: Answer = await function(call)
        return found

    return answer


def _later_with_body(module: str, name: str) -> Function:
    async def answer(call: Call, body: Any) -> Answer:
        function: Function = getattr(import_module(f"gateway.identity.federation.{module}"), name)
        found: Answer = await function(call, body)
        return found

    return answer


_AUTH = f"{_PROTOCOLS}/{{protocol}}/auth"
_WEBSSO = "/v3/auth/OS-FEDERATION/identity_providers/{id}/protocols/{protocol}/websso"

_SAML = "/v3/auth/OS-FEDERATION/saml2"

_SIGN_ON = (
    Route("GET", _AUTH, signon.sign_on, ANYONE, 201),
    Route("POST", _AUTH, signon.sign_on, ANYONE, 201),
    Route("GET", "/v3/auth/OS-FEDERATION/websso/{protocol}", _later("browsing", "start"), ANYONE),
    Route("GET", _WEBSSO, _later("browsing", "start_at"), ANYONE),
    Route("GET", f"{_WEBSSO}/callback", _later("browsing", "come_back"), ANYONE),
    Route("POST", f"{_WEBSSO}/callback", _later("browsing", "posted_back"), ANYONE),
    Route("GET", "/v3/OS-FEDERATION/saml2/metadata", _later("clouds", "metadata"), ANYONE),
    Route("POST", _SAML, _later_with_body("clouds", "assert_"), ANYONE),
    Route("POST", f"{_SAML}/ecp", _later_with_body("clouds", "assert_enveloped"), ANYONE),
)

ROUTES = (
    *_SIGN_ON,
    *_resource(identity_provider, _PROVIDERS, "identity_provider", named=True),
    *_resource(protocol, _PROTOCOLS, "protocol", key="protocol", named=True),
    *_resource(mapping, "/v3/OS-FEDERATION/mappings", "mapping", named=True),
    *_resource(service_provider, "/v3/OS-FEDERATION/service_providers", "service_provider", named=True),
    _route("GET", "/v3/OS-FEDERATION/projects", token.list_projects, "get_auth_projects", past=False),
    _route("GET", "/v3/OS-FEDERATION/domains", token.list_domains, "get_auth_domains", past=False),
)
