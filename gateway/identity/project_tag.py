"""Tags of projects over HTTP. Source: Identity API reference, "Project tags"."""

from __future__ import annotations

from typing import Any

from events.identity import domain as domains
from events.identity import missing
from events.identity import project as projects
from events.identity.domain import DomainChanged
from events.identity.project import Project, ProjectChanged, TagProject, UntagProject
from events.identity.record import Change
from events.refusals import Forbidden, Invalid
from gateway.identity import shapes
from gateway.identity.project import acting, find, managed
from gateway.serving import Answer, Call


def _view(call: Call, tags: tuple[str, ...]) -> dict[str, Any]:
    return {"links": {"self": f"{call.root}/v3"}, "tags": tags}


async def listed(call: Call) -> dict[str, Any]:
    return _view(call, find(call).tags)


async def check(call: Call) -> None:
    """Raises NotFound unless the project has the tag."""
    if call.path["tag"] not in find(call).tags:
        raise missing("project tag", call.path["tag"])


def _managed(call: Call, verb: str) -> Project:
    """The project of the path, if the caller may change its tags. Raises NotFound, Forbidden."""
    project = managed(call)
    if project.options.get("immutable"):
        raise Forbidden(
            f'Cannot {verb} project tags for {project.id}, project is immutable. Set "immutable" option to false '
            "before creating project tags."
        )
    return project


async def _set(call: Call, project: Project, tags: tuple[str, ...]) -> Project:
    if not project.domain:
        return acting(await call.do(domains, Change(id=project.id, to=DomainChanged(tags=tags))))
    return await call.do(projects, Change(id=project.id, to=ProjectChanged(tags=tags)))


async def replace(call: Call, body: Any) -> dict[str, Any]:
    """Raises NotFound, Invalid, Forbidden."""
    project = _managed(call, "update")
    if not isinstance(body, dict):
        raise Invalid("It is no object.", kind="malformed")
    shapes.check("tags", body, {"tags": shapes.TAGS}, required=("tags",), extra=False)
    return _view(call, (await _set(call, project, tuple(body["tags"]))).tags)


async def remove_all(call: Call) -> None:
    """Raises NotFound, Forbidden."""
    await _set(call, _managed(call, "update"), ())


async def add(call: Call) -> Answer:
    """Raises NotFound, Invalid, Forbidden."""
    project, tag = _managed(call, "create"), call.path["tag"]
    fault = shapes.TAG.fault(tag)
    if fault is not None:
        raise shapes.wrong("value", tag, fault)
    shapes.check("tags", {"tags": [*set(project.tags) - {tag}, tag]}, {"tags": shapes.TAGS})
    if project.domain:
        await call.do(projects, TagProject(id=project.id, tag=tag))
    else:
        await _set(call, project, (*(one for one in project.tags if one != tag), tag))
    headers = {"Location": f"{call.root}/v3/{project.id}/tags/{tag}"}
    return Answer(status=201, headers=headers, media_type="text/html; charset=utf-8")


async def remove(call: Call) -> None:
    """Raises NotFound, Forbidden."""
    project, tag = _managed(call, "delete"), call.path["tag"]
    if project.domain:
        await call.do(projects, UntagProject(id=project.id, tag=tag))
    elif tag not in project.tags:
        raise missing("project tag", tag)
    else:
        await _set(call, project, tuple(one for one in project.tags if one != tag))
