"""Endpoint groups over HTTP. Source: Identity API reference, "OS-EP-FILTER"."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from events.identity import association as associations
from events.identity import endpoint_group as groups
from events.identity import missing
from events.identity.endpoint_group import EndpointGroup, EndpointGroupChanged, EndpointGroupMade
from events.identity.record import Change, Delete, Make
from events.ids import new_hex
from events.refusals import Invalid
from gateway.identity import cleaning, shapes
from gateway.identity.listing import collection, filtered
from gateway.identity.proof import expecting
from gateway.serving import Call

SHAPES = {"name": shapes.NAME, "description": shapes.DESCRIPTION, "filters": shapes.OBJECT}
FILTERS = {
    "interface": shapes.Shape(types=("string",), values=("admin", "internal", "public")),
    "service_id": shapes.Shape(types=("string",), most=255),
    "region_id": shapes.OPTIONAL_NAME,
}


def view(call: Call, group: EndpointGroup) -> dict[str, Any]:
    return {
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "filters": group.filters,
        "links": {"self": f"{call.root}/v3/OS-EP-FILTER/endpoint_groups/{group.id}"},
    }


def _check(given: dict[str, Any], *, required: tuple[str, ...] = ()) -> None:
    """Raises Invalid."""
    shapes.check("endpoint_group", given, SHAPES, required=required, extra=False)
    for name in given.get("filters", {}):
        if name not in FILTERS:
            raise expecting("service_id or region_id or interface", "endpoint_group")
    shapes.check("filters", given.get("filters", {}), FILTERS)


async def create(call: Call, body: Any) -> dict[str, Any]:
    """A new endpoint group. Raises Invalid."""
    given = shapes.inner(body, "endpoint_group")
    _check(given, required=("name", "filters"))
    if not given["filters"]:
        raise Invalid("filters field is required and cannot be empty")
    description = given.get("description")
    made = EndpointGroupMade(id=new_hex(), name=given["name"], description=description, filters=given["filters"])
    return {"endpoint_group": view(call, await call.do(groups, Make(id=made.id, made=made)))}


async def listed(call: Call) -> dict[str, Any]:
    """The endpoint groups that the query asks for."""
    found = filtered(call, call.fold.all(groups), {"name": lambda group: group.name})
    return collection(call, "endpoint_groups", found, lambda group: view(call, group))


def find(call: Call) -> EndpointGroup:
    """The endpoint group of the path. Raises NotFound."""
    id = call.path["id"]
    return call.find(groups, id, missing("Endpoint Group", id))


async def show(call: Call) -> dict[str, Any]:
    """One endpoint group. Raises NotFound."""
    return {"endpoint_group": view(call, find(call))}


async def change(call: Call, body: Any) -> dict[str, Any]:
    """Raises NotFound, Invalid."""
    given = shapes.inner(body, "endpoint_group")
    _check(given)
    group = find(call)
    event = EndpointGroupChanged(
        name=given.get("name", UNSET),
        description=given.get("description", UNSET),
        filters=given.get("filters", UNSET),
    )
    return {"endpoint_group": view(call, await call.do(groups, Change(id=group.id, to=event)))}


async def delete(call: Call) -> None:
    """Raises NotFound."""
    group = find(call)
    await call.do(groups, Delete(id=group.id))
    await cleaning.dissociate(call, call.fold.by(associations, "into", f"endpoint_group:{group.id}"))
