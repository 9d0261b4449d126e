"""Limits over HTTP: what one project or domain may have, where it differs from what is registered.

Source: Identity API reference, "Unified limits".
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from events.decider import Step
from events.identity import domain as domains
from events.identity import limit as limits
from events.identity import project as projects
from events.identity import registered_limit as registered
from events.identity.limit import Limit, LimitChanged, LimitCreated
from events.identity.record import Change, Delete, Make
from events.ids import new_hex
from events.refusals import Forbidden, NotFound
from gateway.identity import cleaning, limit_model, naming, registered_limit, shapes
from gateway.identity.listing import asked, collection, filtered, guard_filters
from gateway.identity.proof import expecting
from gateway.serving import Call

CHANGES = {"resource_limit": shapes.LIMIT, "description": shapes.DESCRIPTION}
SHAPES = {
    "service_id": shapes.UUID,
    "region_id": shapes.OPTIONAL_NAME,
    "resource_name": shapes.NAME,
    "project_id": shapes.OPTIONAL_KEY,
    "domain_id": shapes.OPTIONAL_KEY,
    **CHANGES,
}
REQUIRED = ("service_id", "resource_name", "resource_limit")
FILTERS = (*registered_limit.FILTERS, "project_id", "domain_id")
GETTERS = {
    **registered_limit.GETTERS,
    "project_id": lambda one: one.project_id,
    "domain_id": lambda one: one.domain_id,
}
TAKEN = "Conflict occurred attempting to store limit - Duplicate entry."


def view(call: Call, limit: Limit) -> dict[str, Any]:
    return {
        "id": limit.id,
        "project_id": limit.project_id,
        "domain_id": limit.domain_id,
        "resource_limit": limit.resource_limit,
        "description": limit.description,
        "service_id": limit.service,
        "region_id": limit.region,
        "resource_name": limit.resource_name,
        "links": {"self": f"{call.root}/v3/limits/{limit.id}"},
    }


def _guard_whose(number: int, given: dict[str, Any]) -> None:
    """Raises Invalid unless a body names one of project and domain."""
    named = [name for name in ("project_id", "domain_id") if name in given]
    if len(named) == 2:
        schemas = ", ".join(repr({"required": [*REQUIRED, name]}) for name in named)
        raise shapes.wrong(str(number), given, f"{shapes.shown(given)} is valid under each of {schemas}")
    if not named or given[named[0]] is None:
        raise shapes.wrong(str(number), given, f"{shapes.shown(given)} is not valid under any of the given schemas")


def _wish(call: Call, given: dict[str, Any]) -> LimitCreated:
    registered_limit.guard_place(call, given, "limit")
    project, domain = given.get("project_id"), given.get("domain_id")
    if project is not None and call.fold.get(domains, project) is not None:
        project, domain = None, project  # a domain is a project to those who ask so
    if project is not None and call.fold.get(projects, project) is None:
        raise expecting("project_id", "limit")
    if domain is not None and call.fold.get(domains, domain) is None:
        raise expecting("domain_id", "limit")
    return LimitCreated(
        id=new_hex(),
        service=given["service_id"],
        resource_name=given["resource_name"],
        resource_limit=given["resource_limit"],
        region=given.get("region_id"),
        project_id=project,
        domain_id=domain,
        description=given.get("description"),
    )


async def create(call: Call, body: Any) -> dict[str, Any]:
    """New limits, all or none. Raises Invalid, Conflict, Forbidden, Busy."""
    several = shapes.several(body, "limits", SHAPES, REQUIRED)
    for number, given in enumerate(several):
        _guard_whose(number, given)
    wishes = [_wish(call, given) for given in several]
    steps = []
    for wish in wishes:
        steps += [
            naming.taking(call, cleaning.limit_name(wish), wish.id, TAKEN),
            Step(limits, Make(id=wish.id, made=wish), Delete(id=wish.id)),
        ]
    async with limit_model.alone(call, map(limit_model.kind, wishes)):
        limit_model.guard(call, wishes)
        if not all(call.fold.count(registered, "what", "|".join(limit_model.kind(wish))) for wish in wishes):
            raise Forbidden("Unable to create a limit that has no corresponding registered limit.")
        made = (await call.do_all(steps))[1::2]
    return {"limits": [view(call, limit) for limit in made]}


def _target(call: Call, limit: Limit) -> dict[str, str]:
    """What rules are told of a limit."""
    if limit.project_id is None:
        return {"target.limit.domain.id": str(limit.of)}
    project = call.fold.get(projects, limit.project_id)
    home = {} if project is None else {"target.limit.project.domain_id": project.domain}
    return {**home, "target.limit.project_id": limit.project_id}


async def listed(call: Call) -> dict[str, Any]:
    """The limits that the caller may see and the query asks for. Raises Invalid."""
    guard_filters(call, SHAPES, FILTERS)
    whose = asked(call, "project_id") or asked(call, "domain_id")
    found = call.fold.all(limits) if whose is None else call.fold.by(limits, "of", whose)
    all_of_them = "service" in call.who.role_names or call.who.scope == "system"
    found = filtered(call, found, GETTERS)
    if not all_of_them:
        found = call.sees("identity:get_limit", found, lambda limit: _target(call, limit))
    return collection(call, "limits", found, lambda limit: view(call, limit))


def _find(call: Call) -> Limit:
    limit = call.fold.get(limits, call.path["id"])
    call.enforce({} if limit is None else _target(call, limit))
    if limit is None:
        raise NotFound(f"Could not find limit for {call.path['id']}.")
    return limit


async def show(call: Call) -> dict[str, Any]:
    """One limit. Raises NotFound, Forbidden."""
    return {"limit": view(call, _find(call))}


async def change(call: Call, body: Any) -> dict[str, Any]:
    """Raises NotFound, Invalid, Forbidden, Busy."""
    given = shapes.inner(body, "limit")
    shapes.check("limit", given, CHANGES, extra=False)
    limit = _find(call)
    event = LimitChanged(
        resource_limit=given.get("resource_limit", UNSET),
        description=given.get("description", UNSET),
    )
    async with limit_model.alone(call, [limit_model.kind(limit)]):
        if "resource_limit" in given:
            limit_model.guard(call, [replace(limit, resource_limit=given["resource_limit"])])
        return {"limit": view(call, await call.do(limits, Change(id=limit.id, to=event)))}


async def delete(call: Call) -> None:
    """Raises NotFound."""
    await cleaning.delete_limit(call, _find(call))


async def model(call: Call) -> dict[str, Any]:
    """How limits are enforced."""
    name = call.cloud.settings.identity.limit_enforcement_model
    return {"model": {"name": name, "description": limit_model.WORDS[name]}}
