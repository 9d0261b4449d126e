"""Endpoints over HTTP. Source: Identity API reference, "Service catalog and endpoints"."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from events.identity import endpoint as endpoints
from events.identity import missing
from events.identity import region as regions
from events.identity import service as services
from events.identity.endpoint import Endpoint, EndpointChanged, EndpointCreated
from events.identity.record import Change, Make
from events.identity.region import RegionCreated
from events.ids import new_hex
from gateway.identity import cleaning, shapes
from gateway.identity.catalog import absolute
from gateway.identity.listing import candidates, collection, filtered
from gateway.identity.proof import expecting
from gateway.serving import Call

SHAPES = {
    "service_id": shapes.Shape(types=("string",), most=255),
    "interface": shapes.Shape(types=("string",), values=("admin", "internal", "public")),
    "url": shapes.Shape(types=("string",), most=225, pattern=r"^[a-zA-Z0-9+.-]+:.+"),
    "region_id": shapes.OPTIONAL_NAME,
    "region": shapes.OPTIONAL_NAME,
    "enabled": shapes.BOOLEAN,
}


def view(call: Call, endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "interface": endpoint.interface,
        "region_id": endpoint.region,
        "service_id": endpoint.service,
        **endpoint.extra,
        "url": absolute(call.base, endpoint.url),
        "enabled": endpoint.enabled,
        "region": endpoint.region,
        "links": {"self": f"{call.root}/v3/endpoints/{endpoint.id}"},
    }


def _service(call: Call, id: str) -> str:
    if call.fold.get(services, id) is None:
        raise expecting("endpoint service_id", "service table")
    return id


async def _region(call: Call, given: dict[str, Any]) -> str | None:
    """The region that a body names; by the older `region` one that is not there yet is made. Raises Invalid."""
    id: str | None = given.get("region_id")
    if id is not None:
        if call.fold.get(regions, id) is None:
            raise expecting("endpoint region_id", "region table")
        return id
    older: str | None = given.get("region")
    if older and call.fold.get(regions, older) is None:
        await call.do(regions, Make(id=older, made=RegionCreated(id=older)))
    return older or None


async def create(call: Call, body: Any) -> dict[str, Any]:
    """A new endpoint. Raises Invalid."""
    given = shapes.inner(body, "endpoint")
    extra = shapes.check("endpoint", given, SHAPES, required=("interface", "service_id", "url"))
    made = EndpointCreated(
        id=new_hex(),
        service=_service(call, given["service_id"]),
        interface=given["interface"],
        url=given["url"],
        region=await _region(call, given),
        enabled=given.get("enabled", True),
        extra=extra,
    )
    return {"endpoint": view(call, await call.do(endpoints, Make(id=made.id, made=made)))}


async def listed(call: Call) -> dict[str, Any]:
    """The endpoints that the query asks for."""
    found = candidates(call, endpoints, {"service_id": "service", "region_id": "region"})
    getters = {
        "service_id": lambda e: e.service,
        "region_id": lambda e: e.region,
        "interface": lambda e: e.interface,
        "enabled": lambda e: e.enabled,
    }
    return collection(call, "endpoints", filtered(call, found, getters), lambda endpoint: view(call, endpoint))


def find(call: Call, name: str = "id") -> Endpoint:
    """The endpoint of the path. Raises NotFound."""
    return call.find(endpoints, call.path[name], missing("endpoint", call.path[name]))


async def show(call: Call) -> dict[str, Any]:
    """One endpoint. Raises NotFound."""
    return {"endpoint": view(call, find(call))}


async def change(call: Call, body: Any) -> dict[str, Any]:
    """Raises NotFound, Invalid."""
    given = shapes.inner(body, "endpoint")
    extra = shapes.check("endpoint", given, SHAPES, least=1)
    endpoint = find(call)
    moved = "region_id" in given or "region" in given
    event = EndpointChanged(
        service=_service(call, given["service_id"]) if "service_id" in given else UNSET,
        interface=given.get("interface", UNSET),
        url=given.get("url", UNSET),
        region=await _region(call, given) if moved else UNSET,
        enabled=given.get("enabled", UNSET),
        extra={**endpoint.extra, **extra} if extra else UNSET,
    )
    return {"endpoint": view(call, await call.do(endpoints, Change(id=endpoint.id, to=event)))}


async def delete(call: Call) -> None:
    """Raises NotFound."""
    await cleaning.delete_endpoint(call, find(call))
