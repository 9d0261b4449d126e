"""Domains over HTTP. Source: Identity API reference, "Domains"."""

from __future__ import annotations

from typing import Any

from events.fold import Fold
from events.identity import domain as domains
from events.identity import domain_config as configs
from events.identity import group as groups
from events.identity import identity_provider as identity_providers
from events.identity import limit as limits
from events.identity import missing
from events.identity import project as projects
from events.identity import role as roles
from events.identity import user as users
from events.identity.domain import Domain, DomainChanged, DomainCreated
from events.identity.project import Project
from events.identity.record import Change, Delete, Make
from events.ids import new_hex
from gateway.identity import cleaning, naming, shapes
from gateway.identity.federation import cleaning as federation
from gateway.identity.listing import candidates, collection, filtered
from gateway.identity.targets import domain_of
from gateway.serving import Call

SHAPES = {
    "name": shapes.PROJECT_NAME,
    "description": shapes.DESCRIPTION,
    "enabled": shapes.BOOLEAN,
    "tags": shapes.TAGS,
    "options": shapes.OPTIONS,
    "explicit_domain_id": shapes.ID,
}


def taken(name: str) -> str:
    return (
        "Conflict occurred attempting to store project - it is not permitted to have two projects acting as domains "
        f"with the same name: {name}."
    )


def view(call: Call, domain: Domain) -> dict[str, Any]:
    return {
        "id": domain.id,
        "name": domain.name,
        "description": domain.description,
        "enabled": domain.enabled,
        "tags": domain.tags,
        "options": domain.options,
        **domain.extra,
        "links": {"self": f"{call.root}/v3/domains/{domain.id}"},
    }


def named(fold: Fold, id: str) -> dict[str, str]:
    """A domain as others show it."""
    domain = fold.get(domains, id)
    return {"id": id, "name": domain.name if domain else ""}


def told(given: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """What a body says of a new domain or project, but for its name and where it is."""
    return {
        "description": given.get("description") or "",
        "enabled": given.get("enabled", True),
        "tags": tuple(given.get("tags", ())),
        "options": shapes.merged({}, given.get("options", {})),
        "extra": extra,
    }


def changes(before: Domain | Project, given: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """What a body changes in a domain or project, but for its name."""
    options = shapes.merged(before.options, given.get("options", {}))
    said = {**told(given, {**before.extra, **extra}), "options": options}
    return {name: value for name, value in said.items() if name in given or (name == "extra" and extra)}


async def create(call: Call, body: Any) -> dict[str, Any]:
    """A new domain. Raises Invalid, Conflict."""
    given = shapes.inner(body, "domain")
    extra = shapes.check("domain", given, SHAPES, required=("name",))
    return {"domain": view(call, await make(call, given, extra))}


async def make(call: Call, given: dict[str, Any], extra: dict[str, Any]) -> Domain:
    """The domain that a body describes, newly made. Raises Conflict."""
    id = str(given.get("explicit_domain_id") or new_hex())
    event = DomainCreated(id=id, name=given["name"], **told(given, extra))
    wish, key = Make(id=event.id, made=event), ("domain", event.name)
    made: Domain = await naming.create(call, domains, wish, key, taken(event.name))
    return made


async def listed(call: Call) -> dict[str, Any]:
    """All domains that the caller may see."""
    found, reach = candidates(call, domains, {"name": "name"}), domain_of(call)
    if reach is not None:
        found = [domain for domain in found if domain.id == reach]
    getters = {"name": lambda d: d.name, "enabled": lambda d: d.enabled}
    return collection(call, "domains", filtered(call, found, getters), lambda domain: view(call, domain))


async def show(call: Call) -> dict[str, Any]:
    """One domain. Raises NotFound, Forbidden."""
    id = call.path["id"]
    call.enforce({"target.domain.id": id})
    return {"domain": view(call, call.find(domains, id, missing("domain", id)))}


async def change(call: Call, body: Any) -> dict[str, Any]:
    """Raises NotFound, Invalid, Conflict, Forbidden."""
    given = shapes.inner(body, "domain")
    extra = shapes.check("domain", given, SHAPES, least=1)
    domain = call.find(domains, call.path["id"], missing("domain", call.path["id"]))
    return {"domain": view(call, await alter(call, domain, given, extra))}


async def alter(call: Call, domain: Domain, given: dict[str, Any], extra: dict[str, Any]) -> Domain:
    """The domain changed as a body describes it. Raises Conflict, Forbidden."""
    name = given.get("name", domain.name)
    wish = Change(id=domain.id, to=DomainChanged(name=name, **changes(domain, given, extra)))
    old, new = ("domain", domain.name), ("domain", name)
    state: Domain = await naming.change(call, domains, wish, old, new, taken(name))
    return state


async def delete(call: Call) -> None:
    """Delete a disabled domain and all that is in it. Raises NotFound, Forbidden."""
    await remove(call, call.find(domains, call.path["id"], missing("domain", call.path["id"])))


async def remove(call: Call, domain: Domain) -> None:
    """Delete a disabled domain and all that is in it. Raises Forbidden."""
    id = domain.id
    await call.do(domains, Delete(id=id))
    await naming.release(call, ("domain", domain.name), id)
    for user in call.fold.by(users, "domain", id):
        await cleaning.delete_user(call, user)
    for group in call.fold.by(groups, "domain", id):
        await cleaning.delete_group(call, group)
    for project in call.fold.by(projects, "domain", id):
        await cleaning.delete_project(call, project)
    for role in call.fold.by(roles, "domain", id):
        await cleaning.delete_role(call, role)
    for limit in call.fold.by(limits, "of", id):
        await cleaning.delete_limit(call, limit)
    config = call.fold.get(configs, id)
    if config is not None:
        await cleaning.delete_config(call, config)
    for provider in call.fold.by(identity_providers, "domain", id):
        await federation.delete_provider(call, provider)
    await cleaning.revoke_on(call, f"domain:{id}")
