"""Quotas over HTTP. Source: Networking API reference, "Quotas extension", "Quotas details extension"."""

from __future__ import annotations

from typing import Any

from events.network import quota
from events.network.quota import DEFAULTS, ResetLimits, SetLimits, limit_of
from events.refusals import Invalid, NotFound
from events.room import Room
from gateway.network.attributes import boolean, integer
from gateway.network.documents import Document, Resource, item, no_body
from gateway.serving import Call

FLAGS = ("force", "check_limit")
MOST = 2_147_483_647

QUOTA = Resource(
    name="quota",
    plural="quotas",
    module=quota,
    attributes={},
    not_found=lambda id: NotFound(f"Quota for project {id} could not be found.", kind="TenantQuotaNotFound"),
    may_see=lambda call, room: call.is_admin,
    target=lambda call, room: target(room.id),
    visible=lambda call: (),
)


def _limits(room: Room | None) -> Document:
    return {kind: limit_of(room, kind) for kind in DEFAULTS}


def _project(call: Call) -> str:
    """The project of the path, if the caller may see its quota. Raises Forbidden."""
    id = call.path["id"].removesuffix(".json")
    call.enforce(target(id))
    return id


def target(project: str) -> dict[str, str]:
    return {"project_id": project, "tenant_id": project}


async def show(call: Call) -> Document:
    """How much of everything a project may have."""
    return {"quota": _limits(call.fold.get(quota, _project(call)))}


async def default(call: Call) -> Document:
    """How much it may have if nobody says otherwise."""
    _project(call)
    return {"quota": dict(DEFAULTS)}


async def details(call: Call) -> Document:
    """How much it may have, and has."""
    room = call.fold.get(quota, _project(call))
    used = room.used if room else {}
    return {
        "quota": {
            kind: {"limit": limit, "used": used.get(kind, 0), "reserved": 0} for kind, limit in _limits(room).items()
        }
    }


async def own(call: Call) -> Document:
    """Whose quota the caller would see."""
    return {"tenant": {"tenant_id": call.project}}


async def show_all(call: Call) -> Document:
    """The quotas that are not the default."""
    call.enforce({})
    rooms = [room for room in call.fold.all(quota) if room.limits]
    return {"quotas": [{**_limits(room), "project_id": room.id, "tenant_id": room.id} for room in rooms]}


async def update(call: Call) -> Document:
    """Set limits. Raises Forbidden, Invalid."""
    id = call.path["id"].removesuffix(".json")
    if len(id) > 255:
        raise Invalid("Invalid input for project_id. Reason: it exceeds maximum length of 255.")
    call.enforce(target(id))
    given = await item(call, QUOTA)
    unknown = [name for name in given if name not in DEFAULTS and name not in FLAGS]
    if unknown:
        raise Invalid(f"Unrecognized attribute(s) '{', '.join(unknown)}'")
    limits = {name: _limit(name, value) for name, value in given.items() if name in DEFAULTS}
    room = call.fold.get(quota, id)
    if not boolean("force", given.get("force", False)):
        _check(room, limits)
    if limits:
        room = await call.do(quota, SetLimits(id=id, limits=limits))
    return {"quota": _limits(room)}


def _limit(name: str, value: Any) -> int:
    number = integer(name, value)
    if number < -1:
        raise Invalid(f"Invalid input for {name}. Reason: '{number}' is too small - must be at least '-1'.")
    if number > MOST:
        raise Invalid(f"Invalid input for {name}. Reason: '{number}' is too large - must be no larger than '{MOST}'.")
    return number


def _check(room: Room | None, limits: dict[str, int]) -> None:
    """Raises Invalid if there is more already."""
    for name, limit in limits.items():
        used = room.used.get(name, 0) if room else 0
        if 0 <= limit < used:
            raise Invalid(f"Quota limit {limit} for {name} must be greater than or equal to already used {used}")


async def delete(call: Call) -> None:
    """Back to the default. Raises NotFound."""
    await no_body(call)
    id = call.path["id"].removesuffix(".json")
    call.enforce(target(id))
    room = call.fold.get(quota, id)
    if room is None or not room.limits:
        raise QUOTA.not_found(id)
    await call.do(quota, ResetLimits(id=id))
