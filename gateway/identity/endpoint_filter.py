"""Which endpoints a project is given: its catalog has no others, unless it was given none.

Source: Identity API reference, "OS-EP-FILTER".
"""

from __future__ import annotations

from typing import Any

from events.identity import association as associations
from events.identity import missing
from events.identity import project as projects
from events.identity.association import Associate, Association, Dissociate
from events.identity.endpoint import Endpoint
from events.refusals import NotFound
from gateway.identity import endpoint, endpoint_group, project
from gateway.identity.catalog import endpoints_in, given, groups_of
from gateway.identity.listing import collection
from gateway.serving import Call


def _project(call: Call) -> str:
    id = call.path["project_id"]
    if call.fold.get(projects, id) is None:
        raise missing("project", id)
    return id


def _of_projects(call: Call, associated: list[Association]) -> dict[str, Any]:
    found = [one for association in associated if (one := call.fold.get(projects, association.of)) is not None]
    return collection(call, "projects", found, lambda one: project.view(call, one))


def _of_endpoints(call: Call, found: list[Endpoint]) -> dict[str, Any]:
    return collection(call, "endpoints", found, lambda one: endpoint.view(call, one))


# Endpoints


def _endpoint_key(call: Call) -> tuple[str, str, str]:
    one = endpoint.find(call, "endpoint_id")
    return "endpoint", _project(call), one.id


async def add_endpoint(call: Call) -> None:
    """Give a project an endpoint. Raises NotFound, Conflict."""
    key = _endpoint_key(call)
    taken = "Conflict occurred attempting to store project_endpoint - Duplicate entry."
    await call.do(associations, Associate(id=key, to=key[2], taken=taken))


def _no_endpoint(call: Call) -> str:
    return f"Endpoint {call.path['endpoint_id']} not found in project {call.path['project_id']}"


async def check_endpoint(call: Call) -> None:
    """Raises NotFound unless the project was given the endpoint."""
    if call.fold.get(associations, _endpoint_key(call)) is None:
        raise NotFound(_no_endpoint(call))


async def remove_endpoint(call: Call) -> None:
    """Raises NotFound."""
    key = ("endpoint", call.path["project_id"], call.path["endpoint_id"])
    await call.do(associations, Dissociate(id=key, to=key[2], missing=_no_endpoint(call)))


async def list_endpoints(call: Call) -> dict[str, Any]:
    """The endpoints that a project was given. Raises NotFound."""
    return _of_endpoints(call, list(given(call.fold, _project(call)).values()))


async def list_projects(call: Call) -> dict[str, Any]:
    """The projects that were given an endpoint. Raises NotFound."""
    one = endpoint.find(call)
    return _of_projects(call, call.fold.by(associations, "into", f"endpoint:{one.id}"))


# Groups of endpoints


def _group_key(call: Call) -> tuple[str, str, str]:
    return "endpoint_group", _project(call), endpoint_group.find(call).id


async def add_group(call: Call) -> None:
    """Give a project the endpoints of a group. Raises NotFound, Conflict."""
    key = _group_key(call)
    taken = "Conflict occurred attempting to store project_endpoint_group - Duplicate entry."
    await call.do(associations, Associate(id=key, to=key[2], taken=taken))


_NO_GROUP = "Endpoint Group Project Association not found"


async def show_group(call: Call) -> dict[str, Any]:
    """Raises NotFound unless the project was given the group."""
    key = _group_key(call)
    if call.fold.get(associations, key) is None:
        raise NotFound(_NO_GROUP)
    _, project_id, id = key
    links = {"self": f"/OS-EP-FILTER/endpoint_groups/{id}/projects/{project_id}"}
    return {"project_endpoint_group": {"endpoint_group_id": id, "project_id": project_id, "links": links}}


async def remove_group(call: Call) -> None:
    """Raises NotFound."""
    key = _group_key(call)
    await call.do(associations, Dissociate(id=key, to=key[2], missing=_NO_GROUP))


async def list_projects_of_group(call: Call) -> dict[str, Any]:
    """The projects that were given a group."""
    return _of_projects(call, call.fold.by(associations, "into", f"endpoint_group:{call.path['id']}"))


async def list_endpoints_of_group(call: Call) -> dict[str, Any]:
    """The endpoints of a group. Raises NotFound."""
    return _of_endpoints(call, endpoints_in(call.fold, endpoint_group.find(call)))


async def list_groups(call: Call) -> dict[str, Any]:
    """The groups that a project was given. Raises NotFound."""
    found = groups_of(call.fold, _project(call))
    return collection(call, "endpoint_groups", found, lambda group: endpoint_group.view(call, group))
