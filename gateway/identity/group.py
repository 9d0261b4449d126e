"""Groups over HTTP. Source: Identity API reference, "Groups"."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from events.identity import domain as domains
from events.identity import group as groups
from events.identity import membership as memberships
from events.identity import missing
from events.identity import user as users
from events.identity.group import Group, GroupChanged, GroupCreated
from events.identity.membership import Join, Leave
from events.identity.record import Change, Make
from events.ids import new_hex
from events.refusals import Invalid, NotFound
from gateway.identity import cleaning, grants, naming, project, shapes, targets
from gateway.identity.listing import candidates, collection, filtered
from gateway.identity.targets import domain_of, target
from gateway.serving import Call

SHAPES = {"name": shapes.PROJECT_NAME, "domain_id": shapes.OPTIONAL_ID, "description": shapes.DESCRIPTION}


def taken(name: str) -> str:
    return f"Conflict occurred attempting to store group - Duplicate entry found with name {name}."


def view(call: Call, group: Group) -> dict[str, Any]:
    return {
        "id": group.id,
        "name": group.name,
        "domain_id": group.domain,
        "description": group.description,
        **group.extra,
        "links": {"self": f"{call.root}/v3/groups/{group.id}"},
    }


async def create(call: Call, body: Any) -> dict[str, Any]:
    """A new group. Raises Invalid, Conflict, Forbidden."""
    given = shapes.inner(body, "group")
    extra = shapes.check("group", given, SHAPES, required=("name",))
    domain = given.get("domain_id") or project.home(call)
    call.enforce(target(domain))
    if call.fold.get(domains, domain) is None:
        raise missing("domain", domain)
    description = given.get("description") or ""
    made = GroupCreated(id=new_hex(), name=given["name"], domain=domain, description=description, extra=extra)
    wish, key = Make(id=made.id, made=made), ("group", domain, made.name)
    return {"group": view(call, await naming.create(call, groups, wish, key, taken(made.name)))}


async def listed(call: Call) -> dict[str, Any]:
    """The groups that the caller may see and the query asks for."""
    reach = domain_of(call)
    found = candidates(call, groups, {"name": "name", "domain_id": "domain"})
    if reach is not None:
        found = [group for group in found if group.domain == reach]
    found = filtered(call, found, {"name": lambda g: g.name, "domain_id": lambda g: g.domain})
    return collection(call, "groups", found, lambda group: view(call, group))


def _find(call: Call) -> Group:
    """The group of the path, if the caller may see or change it. Raises NotFound, Forbidden."""
    id = call.path["id"]
    return targets.seen(call, "group", id, call.fold.get(groups, id))


async def show(call: Call) -> dict[str, Any]:
    """One group. Raises NotFound, Forbidden."""
    return {"group": view(call, _find(call))}


async def change(call: Call, body: Any) -> dict[str, Any]:
    """Raises NotFound, Invalid, Conflict, Forbidden."""
    given = shapes.inner(body, "group")
    extra = shapes.check("group", given, SHAPES, least=1)
    group = _find(call)
    if given.get("domain_id", group.domain) != group.domain:
        raise Invalid("Update of `domain_id` is not allowed.")
    name = given.get("name", group.name)
    event = GroupChanged(
        name=name,
        description=(given["description"] or "") if "description" in given else UNSET,
        extra={**group.extra, **extra} if extra else UNSET,
    )
    wish = Change(id=group.id, to=event)
    old, new = ("group", group.domain, group.name), ("group", group.domain, name)
    return {"group": view(call, await naming.change(call, groups, wish, old, new, taken(name)))}


async def delete(call: Call) -> None:
    """Raises NotFound, Forbidden."""
    await cleaning.delete_group(call, _find(call))


# Members


def _member(call: Call) -> tuple[str, str]:
    """The group and the user of the path. Raises NotFound, Forbidden."""
    group, user = _find(call), call.path["user_id"]
    return group.id, targets.seen(call, "user", user, call.fold.get(users, user)).id


async def add_member(call: Call) -> None:
    """Raises NotFound, Forbidden."""
    await call.do(memberships, Join(id=_member(call)))


async def check_member(call: Call) -> None:
    """Raises NotFound unless the user is in the group."""
    group, user = _member(call)
    lasting = grants.lasting(call.fold, user, call.cloud.clock.now())
    if call.fold.get(memberships, (group, user)) is None and group not in [one.group for one in lasting]:
        raise NotFound(f"User '{user}' not found in group '{group}'.")


async def remove_member(call: Call) -> None:
    """Raises NotFound, Forbidden."""
    key = _member(call)
    await call.do(memberships, Leave(id=key))
    await cleaning.void_tokens(call, key[1])
