"""What was done with a server, and what came of it.

Source: Compute API reference, "Servers actions (servers, os-instance-actions)".
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Struct, UnsetType

from events.compute import server as servers
from events.compute.server import Server
from events.fold import Known
from events.refusals import Invalid, NotFound
from gateway.compute.server import not_found, target
from gateway.compute.server_query import time_of
from gateway.compute.server_views import host_id
from gateway.compute.words import known_queries, limit_of
from gateway.links import Link, with_query
from gateway.microversions import since
from gateway.serving import Call
from projections import wide
from projections.compute.server import ASKED, FAILED, HISTORY, PLACED, Happening
from projections.projector import Projector
from projections.tables import quoted, table

_RULE = "os_compute_api:os-instance-actions"

# What a step is called, by the action that it belongs to.
_SCHEDULING = "conductor_schedule_and_build_instances"
_STEPS = {
    "create": "compute__do_build_and_run_instance",
    "start": "compute_start_instance",
    "stop": "compute_stop_instance",
    "reboot": "compute_reboot_instance",
    "delete": "compute_terminate_instance",
}


class EventView(Struct, kw_only=True):
    event: str
    start_time: datetime
    finish_time: datetime | None = None
    result: str | None = None
    traceback: str | UnsetType | None = None
    hostId: Annotated[str | UnsetType, since(2, 62)] = ""
    host: Annotated[str | UnsetType | None, since(2, 62)] = UNSET
    details: Annotated[str | UnsetType | None, since(2, 84)] = None


class ActionView(Struct, kw_only=True):
    action: str
    instance_uuid: str
    request_id: str | None
    user_id: str | None
    project_id: str | None
    start_time: datetime
    message: str | None = None
    updated_at: Annotated[datetime | UnsetType, since(2, 58)]
    events: list[EventView] | UnsetType = UNSET


class ActionList(Struct):
    instanceActions: list[ActionView]
    links: Annotated[list[Link] | UnsetType, since(2, 58)] = UNSET


class ActionAnswer(Struct):
    instanceAction: ActionView


def _tables(call: Call) -> Projector | None:
    found: Projector | None = call.cloud.parts.get(Projector)
    return found


async def _find(call: Call) -> Known[Server]:
    """The server; from 2.21 on one that is deleted too. Raises NotFound."""
    id = call.path["id"]
    known: Known[Server] | None = call.fold.known(servers, id)
    tables = _tables(call)
    if known is None and tables is not None and call.version >= (2, 21):
        known = next(iter(await wide.known(tables, table(servers), [id[:255]])), None)
    if known is None or not call.may_see(known.state) or (known.state.deleted and call.version < (2, 21)):
        raise not_found(id)
    call.enforce(target(known.state))
    return known


async def _actions(call: Call) -> list[ActionView]:
    """What was asked for, the oldest first, each with its steps."""
    server = (await _find(call)).state
    tables = _tables(call)
    columns = ", ".join(map(quoted, HISTORY.types))
    question = f"SELECT {columns} FROM {HISTORY.name} WHERE server = ? ORDER BY sequence"
    rows = await tables.ask(question, [server.id]) if tables else []
    happenings = [msgspec.convert(dict(zip(HISTORY.types, row, strict=True)), Happening) for row in rows]
    return told(server, happenings, details=call.allows(f"{_RULE}:events:details", target(server)))


def told(server: Server, happenings: list[Happening], *, details: bool) -> list[ActionView]:
    """The history of a server as actions."""
    actions: list[ActionView] = []
    for one in happenings:
        at = one.at.replace(tzinfo=None)
        if one.what in ASKED:
            actions.append(_begun(server, one, at))
        elif actions:
            _went_on(server, actions[-1], one, at, details)
    return actions


def _begun(server: Server, one: Happening, at: datetime) -> ActionView:
    action = ActionView(
        action=one.what,
        instance_uuid=server.id,
        request_id=one.request,
        user_id=one.user,
        project_id=one.project,
        start_time=at,
        updated_at=at,
        events=[],
    )
    if one.what in _STEPS:
        name = _SCHEDULING if one.what == "create" else _STEPS[one.what]
        action.events = [EventView(event=name, start_time=at)]
    return action


def _went_on(server: Server, action: ActionView, one: Happening, at: datetime, details: bool) -> None:
    """The step that was being taken ends, and after a host was found the next one begins."""
    steps = action.events or []
    step = steps[-1] if steps else None
    if step is None or step.result == "Error":
        return  # nothing was being done, or it had failed already
    action.updated_at = step.finish_time = at
    step.result = "Error" if one.what == FAILED else "Success"
    if one.host is not None:
        step.hostId = host_id(server.project, one.host)
        step.host = one.host if details else UNSET
    if one.what == FAILED:
        action.message = "Error"
        step.details = one.message
        step.traceback = one.details if details else UNSET
    elif not details:
        step.traceback = UNSET
    if one.what == PLACED and action.action == "create":
        steps.append(EventView(event=_STEPS["create"], start_time=at))


async def every(call: Call) -> ActionList:
    """The actions, the newest first. Raises NotFound, Invalid."""
    values = known_queries(call, {"limit", "marker", "changes-since", "changes-before"})
    found = (await _actions(call))[::-1]
    for action in found:
        action.events = UNSET
    if call.version < (2, 58):
        return ActionList(found)
    found = _within(values, found)
    limit = limit_of(values, call.cloud.settings.gateway.page)
    page = found[:limit]
    links: list[Link] | UnsetType = UNSET
    if page and len(found) > len(page):
        here = f"{call.root}/v2.1/servers/{call.path['id']}/os-instance-actions"
        links = [Link("next", with_query(here, call.request.url.query, marker=page[-1].request_id))]
    return ActionList(page, links)


def _within(values: dict[str, list[str]], found: list[ActionView]) -> list[ActionView]:
    if "changes-since" in values:
        first = _plain(time_of("changes-since", values["changes-since"][-1]))
        found = [one for one in found if one.updated_at is not UNSET and one.updated_at >= first]
    if "changes-before" in values:
        last = _plain(time_of("changes-before", values["changes-before"][-1]))
        found = [one for one in found if one.updated_at is not UNSET and one.updated_at <= last]
    if "marker" in values:
        marker = values["marker"][-1]
        at = next((number for number, one in enumerate(found) if one.request_id == marker), None)
        if at is None:
            raise Invalid(f"marker [{marker[:255]}] not found")
        found = found[at + 1 :]
    return found


def _plain(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(tzinfo=None)


async def one(call: Call) -> ActionAnswer:
    """One action, by the id of its request. Raises NotFound."""
    wanted = call.path["request"]
    for action in reversed(await _actions(call)):
        if action.request_id == wanted:
            if call.version < (2, 51) and not call.allows(f"{_RULE}:events"):
                action.events = UNSET
            return ActionAnswer(action)
    raise NotFound(f"Action {wanted[:255]} not found")
