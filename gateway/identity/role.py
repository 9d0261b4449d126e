"""Roles and what they imply, over HTTP. Source: Identity API reference, "Roles", "Role inferences"."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from events.identity import domain as domains
from events.identity import missing
from events.identity import role as roles
from events.identity.record import Change, Make
from events.identity.role import ImplyRole, Role, RoleChanged, RoleCreated, StopImplyingRole
from events.ids import new_hex
from events.refusals import Conflict, Forbidden, Invalid, NotFound
from gateway.identity import cleaning, grants, naming, shapes
from gateway.identity.listing import asked, candidates, collection, filtered
from gateway.serving import Answer, Call

SHAPES = {
    "name": shapes.NAME,
    "domain_id": shapes.OPTIONAL_ID,
    "description": shapes.DESCRIPTION,
    "options": shapes.OPTIONS,
}


def taken(name: str) -> str:
    return f"Conflict occurred attempting to store role - Duplicate entry found with name {name}."


def plain(role: Role) -> dict[str, Any]:
    """A role as others show it."""
    return {
        "id": role.id,
        "name": role.name,
        "domain_id": role.domain,
        "description": role.description,
        "options": role.options,
    }


def view(call: Call, role: Role) -> dict[str, Any]:
    return {**plain(role), **role.extra, "links": {"self": f"{call.root}/v3/roles/{role.id}"}}


async def create(call: Call, body: Any) -> dict[str, Any]:
    """A new role. Raises Invalid, Conflict."""
    given = shapes.inner(body, "role")
    extra = shapes.check("role", given, SHAPES, required=("name",))
    domain = given.get("domain_id")
    _ask(call, given["name"], domain)
    if domain is not None and call.fold.get(domains, domain) is None:
        raise missing("domain", domain)
    made = RoleCreated(
        id=new_hex(),
        name=given["name"],
        domain=domain,
        description=given.get("description"),
        options=shapes.merged({}, given.get("options", {})),
        extra=extra,
    )
    wish, key = Make(id=made.id, made=made), ("role", domain or "", made.name)
    return {"role": view(call, await naming.create(call, roles, wish, key, taken(made.name)))}


def _ask(call: Call, name: str | None, domain: str | None) -> None:
    """Roles of a domain have rules of their own. Raises Forbidden."""
    target = {"target.role.domain_id": domain}
    if name is not None:
        target["target.role.name"] = name
    call.enforce(target, call.operation.replace("_role", "_domain_role", 1) if domain is not None else None)


async def listed(call: Call) -> dict[str, Any]:
    """The roles that the query asks for: of a domain if it names one, else those of none."""
    domain = asked(call, "domain_id")
    _ask(call, None, domain)
    found = [role for role in candidates(call, roles, {"name": "name"}) if role.domain == domain]
    return collection(call, "roles", filtered(call, found, {"name": lambda r: r.name}), lambda role: view(call, role))


def _find(call: Call, name: str = "id") -> Role:
    return call.find(roles, call.path[name], missing("role", call.path[name]))


def _asked(call: Call) -> Role:
    """The role of the path. Raises NotFound, Forbidden."""
    role = _find(call)
    _ask(call, role.name, role.domain)
    return role


async def show(call: Call) -> dict[str, Any]:
    """One role. Raises NotFound, Forbidden."""
    role = _asked(call)
    return {"role": view(call, role)}


async def change(call: Call, body: Any) -> dict[str, Any]:
    """Raises NotFound, Invalid, Conflict, Forbidden."""
    given = shapes.inner(body, "role")
    extra = shapes.check("role", given, SHAPES, least=1)
    role = _asked(call)
    if given.get("domain_id", role.domain) != role.domain:
        raise Invalid("Update of `domain_id` is not allowed.")
    name = given.get("name", role.name)
    event = RoleChanged(
        name=name,
        description=given.get("description", UNSET),
        options=shapes.merged(role.options, given["options"]) if "options" in given else UNSET,
        extra={**role.extra, **extra} if extra else UNSET,
    )
    wish = Change(id=role.id, to=event)
    old, new = ("role", role.domain or "", role.name), ("role", role.domain or "", name)
    return {"role": view(call, await naming.change(call, roles, wish, old, new, taken(name)))}


async def delete(call: Call) -> None:
    """Delete a role and all assignments of it. Raises NotFound, Forbidden."""
    await cleaning.delete_role(call, _asked(call))


# Inferences


def _short(call: Call, role: Role) -> dict[str, Any]:
    return {"id": role.id, "links": {"self": f"{call.root}/v3/roles/{role.id}"}, "name": role.name}


def _implied(call: Call, role: Role) -> list[Role]:
    return [found for id in role.implies if (found := call.fold.get(roles, id)) is not None]


def _inference(call: Call, prior: Role, implied: Role) -> dict[str, Any]:
    return {
        "role_inference": {"prior_role": _short(call, prior), "implies": _short(call, implied)},
        "links": {"self": f"{call.root}/v3/roles/{prior.id}/implies/{implied.id}"},
    }


async def list_implied(call: Call) -> dict[str, Any]:
    """What a role implies. Raises NotFound."""
    role = _find(call)
    implied = [_short(call, other) for other in _implied(call, role)]
    return {
        "role_inference": {"prior_role": _short(call, role), "implies": implied},
        "links": {"self": f"{call.root}/v3/roles/{role.id}/implies"},
    }


async def list_inferences(call: Call) -> dict[str, Any]:
    """What any role implies."""
    found = [
        {"prior_role": _short(call, role), "implies": [_short(call, other) for other in _implied(call, role)]}
        for role in call.fold.all(roles)
        if role.implies
    ]
    return {"role_inferences": found}


async def imply(call: Call) -> Answer:
    """Raises NotFound, Conflict, and Forbidden if the other implies this one, or is `admin`."""
    prior, implied = _find(call), _find(call, "implied")
    if implied.name == "admin" or prior.id in grants.expand(call.fold, [implied.id]):
        raise Forbidden(f"{implied.id} cannot be an implied roles.")
    if implied.id in prior.implies:
        raise Conflict("Conflict occurred attempting to store implied_role - Duplicate entry.")
    await call.do(roles, ImplyRole(id=prior.id, role=implied.id))
    return Answer(status=201, body=_inference(call, prior, implied))


async def show_implied(call: Call) -> dict[str, Any]:
    """Raises NotFound unless the one implies the other."""
    prior, implied = _find(call), _find(call, "implied")
    if implied.id not in prior.implies:
        raise NotFound(f"{prior.id} does not imply {implied.id}.")
    return _inference(call, prior, implied)


async def check_implied(call: Call) -> Answer:
    """Raises NotFound unless the one implies the other."""
    await show_implied(call)
    return Answer(status=204)


async def stop_implying(call: Call) -> None:
    """Raises NotFound."""
    prior, implied = _find(call), _find(call, "implied")
    await call.do(roles, StopImplyingRole(id=prior.id, role=implied.id))
