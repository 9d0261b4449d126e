"""Projects over HTTP, and domains as the projects that they are too. Source: Identity API reference, "Projects"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from events.identity import domain as domains
from events.identity import limit as limits
from events.identity import missing
from events.identity import project as projects
from events.identity.domain import Domain
from events.identity.project import Project, ProjectChanged, ProjectCreated
from events.identity.record import Change, Make
from events.ids import new_hex
from events.refusals import Forbidden, Invalid
from gateway.identity import cleaning, domain, grants, limit, limit_model, naming, shapes, targets
from gateway.identity.listing import asked, collection, filtered, flag
from gateway.identity.targets import domain_of, target
from gateway.serving import Call

DEEPEST = 5  # levels of projects, the first below its domain

SHAPES = {
    "name": shapes.PROJECT_NAME,
    "description": shapes.DESCRIPTION,
    "domain_id": shapes.OPTIONAL_ID,
    "parent_id": shapes.OPTIONAL_ID,
    "enabled": shapes.BOOLEAN,
    "is_domain": shapes.BOOLEAN,
    "tags": shapes.TAGS,
    "options": shapes.OPTIONS,
}


def taken(name: str, id: str) -> str:
    return (
        "Conflict occurred attempting to store project - it is not permitted to have two projects with either the "
        f"same name or same id in the same domain: name is {name}, project id {id}."
    )


def acting(domain: Domain) -> Project:
    """A domain as the project that it is too: one of no domain."""
    return Project(
        id=domain.id,
        name=domain.name,
        domain="",
        description=domain.description,
        enabled=domain.enabled,
        tags=domain.tags,
        options=domain.options,
        extra=domain.extra,
    )


def known(call: Call, id: str) -> Project | None:
    """A project, or a domain as one."""
    project = call.fold.get(projects, id)
    if project is not None:
        return project
    found = call.fold.get(domains, id)
    return acting(found) if found else None


def view(call: Call, project: Project) -> dict[str, Any]:
    return {
        "id": project.id,
        "name": project.name,
        "domain_id": project.domain or None,
        "description": project.description,
        "enabled": project.enabled,
        "parent_id": project.parent or project.domain or None,
        "is_domain": not project.domain,
        "tags": project.tags,
        "options": project.options,
        **project.extra,
        "links": {"self": f"{call.root}/v3/projects/{project.id}"},
    }


async def create(call: Call, body: Any) -> dict[str, Any]:
    """A new project. Raises Invalid, Conflict, Forbidden."""
    given = shapes.inner(body, "project")
    extra = shapes.check("project", given, SHAPES, required=("name",))
    if given.get("is_domain"):
        return {"project": view(call, acting(await _make_domain(call, given, extra)))}
    parent, home_id = _place(call, given)
    call.enforce(target(home_id))
    id = new_hex()
    made = ProjectCreated(
        id=id,
        name=given["name"],
        domain=home_id,
        parent=parent,
        **domain.told(given, extra),
    )
    wish, key = Make(id=id, made=made), ("project", home_id, made.name)
    return {"project": view(call, await naming.create(call, projects, wish, key, taken(made.name, id)))}


async def _make_domain(call: Call, given: dict[str, Any], extra: dict[str, Any]) -> Domain:
    call.require("identity:create_domain")
    call.enforce({})
    if given.get("parent_id") or given.get("domain_id"):
        raise Invalid("only root projects are allowed to act as domains.")
    return await domain.make(call, {name: given[name] for name in given if name in SHAPES}, extra)


def _place(call: Call, given: dict[str, Any]) -> tuple[str | None, str]:
    """The project above a new one, if any, and its domain. Raises Invalid, Forbidden."""
    here = given.get("domain_id") or home(call)
    parent_id = given.get("parent_id") or here
    if call.fold.get(domains, here) is None:
        raise Invalid(f"Could not find domain: {here}.")
    parent = known(call, parent_id)
    if parent is None:
        raise Invalid(f"Could not find project: {parent_id}.")
    if not parent.domain and parent.id != here:
        raise Invalid(
            f"Cannot create project, the parent ({parent.id}) is acting as a domain, but this project's domain id "
            f"({here}) does not match the parent's id."
        )
    if parent.domain and parent.domain != here:
        raise Invalid(
            f"Cannot create project, since it specifies its domain_id {here}, but specifies a parent in a different "
            f"domain ({parent.domain})."
        )
    for one in (*_above(call, parent), parent):
        if not one.enabled:
            raise Invalid(f"cannot create a project in a branch containing a disabled project: {one.id}")
    deepest = limit_model.LEVELS if limit_model.is_strict(call) else DEEPEST
    if parent.domain and len(grants.above(call.fold, parent)) >= deepest:
        raise Forbidden(f"Max hierarchy depth reached for {parent.id} branch.")
    return (parent.id if parent.domain else None), here


def home(call: Call) -> str:
    """The domain in which things are made by a caller who names none."""
    return call.who.domain or call.who.project_domain or "default"


async def listed(call: Call) -> dict[str, Any]:
    """The projects that the caller may see and the query asks for; of domains only if it asks for these."""
    reach = domain_of(call)
    found = _candidates(call)
    if reach is not None:
        found = [project for project in found if (project.domain or project.id) == reach]
    getters = {
        "name": lambda p: p.name,
        "enabled": lambda p: p.enabled,
        "domain_id": lambda p: p.domain,
        "parent_id": lambda p: p.parent or p.domain,
    }
    found = [project for project in filtered(call, found, getters) if _has_tags(call, set(project.tags))]
    return collection(call, "projects", found, lambda project: view(call, project))


def _candidates(call: Call) -> list[Project]:
    if flag(call, "is_domain"):
        return [acting(one) for one in call.fold.all(domains)]
    name, within, parent, tags = (asked(call, key) for key in ("name", "domain_id", "parent_id", "tags"))
    if name is not None:
        return call.fold.by(projects, "name", name)
    if tags:
        return call.fold.by(projects, "tags", tags.split(",")[0])
    if parent is not None and call.fold.get(domains, parent) is None:
        return call.fold.by(projects, "parent", parent)
    if within is not None:
        return call.fold.by(projects, "domain", within)
    return call.fold.all(projects)


def _has_tags(call: Call, tags: set[str]) -> bool:
    def wanted(key: str) -> set[str] | None:
        value = asked(call, key)
        return set(value.split(",")) if value else None

    every, some = wanted("tags"), wanted("tags-any")
    not_every, not_some = wanted("not-tags"), wanted("not-tags-any")
    return (
        (every is None or every <= tags)
        and (some is None or bool(some & tags))
        and (not_every is None or not not_every <= tags)
        and (not_some is None or not not_some & tags)
    )


def find(call: Call) -> Project:
    """The project of the path, if the caller may see it. Raises NotFound, Forbidden."""
    id = call.path["id"]
    return targets.seen(call, "project", id, known(call, id), project=id)


async def show(call: Call) -> dict[str, Any]:
    """One project, with those above and below it if asked for. Raises NotFound, Forbidden, Invalid."""
    project = find(call)
    shown = view(call, project)
    links = shown.pop("links")
    for part in ("parents", "subtree"):
        if flag(call, f"{part}_as_list") and flag(call, f"{part}_as_ids"):
            raise Invalid(f"Cannot use {part}_as_list and {part}_as_ids query params at the same time.")
    if flag(call, "parents_as_list"):
        shown["parents"] = [_relative(call, one) for one in _above(call, project) if _may(call, one)]
    elif flag(call, "parents_as_ids"):
        shown["parents"] = _nested([one.id for one in _above(call, project)])
    if flag(call, "subtree_as_list"):
        shown["subtree"] = [_relative(call, one) for one in _below(call, project) if _may(call, one)]
    elif flag(call, "subtree_as_ids"):
        shown["subtree"] = _tree(call, project)
    return {"project": {**shown, "links": links}}


def _may(call: Call, project: Project) -> bool:
    """Of relatives those are listed on which the caller has a role."""
    told = grants.Told(call.who.groups, call.cloud.clock.now())
    return bool(grants.effective(call.fold, call.who.user, "project", project.id, told))


def _relative(call: Call, project: Project) -> dict[str, Any]:
    shown = view(call, project)
    if flag(call, "include_limits"):
        shown["limits"] = [limit.view(call, one) for one in call.fold.by(limits, "of", project.id)]
    return {"project": shown}


def _above(call: Call, project: Project) -> list[Project]:
    """The projects above one, the nearest first, its domain last."""
    if not project.domain:
        return []
    ids = [target.partition(":")[2] for target in grants.above(call.fold, project)]
    return [found for id in ids if (found := known(call, id)) is not None]


def _children(call: Call, project: Project) -> list[Project]:
    if project.domain:
        return call.fold.by(projects, "parent", project.id)
    return [one for one in call.fold.by(projects, "domain", project.id) if one.parent is None]


def _below(call: Call, project: Project) -> Iterator[Project]:
    for child in _children(call, project):
        yield child
        yield from grants.below(call.fold, child.id)


def _nested(ids: list[str]) -> dict[str, Any] | None:
    return {ids[0]: _nested(ids[1:])} if ids else None


def _tree(call: Call, project: Project, depth: int = 0) -> dict[str, Any] | None:
    children = _children(call, project) if depth < grants.DEEPEST else []
    return {child.id: _tree(call, child, depth + 1) for child in children} or None


async def change(call: Call, body: Any) -> dict[str, Any]:
    """Raises NotFound, Invalid, Conflict, Forbidden."""
    given = shapes.inner(body, "project")
    extra = shapes.check("project", given, SHAPES, least=1)
    project = managed(call)
    if given.get("domain_id", project.domain or None) != (project.domain or None):
        raise Invalid("Cannot change Domain ID")
    above = project.parent or project.domain or None
    if given.get("parent_id", above) != above:
        raise Forbidden("Update of `parent_id` is not allowed.")
    if given.get("is_domain", not project.domain) == bool(project.domain):
        raise Invalid("Update of `is_domain` is not allowed.")
    if not project.domain:
        state = acting(await domain.alter(call, _domain(call, project), given, extra))
        return {"project": {**view(call, state), "extra": state.extra}}
    _may_switch(call, project, given.get("enabled", project.enabled))
    name = given.get("name", project.name)
    wish = Change(id=project.id, to=ProjectChanged(name=name, **domain.changes(project, given, extra)))
    old, new = ("project", project.domain, project.name), ("project", project.domain, name)
    state = await naming.change(call, projects, wish, old, new, taken(name, project.id))
    return {"project": {**view(call, state), "extra": state.extra}}


def _domain(call: Call, project: Project) -> Domain:
    """The domain that a project is too."""
    return call.find(domains, project.id, missing("project", project.id))


def _may_switch(call: Call, project: Project, enabled: bool) -> None:
    above = [one for one in _above(call, project) if one.domain]
    if enabled and not project.enabled and any(not one.enabled for one in above):
        raise Forbidden(f"Cannot enable project {project.id} since it has disabled parents")
    if project.enabled and not enabled and any(one.enabled for one in grants.below(call.fold, project.id)):
        raise Forbidden(f"Cannot disable project {project.id} since its subtree contains enabled projects.")


def managed(call: Call) -> Project:
    """The project of the path, if the caller may change it. Raises NotFound, Forbidden."""
    id = call.path["id"]
    return targets.seen(call, "project", id, known(call, id))


async def delete(call: Call) -> None:
    """Raises NotFound, and Forbidden if there are projects below it, or if it is a domain that is enabled."""
    project = managed(call)
    if not project.domain:
        await domain.remove(call, _domain(call, project))
        return
    if call.fold.count(projects, "parent", project.id):
        raise Forbidden(
            f"Cannot delete the project {project.id} since it is not a leaf in the hierarchy. Use the cascade option "
            "if you want to delete a whole subtree."
        )
    await cleaning.delete_project(call, project)
