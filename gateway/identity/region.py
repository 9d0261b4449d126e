"""Regions over HTTP. Source: Identity API reference, "Regions"."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from events.identity import endpoint as endpoints
from events.identity import missing
from events.identity import region as regions
from events.identity import service as services
from events.identity.record import Change, Delete, Make
from events.identity.region import Region, RegionChanged, RegionCreated
from events.ids import new_hex
from events.refusals import Conflict, Forbidden, Invalid
from gateway.identity import cleaning, shapes
from gateway.identity.listing import asked, collection
from gateway.serving import Call

SHAPES = {
    "id": shapes.OPTIONAL_NAME,
    "description": shapes.DESCRIPTION,
    "parent_region_id": shapes.OPTIONAL_NAME,
}


def view(call: Call, region: Region) -> dict[str, Any]:
    return {
        "id": region.id,
        "description": region.description,
        "parent_region_id": region.parent,
        **region.extra,
        "links": {"self": f"{call.root}/v3/regions/{region.id}"},
    }


def _parent(call: Call, id: str | None, of: str) -> str | None:
    """Raises NotFound, and Invalid for a circle."""
    above = id
    while above is not None:
        region = call.fold.get(regions, above)
        if region is None:
            raise missing("region", above)
        if above == of:
            raise Invalid(f"A circle of parents begins at region {of}.")
        above = region.parent
    return id


async def create(call: Call, body: Any) -> dict[str, Any]:
    """A new region. Raises Invalid, Conflict."""
    given = shapes.inner(body, "region")
    extra = shapes.check("region", given, SHAPES)
    id = given.get("id") or call.path.get("id") or new_hex()
    if call.path.get("id") not in (None, id):
        raise Invalid(f"Conflicting region IDs specified: {call.path['id']} and {id}.")
    if call.fold.get(regions, id) is not None:
        raise Conflict(f"Conflict occurred attempting to store region - Duplicate ID, {id}..")
    parent = _parent(call, given.get("parent_region_id"), id)
    made = RegionCreated(id=id, description=given.get("description") or "", parent=parent, extra=extra)
    return {"region": view(call, await call.do(regions, Make(id=id, made=made)))}


async def listed(call: Call) -> dict[str, Any]:
    """All regions, or those within another. Raises Invalid."""
    for key in call.request.query_params:
        if key != "parent_region_id":  # a client that looks for a region by name is told that it cannot
            raise Invalid(f"Additional properties are not allowed ({key!r} was unexpected)")
    parent = asked(call, "parent_region_id")
    if parent == "":
        raise Invalid("Invalid input for field/attribute parent_region_id. Value: . '' should be non-empty")
    found = call.fold.all(regions) if parent is None else call.fold.by(regions, "parent", parent)
    return collection(call, "regions", found, lambda one: view(call, one))


def find(call: Call, name: str = "id") -> Region:
    """The region of the path. Raises NotFound."""
    return call.find(regions, call.path[name], missing("region", call.path[name]))


async def show(call: Call) -> dict[str, Any]:
    """One region. Raises NotFound."""
    return {"region": view(call, find(call))}


async def change(call: Call, body: Any) -> dict[str, Any]:
    """Raises NotFound, Invalid."""
    given = shapes.inner(body, "region")
    extra = shapes.check("region", given, SHAPES, least=1)
    region = find(call)
    parent = given.get("parent_region_id", UNSET)
    event = RegionChanged(
        description=(given["description"] or "") if "description" in given else UNSET,
        parent=parent if parent is UNSET else _parent(call, parent, region.id),
        extra={**region.extra, **extra} if extra else UNSET,
    )
    return {"region": view(call, await call.do(regions, Change(id=region.id, to=event)))}


async def delete(call: Call) -> None:
    """Raises NotFound, and Forbidden while endpoints are in it or in a region within it."""
    id = find(call).id
    inside = [id]
    for one in inside:  # grows while it is walked
        inside.extend(child.id for child in call.fold.by(regions, "parent", one))
        if call.fold.count(endpoints, "region", one):
            raise Forbidden(f"Unable to delete region {id} because it or its child regions have associated endpoints.")
    for one in reversed(inside):
        await call.do(regions, Delete(id=one))
        await cleaning.delete_policies_of(call, [service.id for service in call.fold.all(services)], [one])
