"""Services over HTTP. Source: Identity API reference, "Service catalog and endpoints"."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from events.identity import endpoint as endpoints
from events.identity import missing
from events.identity import region as regions
from events.identity import service as services
from events.identity.record import Change, Delete, Make
from events.identity.service import Service, ServiceChanged, ServiceCreated
from events.ids import new_hex
from gateway.identity import cleaning, shapes
from gateway.identity.listing import candidates, collection, filtered
from gateway.serving import Call

SHAPES = {
    "name": shapes.Shape(types=("string",), most=255),
    "type": shapes.Shape(types=("string",), least=1, most=255),
    "enabled": shapes.BOOLEAN,
}


def view(call: Call, service: Service) -> dict[str, Any]:
    return {
        "name": service.name or "",
        **service.extra,
        "id": service.id,
        "type": service.kind,
        "enabled": service.enabled,
        "links": {"self": f"{call.root}/v3/services/{service.id}"},
    }


async def create(call: Call, body: Any) -> dict[str, Any]:
    """A new service. Raises Invalid."""
    given = shapes.inner(body, "service")
    extra = shapes.check("service", given, SHAPES, required=("type",))
    made = ServiceCreated(
        id=new_hex(),
        kind=given["type"],
        name=given.get("name"),
        enabled=given.get("enabled", True),
        extra=_described(extra),
    )
    return {"service": view(call, await call.do(services, Make(id=made.id, made=made)))}


def _described(extra: dict[str, Any]) -> dict[str, Any]:
    shapes.check("service", extra, {"description": shapes.DESCRIPTION})
    return extra


async def listed(call: Call) -> dict[str, Any]:
    """The services that the query asks for."""
    found = candidates(call, services, {"type": "kind", "name": "name"})
    found = filtered(call, found, {"type": lambda s: s.kind, "name": lambda s: s.name, "enabled": lambda s: s.enabled})
    return collection(call, "services", found, lambda service: view(call, service))


def find(call: Call, name: str = "id") -> Service:
    """The service of the path. Raises NotFound."""
    return call.find(services, call.path[name], missing("service", call.path[name]))


async def show(call: Call) -> dict[str, Any]:
    """One service. Raises NotFound."""
    return {"service": view(call, find(call))}


async def change(call: Call, body: Any) -> dict[str, Any]:
    """Raises NotFound, Invalid."""
    given = shapes.inner(body, "service")
    extra = _described(shapes.check("service", given, SHAPES, least=1))
    service = find(call)
    event = ServiceChanged(
        kind=given.get("type", UNSET),
        name=given.get("name", UNSET),
        enabled=given.get("enabled", UNSET),
        extra={**service.extra, **extra} if extra else UNSET,
    )
    return {"service": view(call, await call.do(services, Change(id=service.id, to=event)))}


async def delete(call: Call) -> None:
    """Delete a service and its endpoints. Raises NotFound."""
    service = find(call)
    await call.do(services, Delete(id=service.id))
    for endpoint in call.fold.by(endpoints, "service", service.id):
        await cleaning.delete_endpoint(call, endpoint)
    await cleaning.delete_policies_of(call, [service.id], [None, *(region.id for region in call.fold.all(regions))])
