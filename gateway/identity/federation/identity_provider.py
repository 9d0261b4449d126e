"""Identity providers over HTTP. Source: Identity API reference, "OS-FEDERATION", "Identity providers"."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from events.decider import Step
from events.identity import domain as domains
from events.identity import identity_provider as identity_providers
from events.identity import missing
from events.identity.domain import DomainChanged, DomainCreated
from events.identity.identity_provider import IdentityProvider, IdentityProviderChanged, IdentityProviderCreated
from events.identity.record import Change, Delete, Make
from events.ids import new_hex
from events.refusals import Conflict, Refusal
from gateway.identity import domain as domain_routes
from gateway.identity import naming, shapes
from gateway.identity.federation import cleaning
from gateway.identity.federation.cleaning import remote_id
from gateway.identity.federation.naming import id_of
from gateway.identity.listing import collection, filtered
from gateway.identity.shapes import Shape
from gateway.serving import Call

REMOTE_ID = Shape(types=("string",), most=255)
CHANGES = {
    "enabled": shapes.BOOLEAN,
    "description": shapes.DESCRIPTION,
    "authorization_ttl": Shape(types=("integer", "null")),
    "remote_ids": Shape(types=("array", "null"), most=64, items=REMOTE_ID, unique=True),
}
SHAPES = {**CHANGES, "domain_id": shapes.OPTIONAL_ID}
LONGEST_TTL = 1 << 31  # minutes
TAKEN = "Conflict occurred attempting to store identity_provider - Duplicate remote ID: None."


def find(call: Call) -> IdentityProvider:
    """The provider of the path. Raises NotFound."""
    return call.find(identity_providers, call.path["id"], missing("Identity Provider", call.path["id"]))


def view(call: Call, provider: IdentityProvider) -> dict[str, Any]:
    url = f"{call.root}/v3/OS-FEDERATION/identity_providers/{provider.id}"
    return {
        "id": provider.id,
        "domain_id": provider.domain,
        "enabled": provider.enabled,
        "description": provider.description,
        "remote_ids": sorted(provider.remote_ids),
        "authorization_ttl": provider.authorization_ttl,
        "links": {"self": url},
    }


def _check(given: dict[str, Any], members: dict[str, Shape], *, least: int = 0) -> None:
    shapes.check("identity_provider", given, members, extra=False, least=least)
    ttl = given.get("authorization_ttl")
    if ttl is not None and ttl < 0:
        raise shapes.wrong("authorization_ttl", ttl, f"{ttl} is less than the minimum of 0")
    if ttl is not None and ttl > LONGEST_TTL:
        raise shapes.wrong("authorization_ttl", ttl, f"{ttl} is greater than the maximum of {LONGEST_TTL}")


async def create(call: Call, body: Any) -> dict[str, Any]:
    """A new provider, with a domain of its own unless one is named. Raises Invalid, NotFound, Conflict."""
    given = shapes.inner(body, "identity_provider") if body != {} else {}
    _check(given, SHAPES)
    id, domain = id_of(call), given.get("domain_id")
    if call.fold.get(identity_providers, id) is not None:
        raise Conflict("Conflict occurred attempting to store identity_provider - Duplicate entry: None.")
    if domain and call.fold.get(domains, domain) is None:
        raise missing("domain", domain)
    made = IdentityProviderCreated(
        id=id,
        domain=domain or new_hex(),
        enabled=given.get("enabled", False),
        description=given.get("description"),
        remote_ids=tuple(given.get("remote_ids") or ()),
        authorization_ttl=given.get("authorization_ttl"),
    )
    steps = [naming.taking(call, remote_id(value), id, TAKEN) for value in made.remote_ids]
    if domain:
        state = (await call.do_all([*steps, Step(identity_providers, Make(id=id, made=made))]))[-1]
    else:
        state = await _with_domain(call, steps, made)
    return {"identity_provider": view(call, state)}


async def _with_domain(call: Call, steps: list[Step], made: IdentityProviderCreated) -> IdentityProvider:
    """A provider and the domain that its users live in."""
    home = DomainCreated(
        id=made.domain,
        name=made.domain,
        description=f"Auto generated federated domain for Identity Provider: {made.id}",
    )
    named = naming.taking(call, ("domain", home.name), home.id, domain_routes.taken(home.name))
    try:
        both = Step(domains, Make(id=home.id, made=home)), Step(identity_providers, Make(id=made.id, made=made))
        states = await call.do_all([*steps, named, *both])
    except Refusal:  # the domain is not undone by a step: it has to be disabled first
        if call.fold.get(domains, home.id) is not None:
            await call.do(domains, Change(id=home.id, to=DomainChanged(enabled=False)))
            await call.do(domains, Delete(id=home.id))
            await naming.release(call, ("domain", home.name), home.id)
        raise
    state: IdentityProvider = states[-1]
    return state


async def listed(call: Call) -> dict[str, Any]:
    """The providers that the query asks for."""
    found = filtered(call, call.fold.all(identity_providers), {"id": lambda p: p.id, "enabled": lambda p: p.enabled})

    def shown(provider: IdentityProvider) -> dict[str, Any]:
        one = view(call, provider)
        return {**one, "links": {**one["links"], "protocols": f"{one['links']['self']}/protocols"}}

    return collection(call, "identity_providers", found, shown)


async def show(call: Call) -> dict[str, Any]:
    """One provider. Raises NotFound."""
    return {"identity_provider": view(call, find(call))}


async def change(call: Call, body: Any) -> dict[str, Any]:
    """Raises NotFound, Invalid, Conflict."""
    given = shapes.inner(body, "identity_provider")
    _check(given, CHANGES, least=1)
    provider = find(call)
    values = tuple(given["remote_ids"] or ()) if "remote_ids" in given else provider.remote_ids
    event = IdentityProviderChanged(
        enabled=given.get("enabled", UNSET),
        description=given.get("description", UNSET),
        remote_ids=values,
        authorization_ttl=given.get("authorization_ttl", UNSET),
    )
    added = [value for value in values if value not in provider.remote_ids]
    steps = [naming.taking(call, remote_id(value), provider.id, TAKEN) for value in added]
    state = (await call.do_all([*steps, Step(identity_providers, Change(id=provider.id, to=event))]))[-1]
    for value in provider.remote_ids:
        if value not in values:
            await naming.release(call, remote_id(value), provider.id)
    return {"identity_provider": view(call, state)}


async def delete(call: Call) -> None:
    """Delete a provider, its protocols, and the users whom it alone knows. Raises NotFound."""
    await cleaning.delete_provider(call, find(call))
