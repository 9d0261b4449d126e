"""Policy documents over HTTP. Source: Identity API reference, "Policies"."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from events.identity import association as associations
from events.identity import missing
from events.identity import policy as policies
from events.identity.policy import Policy, PolicyChanged, PolicyMade
from events.identity.record import Change, Delete, Make
from events.ids import new_hex
from gateway.identity import cleaning, shapes
from gateway.identity.listing import collection, filtered
from gateway.serving import Call

SHAPES = {"blob": shapes.BLOB, "type": shapes.Shape(types=("string",), most=255)}


def view(call: Call, policy: Policy) -> dict[str, Any]:
    return {
        "id": policy.id,
        "type": policy.kind,
        "blob": policy.blob,
        **policy.extra,
        "links": {"self": f"{call.root}/v3/policies/{policy.id}"},
    }


async def create(call: Call, body: Any) -> dict[str, Any]:
    """A new policy document. Raises Invalid."""
    given = shapes.inner(body, "policy")
    extra = shapes.check("policy", given, SHAPES, required=("blob", "type"))
    made = PolicyMade(id=new_hex(), kind=given["type"], blob=given["blob"], extra=extra)
    return {"policy": view(call, await call.do(policies, Make(id=made.id, made=made)))}


async def listed(call: Call) -> dict[str, Any]:
    """The policy documents that the query asks for."""
    found = filtered(call, call.fold.all(policies), {"type": lambda policy: policy.kind})
    return collection(call, "policies", found, lambda policy: view(call, policy))


def find(call: Call) -> Policy:
    """The policy document of the path. Raises NotFound."""
    id = call.path["id"]
    return call.find(policies, id, missing("policy", id))


async def show(call: Call) -> dict[str, Any]:
    """One policy document. Raises NotFound."""
    return {"policy": view(call, find(call))}


async def change(call: Call, body: Any) -> dict[str, Any]:
    """Raises NotFound, Invalid."""
    given = shapes.inner(body, "policy")
    extra = shapes.check("policy", given, SHAPES, least=1)
    policy = find(call)
    event = PolicyChanged(
        kind=given.get("type", UNSET),
        blob=given.get("blob", UNSET),
        extra={**policy.extra, **extra} if extra else UNSET,
    )
    return {"policy": view(call, await call.do(policies, Change(id=policy.id, to=event)))}


async def delete(call: Call) -> None:
    """Raises NotFound."""
    policy = find(call)
    await call.do(policies, Delete(id=policy.id))
    await cleaning.dissociate(call, call.fold.by(associations, "into", f"policy:{policy.id}"))
