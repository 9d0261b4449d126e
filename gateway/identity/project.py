"""Projects over HTTP. Source: Identity API reference, "Projects", "Project tags"."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from events.identity import domain as domains
from events.identity import project as projects
from events.identity.project import ChangeProject, CreateProject, Project, TagProject, UntagProject
from events.ids import new_hex
from events.refusals import Forbidden, Invalid, NotFound
from gateway.identity import cleaning, grants, naming, shapes
from gateway.identity.listing import asked, collection, filtered, flag
from gateway.identity.personas import allow, domain_of, may_manage, may_read
from gateway.serving import Answer, Call

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


def not_found(id: str) -> NotFound:
    return NotFound(f"Could not find project: {id}.")


def taken(name: str, id: str) -> str:
    return (
        "Conflict occurred attempting to store project - it is not permitted to have two projects with either the "
        f"same name or same id in the same domain: name is {name}, project id {id}."
    )


def view(call: Call, project: Project) -> dict[str, Any]:
    return {
        "id": project.id,
        "name": project.name,
        "domain_id": project.domain,
        "description": project.description,
        "enabled": project.enabled,
        "parent_id": project.parent or project.domain,
        "is_domain": False,
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
        raise Invalid("A project that acts as a domain is made at /v3/domains.")
    parent, domain = _place(call, given)
    allow(may_manage(call, domain), "create_project")
    id = new_hex()
    wish = CreateProject(
        id=id,
        name=given["name"],
        domain=domain,
        parent=parent,
        description=given.get("description") or "",
        enabled=given.get("enabled", True),
        tags=tuple(given.get("tags", ())),
        options=shapes.merged({}, given.get("options", {})),
        extra=extra,
    )
    key = ("project", domain, wish.name)
    return {"project": view(call, await naming.create(call, projects, wish, key, taken(wish.name, id)))}


def _place(call: Call, given: dict[str, Any]) -> tuple[str | None, str]:
    """The project above a new one, if any, and its domain. Raises NotFound, Invalid, Forbidden."""
    parent_id, domain_id = given.get("parent_id"), given.get("domain_id")
    if parent_id is not None and parent_id != domain_id and call.fold.get(domains, parent_id) is None:
        parent = call.fold.get(projects, parent_id)
        if parent is None:
            raise not_found(parent_id)
        if domain_id not in (None, parent.domain):
            raise Invalid(
                f"Cannot create project, since it specifies its domain_id {domain_id}, but specifies a parent in a "
                f"different domain ({parent.domain})."
            )
        if len(grants.above(call.fold, parent)) >= DEEPEST:
            raise Forbidden(f"Max hierarchy depth reached for {parent.id} branch.")
        return parent.id, parent.domain
    domain_id = domain_id or parent_id or home(call)
    if call.fold.get(domains, domain_id) is None:
        raise Invalid(f"Could not find domain: {domain_id}.")
    return None, domain_id


def home(call: Call) -> str:
    """The domain in which things are made by a caller who names none."""
    return call.who.domain or call.who.project_domain or "default"


async def listed(call: Call) -> dict[str, Any]:
    """The projects that the caller may see and the query asks for."""
    reach = domain_of(call)
    found = _candidates(call)
    if reach is not None:
        found = [project for project in found if project.domain == reach]
    if flag(call, "is_domain"):
        found = []
    getters = {
        "name": lambda p: p.name,
        "enabled": lambda p: p.enabled,
        "domain_id": lambda p: p.domain,
        "parent_id": lambda p: p.parent or p.domain,
    }
    found = [project for project in filtered(call, found, getters) if _has_tags(call, set(project.tags))]
    return collection(call, "projects", found, lambda project: view(call, project))


def _candidates(call: Call) -> list[Project]:
    name, domain, parent, tags = (asked(call, key) for key in ("name", "domain_id", "parent_id", "tags"))
    if name is not None:
        return call.fold.by(projects, "name", name)
    if tags:
        return call.fold.by(projects, "tags", tags.split(",")[0])
    if parent is not None and call.fold.get(domains, parent) is None:
        return call.fold.by(projects, "parent", parent)
    if domain is not None:
        return call.fold.by(projects, "domain", domain)
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


def _find(call: Call, operation: str) -> Project:
    """The project of the path, if the caller may see it. Raises NotFound, Forbidden."""
    id = call.path["id"]
    project = call.fold.get(projects, id)
    allow(may_read(call, project.domain if project else None, project=id), operation)
    if project is None:
        raise not_found(id)
    return project


async def show(call: Call) -> dict[str, Any]:
    """One project, with those above and below it if asked for. Raises NotFound, Forbidden."""
    project = _find(call, "get_project")
    shown = view(call, project)
    links = shown.pop("links")
    if flag(call, "parents_as_list"):
        shown["parents"] = [{"project": view(call, p)} for p in _above(call, project) if _may(call, p)]
    elif "parents_as_ids" in call.request.query_params:
        shown["parents"] = _nested([p.id for p in _above(call, project)] + [project.domain])
    if flag(call, "subtree_as_list"):
        below = grants.below(call.fold, project.id)
        shown["subtree"] = [{"project": view(call, p)} for p in below if _may(call, p)]
    elif "subtree_as_ids" in call.request.query_params:
        shown["subtree"] = _tree(call, project.id)
    return {"project": {**shown, "links": links}}


def _may(call: Call, project: Project) -> bool:
    """Of relatives those are listed on which the caller has a role."""
    told = grants.Told(call.who.groups, call.cloud.clock.now())
    return bool(grants.effective(call.fold, call.who.user, "project", project.id, told))


def _above(call: Call, project: Project) -> list[Project]:
    ids = [target.removeprefix("project:") for target in grants.above(call.fold, project)[:-1]]
    return [found for id in ids if (found := call.fold.get(projects, id)) is not None]


def _nested(ids: list[str]) -> dict[str, Any] | None:
    return {ids[0]: _nested(ids[1:])} if ids else None


def _tree(call: Call, id: str, depth: int = 0) -> dict[str, Any] | None:
    children = call.fold.by(projects, "parent", id) if depth < grants.DEEPEST else []
    return {child.id: _tree(call, child.id, depth + 1) for child in children} or None


async def change(call: Call, body: Any) -> dict[str, Any]:
    """Raises NotFound, Invalid, Conflict, Forbidden."""
    given = shapes.inner(body, "project")
    extra = shapes.check("project", given, SHAPES, least=1)
    project = _managed(call, "update_project")
    if given.get("domain_id", project.domain) != project.domain:
        raise Invalid("Update of `domain_id` is not allowed.")
    if given.get("parent_id", project.parent or project.domain) != (project.parent or project.domain):
        raise Forbidden("Update of `parent_id` is not allowed.")
    if given.get("is_domain"):
        raise Invalid("Update of `is_domain` is not allowed.")
    _may_switch(call, project, given.get("enabled", project.enabled))
    name = given.get("name", project.name)
    wish = ChangeProject(
        id=project.id,
        name=name,
        description=(given["description"] or "") if "description" in given else UNSET,
        enabled=given.get("enabled", UNSET),
        tags=tuple(given["tags"]) if "tags" in given else UNSET,
        options=shapes.merged(project.options, given["options"]) if "options" in given else UNSET,
        extra={**project.extra, **extra} if extra else UNSET,
    )
    old, new = ("project", project.domain, project.name), ("project", project.domain, name)
    state = await naming.change(call, projects, wish, old, new, taken(name, project.id))
    return {"project": {**view(call, state), "extra": state.extra}}


def _may_switch(call: Call, project: Project, enabled: bool) -> None:
    if enabled and not project.enabled and any(not above.enabled for above in _above(call, project)):
        raise Forbidden(f"Cannot enable project {project.id} since it has disabled parents.")
    if project.enabled and not enabled and any(p.enabled for p in call.fold.by(projects, "parent", project.id)):
        raise Forbidden(f"Cannot disable project {project.id} since its subtree contains enabled projects.")


def _managed(call: Call, operation: str) -> Project:
    """The project of the path, if the caller may change it. Raises NotFound, Forbidden."""
    id = call.path["id"]
    project = call.fold.get(projects, id)
    allow(may_manage(call, project.domain if project else None), operation)
    if project is None:
        raise not_found(id)
    return project


async def delete(call: Call) -> None:
    """Raises NotFound, and Forbidden if there are projects below it."""
    project = _managed(call, "delete_project")
    if call.fold.count(projects, "parent", project.id):
        raise Forbidden(
            f"Cannot delete the project {project.id} since it is not a leaf in the hierarchy. Use the cascade option "
            "if you want to delete a whole subtree."
        )
    await cleaning.delete_project(call, project)


# Tags


def _tags(call: Call, tags: tuple[str, ...]) -> dict[str, Any]:
    return {"links": {"self": f"{call.root}/v3"}, "tags": tags}


async def list_tags(call: Call) -> dict[str, Any]:
    return _tags(call, _find(call, "list_project_tags").tags)


async def show_tag(call: Call) -> None:
    """Raises NotFound unless the project has the tag."""
    if call.path["tag"] not in _find(call, "get_project_tag").tags:
        raise NotFound(f"Could not find project tag: {call.path['tag']}.")


async def replace_tags(call: Call, body: Any) -> dict[str, Any]:
    """Raises NotFound, Invalid."""
    project = _managed(call, "update_project_tags")
    if not isinstance(body, dict):
        raise Invalid("It is no object.", kind="malformed")
    shapes.check("tags", body, {"tags": shapes.TAGS}, required=("tags",), extra=False)
    state = await call.do(projects, ChangeProject(id=project.id, tags=tuple(body["tags"])))
    return _tags(call, state.tags)


async def remove_tags(call: Call) -> None:
    project = _managed(call, "delete_project_tags")
    await call.do(projects, ChangeProject(id=project.id, tags=()))


async def add_tag(call: Call) -> Answer:
    """Raises NotFound, Invalid."""
    project, tag = _managed(call, "create_project_tag"), call.path["tag"]
    fault = shapes.TAG.fault(tag)
    if fault is not None:
        raise shapes.wrong("value", tag, fault)
    shapes.check("tags", {"tags": [*set(project.tags) - {tag}, tag]}, {"tags": shapes.TAGS})
    await call.do(projects, TagProject(id=project.id, tag=tag))
    headers = {"Location": f"{call.root}/v3/{project.id}/tags/{tag}"}
    return Answer(status=201, headers=headers, media_type="text/html; charset=utf-8")


async def remove_tag(call: Call) -> None:
    """Raises NotFound."""
    project = _managed(call, "delete_project_tag")
    await call.do(projects, UntagProject(id=project.id, tag=call.path["tag"]))
