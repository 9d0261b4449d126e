"""Unified limits over HTTP, those registered and those of projects and domains.

Source: Identity API reference, "Unified limits".
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from events.decider import Step
from events.identity import domain as domains
from events.identity import limit as limits
from events.identity import project as projects
from events.identity import region as regions
from events.identity import registered_limit as registered
from events.identity import service as services
from events.identity.limit import ChangeLimit, CreateLimit, DeleteLimit, Limit
from events.identity.registered_limit import (
    ChangeRegisteredLimit,
    DeleteRegisteredLimit,
    RegisteredLimit,
    RegisterLimit,
)
from events.ids import new_hex
from events.refusals import Forbidden, Invalid, NotFound
from gateway.identity import cleaning, naming, shapes
from gateway.identity.listing import asked, collection, filtered
from gateway.identity.personas import allow, sees_all
from gateway.identity.proof import expecting
from gateway.serving import Call

MOST = 100  # limits in one request

_UUID = shapes.Shape(types=("string",), most=64, pattern=r"^[0-9a-fA-F-]{32,36}$")
_NUMBER = shapes.Shape(types=("integer",))
_REGISTERED = {
    "service_id": _UUID,
    "region_id": shapes.OPTIONAL_NAME,
    "resource_name": shapes.NAME,
    "default_limit": _NUMBER,
    "description": shapes.DESCRIPTION,
}
_LIMIT = {
    "service_id": _UUID,
    "region_id": shapes.OPTIONAL_NAME,
    "resource_name": shapes.NAME,
    "resource_limit": _NUMBER,
    "project_id": shapes.OPTIONAL_ID,
    "domain_id": shapes.OPTIONAL_ID,
    "description": shapes.DESCRIPTION,
}
_CHANGES = {"resource_limit": _NUMBER, "description": shapes.DESCRIPTION}


def _taken(kind: str) -> str:
    return f"Conflict occurred attempting to store {kind} - Duplicate entry."


def _several(body: Any, name: str, shape: dict[str, shapes.Shape], required: tuple[str, ...]) -> list[dict[str, Any]]:
    """What a body that wraps a list holds. Raises Invalid."""
    if not isinstance(body, dict):
        raise Invalid("It is no object.", kind="malformed")
    shapes.check(name, body, {name: shapes.Shape(types=("array",), least=1, most=MOST)}, required=(name,), extra=False)
    for number, one in enumerate(body[name]):
        if not isinstance(one, dict):
            raise shapes.wrong(str(number), one, f"{shapes.shown(one)} is not of type 'object'")
        shapes.check(str(number), one, shape, required=required, extra=False)
    return list(body[name])


def _size(number: int) -> int:
    if not -1 <= number <= 0x7FFFFFFF:
        raise shapes.wrong("limit", number, f"{number} is not between -1 and {0x7FFFFFFF}")
    return number


def _guard_place(call: Call, given: dict[str, Any], kind: str) -> None:
    if "service_id" in given and call.fold.get(services, given["service_id"]) is None:
        raise expecting("service_id", kind)
    if given.get("region_id") is not None and call.fold.get(regions, given["region_id"]) is None:
        raise expecting("region_id", kind)


# Registered limits


def registered_view(call: Call, limit: RegisteredLimit) -> dict[str, Any]:
    return {
        "id": limit.id,
        "service_id": limit.service,
        "region_id": limit.region,
        "resource_name": limit.resource_name,
        "default_limit": limit.default_limit,
        "description": limit.description,
        "links": {"self": f"{call.root}/v3/registered_limits/{limit.id}"},
    }


async def register(call: Call, body: Any) -> dict[str, Any]:
    """New registered limits, all or none. Raises Invalid, Conflict."""
    steps = []
    for given in _several(body, "registered_limits", _REGISTERED, ("service_id", "resource_name", "default_limit")):
        _guard_place(call, given, "registered_limit")
        wish = RegisterLimit(
            id=new_hex(),
            service=given["service_id"],
            resource_name=given["resource_name"],
            default_limit=_size(given["default_limit"]),
            region=given.get("region_id"),
            description=given.get("description"),
        )
        key = ("registered_limit", wish.service, wish.region or "", wish.resource_name)
        steps += [
            naming.taking(call, key, wish.id, _taken("registered_limit")),
            Step(registered, wish, DeleteRegisteredLimit(id=wish.id)),
        ]
    made = (await call.do_all(steps))[1::2]
    return {"registered_limits": [registered_view(call, limit) for limit in made]}


async def list_registered(call: Call) -> dict[str, Any]:
    """The registered limits that the query asks for."""
    getters = {
        "service_id": lambda one: one.service,
        "region_id": lambda one: one.region,
        "resource_name": lambda one: one.resource_name,
    }
    found = filtered(call, call.fold.all(registered), getters)
    return collection(call, "registered_limits", found, lambda limit: registered_view(call, limit))


def _find_registered(call: Call) -> RegisteredLimit:
    id = call.path["id"]
    return call.find(registered, id, NotFound(f"Could not find registered limit for {id}."))


async def show_registered(call: Call) -> dict[str, Any]:
    """One registered limit. Raises NotFound."""
    return {"registered_limit": registered_view(call, _find_registered(call))}


def _guard_use(call: Call, limit: RegisteredLimit) -> None:
    if call.fold.count(limits, "what", limit.what):
        raise Forbidden(
            f"Unable to update or delete registered limit {limit.id} because there are project limits associated "
            "with it."
        )


async def change_registered(call: Call, body: Any) -> dict[str, Any]:
    """Raises NotFound, Invalid, Conflict, and Forbidden while limits differ from it."""
    given = shapes.inner(body, "registered_limit")
    shapes.check("registered_limit", given, _REGISTERED, extra=False)
    limit = _find_registered(call)
    _guard_use(call, limit)
    _guard_place(call, given, "registered_limit")
    wish = ChangeRegisteredLimit(
        id=limit.id,
        service=given.get("service_id", limit.service),
        resource_name=given.get("resource_name", limit.resource_name),
        default_limit=_size(given.get("default_limit", limit.default_limit)),
        region=given.get("region_id", limit.region),
        description=given.get("description", UNSET),
    )
    new = ("registered_limit", str(wish.service), str(wish.region or ""), str(wish.resource_name))
    state = await naming.change(call, registered, wish, _registered_name(limit), new, _taken("registered_limit"))
    return {"registered_limit": registered_view(call, state)}


def _registered_name(limit: RegisteredLimit) -> tuple[str, ...]:
    return ("registered_limit", limit.service, limit.region or "", limit.resource_name)


async def delete_registered(call: Call) -> None:
    """Raises NotFound, and Forbidden while limits differ from it."""
    limit = _find_registered(call)
    _guard_use(call, limit)
    await call.do(registered, DeleteRegisteredLimit(id=limit.id))
    await naming.release(call, _registered_name(limit), limit.id)


# Limits


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


def _wish(call: Call, number: int, given: dict[str, Any]) -> CreateLimit:
    project, domain = given.get("project_id"), given.get("domain_id")
    if (project is None) == (domain is None):
        raise shapes.wrong(str(number), given, f"{shapes.shown(given)} is not valid under any of the given schemas")
    _guard_place(call, given, "limit")
    if project is not None and call.fold.get(projects, project) is None:
        raise expecting("project_id", "limit")
    if domain is not None and call.fold.get(domains, domain) is None:
        raise expecting("domain_id", "limit")
    wish = CreateLimit(
        id=new_hex(),
        service=given["service_id"],
        resource_name=given["resource_name"],
        resource_limit=_size(given["resource_limit"]),
        region=given.get("region_id"),
        project_id=project,
        domain_id=domain,
        description=given.get("description"),
    )
    if not call.fold.count(registered, "what", f"{wish.service}|{wish.region or ''}|{wish.resource_name}"):
        raise Forbidden("Unable to create a limit that has no corresponding registered limit.")
    return wish


async def create(call: Call, body: Any) -> dict[str, Any]:
    """New limits, all or none. Raises Invalid, Conflict, Forbidden."""
    several = _several(body, "limits", _LIMIT, ("service_id", "resource_name", "resource_limit"))
    steps = []
    for number, given in enumerate(several):
        wish = _wish(call, number, given)
        steps += [
            naming.taking(call, cleaning.limit_name(wish), wish.id, _taken("limit")),
            Step(limits, wish, DeleteLimit(id=wish.id)),
        ]
    made = (await call.do_all(steps))[1::2]
    return {"limits": [view(call, limit) for limit in made]}


def _may_see(call: Call, limit: Limit) -> bool:
    who = call.who
    if sees_all(who) or limit.of in (who.project, who.domain):
        return True
    project = call.fold.get(projects, limit.project_id or "")
    return who.domain is not None and project is not None and project.domain == who.domain


async def listed(call: Call) -> dict[str, Any]:
    """The limits that the caller may see and the query asks for."""
    whose = asked(call, "project_id") or asked(call, "domain_id")
    found = call.fold.all(limits) if whose is None else call.fold.by(limits, "of", whose)
    getters = {
        "service_id": lambda one: one.service,
        "region_id": lambda one: one.region,
        "resource_name": lambda one: one.resource_name,
        "project_id": lambda one: one.project_id,
        "domain_id": lambda one: one.domain_id,
    }
    found = [limit for limit in filtered(call, found, getters) if _may_see(call, limit)]
    return collection(call, "limits", found, lambda limit: view(call, limit))


def _find(call: Call) -> Limit:
    limit = call.fold.get(limits, call.path["id"])
    allow(sees_all(call.who) or (limit is not None and _may_see(call, limit)), "get_limit")
    if limit is None:
        raise NotFound(f"Could not find limit for {call.path['id']}.")
    return limit


async def show(call: Call) -> dict[str, Any]:
    """One limit. Raises NotFound, Forbidden."""
    return {"limit": view(call, _find(call))}


async def change(call: Call, body: Any) -> dict[str, Any]:
    """Raises NotFound, Invalid."""
    given = shapes.inner(body, "limit")
    shapes.check("limit", given, _CHANGES, extra=False)
    limit = _find(call)
    size = _size(given["resource_limit"]) if "resource_limit" in given else UNSET
    wish = ChangeLimit(id=limit.id, resource_limit=size, description=given.get("description", UNSET))
    return {"limit": view(call, await call.do(limits, wish))}


async def delete(call: Call) -> None:
    """Raises NotFound."""
    await cleaning.delete_limit(call, _find(call))


async def model(call: Call) -> dict[str, Any]:
    """How limits are enforced: each on its own."""
    words = "Limit enforcement and validation does not take project hierarchy into consideration."
    return {"model": {"name": "flat", "description": words}}
