"""What projects have used: hours of servers between two times. Source: Compute API reference, "Usage reports"."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from events.compute import server as servers
from events.compute.server import Server
from events.fold import Known
from events.refusals import Invalid
from gateway.compute.words import queries
from gateway.serving import Call
from projections.projector import Projector
from projections.tables import table


class ServerUsage(Struct, kw_only=True):
    instance_id: str
    name: str
    tenant_id: str
    flavor: str
    state: str
    hours: float
    uptime: int  # seconds
    started_at: datetime
    ended_at: datetime | None
    vcpus: int
    memory_mb: int
    local_gb: int


class Usage(Struct, kw_only=True):
    tenant_id: str
    start: datetime
    stop: datetime
    total_hours: float = 0.0
    total_vcpus_usage: float = 0.0
    total_memory_mb_usage: float = 0.0
    total_local_gb_usage: float = 0.0
    server_usages: list[ServerUsage] | UnsetType = UNSET


class UsageList(Struct):
    tenant_usages: list[Usage]


class UsageAnswer(Struct):
    tenant_usage: Usage | dict[str, Any]


async def every(call: Call) -> UsageList:
    """What each project has used. Raises Invalid."""
    start, stop, detailed = _span(call)
    by_project: dict[str, list[Known[Server]]] = {}
    for known in await _servers(call, None, start):
        by_project.setdefault(known.state.project, []).append(known)
    found = [_usage(call, project, some, start, stop, detailed) for project, some in sorted(by_project.items())]
    return UsageList([usage for usage in found if usage is not None])


async def one(call: Call) -> UsageAnswer:
    """What one project has used, server by server. Raises Invalid."""
    start, stop, _ = _span(call)
    project = call.path["project"]
    if project != call.who.project and not call.is_admin:
        project = call.project
    usage = _usage(call, project, await _servers(call, project, start), start, stop, True)
    return UsageAnswer(usage or {})


def _span(call: Call) -> tuple[datetime, datetime, bool]:
    values = queries(call)
    now = call.cloud.clock.now()
    start = _time(values["start"][-1]) if values.get("start") else now
    stop = _time(values["end"][-1]) if values.get("end") else now
    if start > stop:
        raise Invalid("Invalid start time. The start time cannot occur after the end time.")
    return start, stop, values.get("detailed", ["0"])[-1] in ("1", "True", "true")


def _time(text: str) -> datetime:
    try:
        if len(text) < 16:
            raise ValueError(text)
        found = datetime.fromisoformat(text)
    except ValueError as fault:
        raise Invalid("Invalid datetime string: Datetime is in invalid format") from fault
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


async def _servers(call: Call, project: str | None, start: datetime) -> Iterable[Known[Server]]:
    """The living from the fold, and from the tables those that died after `start`."""
    shelf = call.fold.shelf(servers)
    keys = shelf.live.keys() if project is None else shelf.indexes["project"].find(project)
    found = [shelf.known[key] for key in keys]
    tables: Projector | None = call.cloud.parts.get(Projector)
    if tables is not None:
        one, bounds = table(servers), [start.astimezone(UTC).replace(tzinfo=None), *([project] if project else [])]
        mine = " AND project = ?" if project else ""
        rows = await tables.ask(f"SELECT known FROM {one.name} WHERE deleted AND updated_at > ?{mine}", bounds)
        found += [one.decode(text) for (text,) in rows]
    return found


def _usage(
    call: Call, project: str, some: Iterable[Known[Server]], start: datetime, stop: datetime, detailed: bool
) -> Usage | None:
    until = min(stop, call.cloud.clock.now())
    views = [view for known in some if (view := _server(known, start, until))]
    if not views:
        return None
    usage = Usage(tenant_id=project, start=start.replace(tzinfo=None), stop=stop.replace(tzinfo=None))
    for view in views:
        usage.total_hours += view.hours
        usage.total_vcpus_usage += view.hours * view.vcpus
        usage.total_memory_mb_usage += view.hours * view.memory_mb
        usage.total_local_gb_usage += view.hours * view.local_gb
    if detailed:
        usage.server_usages = views
    return usage


def _server(known: Known[Server], start: datetime, until: datetime) -> ServerUsage | None:
    server = known.state
    began, ended = server.launched_at or known.created_at, server.terminated_at
    first, last = max(began, start), min(ended or until, until)
    if last < first or (server.deleted and server.launched_at is None):
        return None
    size = server.size
    return ServerUsage(
        instance_id=server.id,
        name=server.name,
        tenant_id=server.project,
        flavor=size.name,
        state="terminated" if server.deleted else servers.vm_state(server),
        hours=(last - first).total_seconds() / 3600,
        uptime=int(((ended or until) - began).total_seconds()),
        started_at=began.replace(tzinfo=None),
        ended_at=ended.replace(tzinfo=None) if ended else None,
        vcpus=size.vcpus,
        memory_mb=size.ram,
        local_gb=size.disk + size.ephemeral,
    )
