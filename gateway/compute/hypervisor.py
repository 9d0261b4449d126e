"""Hypervisors over HTTP: hosts with what they have and hold. Source: Compute API reference, "Hypervisors"."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from events.compute import host_room
from events.compute import server as servers
from events.compute.host import Host
from events.fold import Known
from events.ids import is_uuid
from events.refusals import Invalid, NotFound, NotImplementedHere
from events.room import Room
from gateway.compute.host import every, id_of, named
from gateway.compute.words import boolean, known_queries, limit_of
from gateway.links import Link, with_query
from gateway.microversions import since, until
from gateway.serving import Call

Old = Annotated[int | UnsetType, until(2, 87)]


class ServerView(Struct):
    name: str
    uuid: str


class ServiceView(Struct):
    id: str | int
    host: str
    disabled_reason: str | None


class Brief(Struct, kw_only=True):
    id: str | int
    hypervisor_hostname: str
    state: str
    status: str
    servers: list[ServerView] | UnsetType = UNSET


class View(Brief, kw_only=True):
    hypervisor_type: str
    hypervisor_version: int
    host_ip: str | None
    service: ServiceView
    vcpus: Old = UNSET
    vcpus_used: Old = UNSET
    memory_mb: Old = UNSET
    memory_mb_used: Old = UNSET
    free_ram_mb: Old = UNSET
    local_gb: Old = UNSET
    local_gb_used: Old = UNSET
    free_disk_gb: Old = UNSET
    disk_available_least: Old = UNSET
    running_vms: Old = UNSET
    current_workload: Old = UNSET
    cpu_info: Annotated[Any, until(2, 87)] = UNSET
    uptime: Annotated[str | UnsetType | None, since(2, 88)] = None


class HypervisorList(Struct):
    hypervisors: list[View] | list[Brief]
    hypervisors_links: Annotated[list[Link] | UnsetType, since(2, 33)] = UNSET


class HypervisorAnswer(Struct):
    hypervisor: View


class Statistics(Struct):
    count: int = 0
    vcpus: int = 0
    vcpus_used: int = 0
    memory_mb: int = 0
    memory_mb_used: int = 0
    free_ram_mb: int = 0
    local_gb: int = 0
    local_gb_used: int = 0
    free_disk_gb: int = 0
    disk_available_least: int = 0
    running_vms: int = 0
    current_workload: int = 0


class StatisticsAnswer(Struct):
    hypervisor_statistics: Statistics


def _name(host: Host) -> str:
    return host.capacity.hypervisor_hostname or host.id


def _servers(call: Call, host: Host) -> list[ServerView]:
    return [ServerView(one.name, one.id) for one in call.fold.by(servers, "host", host.id)]


def _brief(call: Call, known: Known[Host], with_servers: bool) -> Brief:
    host = known.state
    return Brief(
        id=id_of(call, "hypervisor", host.id),
        hypervisor_hostname=_name(host),
        state="up" if host.alive else "down",
        status="disabled" if host.disabled else "enabled",
        servers=_servers(call, host) if with_servers else UNSET,
    )


def _used(call: Call, host: Host) -> dict[str, int]:
    room: Room | None = call.fold.get(host_room, host.id)
    return room.used if room else {}


def _view(call: Call, known: Known[Host], with_servers: bool) -> View:
    host, has = known.state, known.state.capacity
    used = _used(call, host)
    ram, disk = used.get("ram", 0), used.get("disk", 0)
    brief = _brief(call, known, with_servers)
    return View(
        id=brief.id,
        hypervisor_hostname=brief.hypervisor_hostname,
        state=brief.state,
        status=brief.status,
        servers=brief.servers,
        hypervisor_type=has.hypervisor_type,
        hypervisor_version=has.hypervisor_version,
        host_ip=None,
        service=ServiceView(id_of(call, "service", host.id), host.id, host.disabled_reason),
        vcpus=has.vcpus,
        vcpus_used=used.get("vcpus", 0),
        memory_mb=has.ram,
        memory_mb_used=ram,
        free_ram_mb=has.ram - ram,
        local_gb=has.disk,
        local_gb_used=disk,
        free_disk_gb=has.disk - disk,
        disk_available_least=has.disk - disk,
        running_vms=call.fold.count(servers, "host", host.id),
        current_workload=0,
        cpu_info=_cpu(has.cpu_info) if call.version >= (2, 28) else has.cpu_info,
    )


def _cpu(text: str) -> Any:
    try:
        return msgspec.json.decode(text) if text else {}
    except msgspec.DecodeError:
        return {"model": text}


async def list_brief(call: Call) -> HypervisorList:
    """Names and states. Raises Invalid, NotFound."""
    found, with_servers, links = _page(call)
    return HypervisorList([_brief(call, known, with_servers) for known in found], links)


async def list_detailed(call: Call) -> HypervisorList:
    """All of each. Raises Invalid, NotFound."""
    found, with_servers, links = _page(call)
    return HypervisorList([_view(call, known, with_servers) for known in found], links)


def _page(call: Call) -> tuple[list[Known[Host]], bool, list[Link] | UnsetType]:
    values = known_queries(call, frozenset(("limit", "marker", "hypervisor_hostname_pattern", "with_servers")))
    found, with_servers = every(call), False
    if call.version >= (2, 53):
        with_servers = "with_servers" in values and boolean(values["with_servers"][-1])
        if "hypervisor_hostname_pattern" in values:
            found = _matching(found, values["hypervisor_hostname_pattern"][-1])
    if call.version < (2, 33):
        return found, with_servers, UNSET
    limit = limit_of(values, call.cloud.settings.gateway.page)
    if "marker" in values:
        ids = [str(id_of(call, "hypervisor", known.state.id)) for known in found]
        if values["marker"][-1] not in ids:
            raise Invalid(f"marker [{values['marker'][-1][:255]}] not found")
        found = found[ids.index(values["marker"][-1]) + 1 :]
    page = found[:limit]
    if not page or len(page) < limit or len(found) == len(page):
        return page, with_servers, UNSET
    here = call.root + call.request.url.path.partition(call.face.path)[2]
    last = str(id_of(call, "hypervisor", page[-1].state.id))
    return page, with_servers, [Link("next", with_query(here, call.request.url.query, marker=last))]


def _matching(found: list[Known[Host]], pattern: str) -> list[Known[Host]]:
    some = [known for known in found if pattern in _name(known.state)]
    if not some:
        raise NotFound(f"No hypervisor matching '{pattern[:255]}' could be found.")
    return some


def _find(call: Call) -> Known[Host]:
    id = call.path["id"]
    if call.version >= (2, 53) and not is_uuid(id):
        raise Invalid(f"Invalid uuid {id[:255]}")
    known = named(call, "hypervisor", id)
    if known is None:
        raise NotFound(f"Hypervisor with ID '{id[:255]}' could not be found.")
    return known


async def show(call: Call) -> HypervisorAnswer:
    """One hypervisor. Raises NotFound, Invalid."""
    values = known_queries(call, frozenset(("with_servers",)))
    with_servers = call.version >= (2, 53) and "with_servers" in values and boolean(values["with_servers"][-1])
    return HypervisorAnswer(_view(call, _find(call), with_servers))


async def uptime(call: Call) -> None:
    """Hosts do not tell for how long they have run. Raises NotFound, NotImplementedHere."""
    _find(call)
    raise NotImplementedHere("Virt driver does not implement uptime function.")


async def search(call: Call) -> HypervisorList:
    """Those whose names hold a word. Raises NotFound."""
    return HypervisorList([_brief(call, known, False) for known in _matching(every(call), call.path["id"])])


async def of_servers(call: Call) -> HypervisorList:
    """The same with their servers. Raises NotFound."""
    return HypervisorList([_brief(call, known, True) for known in _matching(every(call), call.path["id"])])


async def statistics(call: Call) -> StatisticsAnswer:
    """Sums over all enabled hosts."""
    total = Statistics()
    for known in every(call):
        if known.state.disabled:
            continue
        view = _view(call, known, False)
        total.count += 1
        for name in Statistics.__struct_fields__[1:]:
            setattr(total, name, getattr(total, name) + getattr(view, name))
    return StatisticsAnswer(total)
