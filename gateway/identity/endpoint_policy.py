"""Which policy document an endpoint has: its own, that of its service in its region or one around it, its service's.

Source: Identity API reference, "OS-ENDPOINT-POLICY".
"""

from __future__ import annotations

from typing import Any

from events.identity import association as associations
from events.identity import endpoint as endpoints
from events.identity import policy as policies
from events.identity import region as regions
from events.identity.association import Associate, Association, Dissociate
from events.identity.endpoint import Endpoint
from events.refusals import NotFound
from gateway.identity import endpoint, policy, region, service
from gateway.identity.listing import collection
from gateway.serving import Call


def _pair(call: Call) -> tuple[tuple[str, str], str]:
    """The key of the association that the path speaks of, and the policy. Raises NotFound."""
    found = policy.find(call)
    if "endpoint_id" in call.path:
        of = f"endpoint:{endpoint.find(call, 'endpoint_id').id}"
    else:
        of = f"service:{service.find(call, 'service_id').id}"
        if "region_id" in call.path:
            of += f":{region.find(call, 'region_id').id}"
    return ("policy", of), found.id


async def put(call: Call) -> None:
    """Give an endpoint, or those of a service, a policy. Raises NotFound."""
    key, id = _pair(call)
    await call.do(associations, Associate(id=key, to=id))


async def check(call: Call) -> None:
    """Raises NotFound unless it has just this policy."""
    key, id = _pair(call)
    found = call.fold.get(associations, key)
    if found is None or found.to != id:
        raise NotFound("Could not find policy association.")


async def delete(call: Call) -> None:
    """Raises NotFound."""
    key, id = _pair(call)
    await call.cloud.execute(associations, Dissociate(id=key, to=id), call.origin)


async def list_endpoints(call: Call) -> dict[str, Any]:
    """The endpoints for which the policy was given. Raises NotFound."""
    id = policy.find(call).id
    found: dict[str, Endpoint] = {}
    for association in call.fold.by(associations, "into", f"policy:{id}"):
        found.update((one.id, one) for one in _endpoints(call, association))
    return collection(call, "endpoints", found.values(), lambda one: _brief(call, one))


def _brief(call: Call, one: Endpoint) -> dict[str, Any]:
    return {name: value for name, value in endpoint.view(call, one).items() if name != "region"}


def _endpoints(call: Call, association: Association) -> list[Endpoint]:
    kind, id, *within = association.of.split(":", 2)
    if kind == "endpoint":
        one = call.fold.get(endpoints, id)
        return [one] if one else []
    found = call.fold.by(endpoints, "service", id)
    if not within:
        return found
    inside = list(within)
    for region_id in inside:  # grows while it is walked
        inside.extend(child.id for child in call.fold.by(regions, "parent", region_id))
    return [one for one in found if one.region in inside]


async def show(call: Call) -> dict[str, Any]:
    """The policy that holds for an endpoint. Raises NotFound."""
    one = endpoint.find(call)
    for of in _nearest(call, one):
        association = call.fold.get(associations, ("policy", of))
        found = call.fold.get(policies, association.to) if association else None
        if found is not None:
            shown = policy.view(call, found)
            return {"policy": {**shown, "links": {"self": f"{call.root}/v3/endpoints/{found.id}"}}}
    raise NotFound(f"No policy is associated with endpoint {one.id}.")


def _nearest(call: Call, one: Endpoint) -> list[str]:
    """By what an endpoint may have a policy, the nearest first."""
    found = [f"endpoint:{one.id}"]
    above = one.region
    while above is not None:
        found.append(f"service:{one.service}:{above}")
        around = call.fold.get(regions, above)
        above = around.parent if around else None
    return [*found, f"service:{one.service}"]
