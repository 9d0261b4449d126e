"""Registered limits over HTTP: what a project may have of a resource of a service if nothing else is said.

Source: Identity API reference, "Unified limits".
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from events.decider import Step
from events.identity import limit as limits
from events.identity import region as regions
from events.identity import registered_limit as registered
from events.identity import service as services
from events.identity.record import Change, Delete, Make
from events.identity.registered_limit import LimitRegistered, RegisteredLimit, RegisteredLimitChanged
from events.ids import new_hex
from events.refusals import Forbidden, NotFound
from gateway.identity import limit_model, naming, shapes
from gateway.identity.listing import collection, filtered, guard_filters
from gateway.identity.proof import expecting
from gateway.serving import Call

SHAPES = {
    "service_id": shapes.UUID,
    "region_id": shapes.OPTIONAL_NAME,
    "resource_name": shapes.NAME,
    "default_limit": shapes.LIMIT,
    "description": shapes.DESCRIPTION,
}
FILTERS = ("service_id", "region_id", "resource_name")
GETTERS = {
    "service_id": lambda one: one.service,
    "region_id": lambda one: one.region,
    "resource_name": lambda one: one.resource_name,
}
TAKEN = "Conflict occurred attempting to store registered_limit - Duplicate entry."

Name = tuple[str, ...]


def view(call: Call, limit: RegisteredLimit) -> dict[str, Any]:
    return {
        "id": limit.id,
        "service_id": limit.service,
        "region_id": limit.region,
        "resource_name": limit.resource_name,
        "default_limit": limit.default_limit,
        "description": limit.description,
        "links": {"self": f"{call.root}/v3/registered_limits/{limit.id}"},
    }


def guard_place(call: Call, given: dict[str, Any], kind: str) -> None:
    """Raises Invalid for a service or a region that there is not."""
    if "service_id" in given and call.fold.get(services, given["service_id"]) is None:
        raise expecting("service_id", kind)
    if given.get("region_id") is not None and call.fold.get(regions, given["region_id"]) is None:
        raise expecting("region_id", kind)


def _name(limit: RegisteredLimit | LimitRegistered) -> Name:
    return ("registered_limit", limit.service, limit.region or "", limit.resource_name)


async def create(call: Call, body: Any) -> dict[str, Any]:
    """New registered limits, all or none. Raises Invalid, Conflict."""
    steps = []
    required = ("service_id", "resource_name", "default_limit")
    for given in shapes.several(body, "registered_limits", SHAPES, required):
        guard_place(call, given, "registered_limit")
        made = LimitRegistered(
            id=new_hex(),
            service=given["service_id"],
            resource_name=given["resource_name"],
            default_limit=given["default_limit"],
            region=given.get("region_id"),
            description=given.get("description"),
        )
        steps += [
            naming.taking(call, _name(made), made.id, TAKEN),
            Step(registered, Make(id=made.id, made=made), Delete(id=made.id)),
        ]
    limits = (await call.do_all(steps))[1::2]
    return {"registered_limits": [view(call, limit) for limit in limits]}


async def listed(call: Call) -> dict[str, Any]:
    """The registered limits that the query asks for. Raises Invalid."""
    guard_filters(call, SHAPES, FILTERS)
    found = filtered(call, call.fold.all(registered), GETTERS)
    return collection(call, "registered_limits", found, lambda limit: view(call, limit))


def _find(call: Call) -> RegisteredLimit:
    id = call.path["id"]
    return call.find(registered, id, NotFound(f"Could not find registered limit for {id}."))


async def show(call: Call) -> dict[str, Any]:
    """One registered limit. Raises NotFound."""
    return {"registered_limit": view(call, _find(call))}


def _guard_use(call: Call, limit: RegisteredLimit) -> None:
    if call.fold.count(limits, "what", limit.what):
        raise Forbidden(
            f"Unable to update or delete registered limit {limit.id} because there are project limits associated "
            "with it."
        )


async def change(call: Call, body: Any) -> dict[str, Any]:
    """Raises NotFound, Invalid, Conflict, Busy, and Forbidden while limits differ from it."""
    given = shapes.inner(body, "registered_limit")
    shapes.check("registered_limit", given, SHAPES, extra=False)
    limit = _find(call)
    guard_place(call, given, "registered_limit")
    event = RegisteredLimitChanged(
        service=given.get("service_id", limit.service),
        resource_name=given.get("resource_name", limit.resource_name),
        default_limit=given.get("default_limit", limit.default_limit),
        region=given.get("region_id", limit.region),
        description=given.get("description", UNSET),
    )
    wish = Change(id=limit.id, to=event)
    new = ("registered_limit", str(event.service), str(event.region or ""), str(event.resource_name))
    async with limit_model.alone(call, [limit_model.kind(limit)]):
        _guard_use(call, limit)
        state = await naming.change(call, registered, wish, _name(limit), new, TAKEN)
    return {"registered_limit": view(call, state)}


async def delete(call: Call) -> None:
    """Raises NotFound, Busy, and Forbidden while limits differ from it."""
    limit = _find(call)
    async with limit_model.alone(call, [limit_model.kind(limit)]):
        limit = _find(call)
        _guard_use(call, limit)
        await call.do(registered, Delete(id=limit.id))
        await naming.release(call, _name(limit), limit.id)
