"""Service providers over HTTP. Source: Identity API reference, "OS-FEDERATION", "Service providers"."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from events.fold import Fold
from events.identity import missing
from events.identity import service_provider as service_providers
from events.identity.record import Change, Delete, Make
from events.identity.service_provider import ServiceProvider, ServiceProviderChanged, ServiceProviderCreated
from gateway.identity import shapes
from gateway.identity.federation.naming import id_of
from gateway.identity.listing import collection, filtered
from gateway.identity.shapes import Shape
from gateway.serving import Call

URL = Shape(types=("string",), most=225, pattern="^[a-zA-Z0-9+.-]+:.+")
SHAPES = {
    "auth_url": URL,
    "sp_url": URL,
    "description": shapes.DESCRIPTION,
    "enabled": shapes.BOOLEAN,
    "relay_state_prefix": Shape(types=("string", "null"), most=256),
}
PREFIX = "ss:mem:"  # of a relay state, unless another is given


def view(call: Call, provider: ServiceProvider) -> dict[str, Any]:
    return {
        "auth_url": provider.auth_url,
        "id": provider.id,
        "enabled": provider.enabled,
        "description": provider.description,
        "relay_state_prefix": provider.relay_state_prefix,
        "sp_url": provider.sp_url,
        "links": {"self": f"{call.root}/v3/OS-FEDERATION/service_providers/{provider.id}"},
    }


def enabled(fold: Fold) -> list[dict[str, str]]:
    """Those that tokens tell of."""
    return [
        {"auth_url": provider.auth_url, "id": provider.id, "sp_url": provider.sp_url}
        for provider in fold.by(service_providers, "enabled", True)
    ]


async def create(call: Call, body: Any) -> dict[str, Any]:
    """A new service provider. Raises Invalid, Conflict."""
    given = shapes.inner(body, "service_provider")
    shapes.check("service_provider", given, SHAPES, required=("auth_url", "sp_url"), extra=False)
    made = ServiceProviderCreated(
        id=id_of(call),
        auth_url=given["auth_url"],
        sp_url=given["sp_url"],
        enabled=given.get("enabled", False),
        description=given.get("description"),
        relay_state_prefix=_prefix(given),
    )
    return {"service_provider": view(call, await call.do(service_providers, Make(id=made.id, made=made)))}


def _prefix(given: dict[str, Any]) -> str:
    prefix: str | None = given.get("relay_state_prefix")
    return PREFIX if prefix is None else prefix


async def listed(call: Call) -> dict[str, Any]:
    """The service providers that the query asks for."""
    found = filtered(call, call.fold.all(service_providers), {"id": lambda p: p.id, "enabled": lambda p: p.enabled})
    return collection(call, "service_providers", found, lambda provider: view(call, provider))


async def show(call: Call) -> dict[str, Any]:
    """One service provider. Raises NotFound."""
    id = call.path["id"]
    return {"service_provider": view(call, call.find(service_providers, id, missing("Service Provider", id)))}


async def change(call: Call, body: Any) -> dict[str, Any]:
    """Raises NotFound, Invalid."""
    given = shapes.inner(body, "service_provider")
    shapes.check("service_provider", given, SHAPES, least=1, extra=False)
    event = ServiceProviderChanged(
        auth_url=given.get("auth_url", UNSET),
        sp_url=given.get("sp_url", UNSET),
        enabled=given.get("enabled", UNSET),
        description=given.get("description", UNSET),
        relay_state_prefix=_prefix(given) if "relay_state_prefix" in given else UNSET,
    )
    return {"service_provider": view(call, await call.do(service_providers, Change(id=call.path["id"], to=event)))}


async def delete(call: Call) -> None:
    """Raises NotFound."""
    await call.do(service_providers, Delete(id=call.path["id"]))
