"""Hosts over HTTP, as services, hypervisors and availability zones.

Source: Compute API reference, "Compute services (os-services)", "Hypervisors (os-hypervisors)", "Availability zones".
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from events.compute import host as hosts
from events.compute import server as servers
from events.compute.host import DeleteHost, DisableHost, EnableHost, ForceHostDown, Host
from events.fold import Known
from events.ids import derived, is_uuid
from events.refusals import Conflict, Invalid, NotFound
from gateway.compute.words import Flag, is_true, known_queries
from gateway.microversions import since
from gateway.serving import Call

BINARY = "nova-compute"
Text = Annotated[str, Meta(min_length=1, max_length=255)]


def uuid_of(kind: str, host: str) -> str:
    """The id of a host as `service` or `hypervisor`."""
    return derived("compute", kind, host)


def number_of(kind: str, host: str) -> int:
    """Its id below 2.53."""
    return int(uuid_of(kind, host)[:8], 16) & 0x7FFFFFFF


def id_of(call: Call, kind: str, host: str) -> str | int:
    return uuid_of(kind, host) if call.version >= (2, 53) else number_of(kind, host)


def every(call: Call) -> list[Known[Host]]:
    """All hosts, by name."""
    shelf = call.fold.shelf(hosts)
    return [shelf.known[key] for key in sorted(shelf.live)]


def named(call: Call, kind: str, id: str) -> Known[Host] | None:
    """The host that has this id."""
    return next((known for known in every(call) if str(id_of(call, kind, known.state.id)) == id), None)


# Services


class ServiceView(Struct, kw_only=True):
    id: str | int
    binary: str
    host: str
    zone: str
    status: str
    state: str
    updated_at: datetime
    disabled_reason: str | None
    forced_down: Annotated[bool | UnsetType, since(2, 11)] = UNSET


class ServiceList(Struct):
    services: list[ServiceView]


class ServiceAnswer(Struct):
    service: ServiceView | dict[str, object]


class ServiceChange(Struct, forbid_unknown_fields=True):
    status: Literal["enabled", "disabled"] | UnsetType = UNSET
    disabled_reason: Text | UnsetType = UNSET
    forced_down: Flag | UnsetType = UNSET


class OldServiceChange(Struct, forbid_unknown_fields=True):
    host: Text
    binary: Text
    disabled_reason: Text | UnsetType = UNSET
    forced_down: Flag | UnsetType = UNSET


def service(call: Call, known: Known[Host]) -> ServiceView:
    host = known.state
    return ServiceView(
        id=id_of(call, "service", host.id),
        binary=BINARY,
        host=host.id,
        zone=host.zone,
        status="disabled" if host.disabled else "enabled",
        state="up" if host.alive else "down",
        updated_at=known.updated_at.replace(tzinfo=None),
        disabled_reason=host.disabled_reason,
        forced_down=host.forced_down,
    )


async def services(call: Call) -> ServiceList:
    """The hosts' services; `host` and `binary` narrow. Raises Invalid."""
    values = known_queries(call, frozenset(("host", "binary")))
    found = [service(call, known) for known in every(call)]
    if "host" in values:
        found = [one for one in found if one.host == values["host"][-1]]
    if "binary" in values:
        found = [one for one in found if one.binary == values["binary"][-1]]
    return ServiceList(found)


async def change_service(call: Call, body: ServiceChange) -> ServiceAnswer:
    """Enable it, disable it, force it down. Raises NotFound, Invalid."""
    known = _service(call, f"Service {call.path['id'][:255]} could not be found.")
    host = known.state.id
    if body.disabled_reason is not UNSET and body.status != "disabled":
        raise Invalid("Specifying disabled_reason requires that status is disabled.")
    if body.status is UNSET and body.forced_down is UNSET:
        raise Invalid("No updates were requested. Fields 'status' or 'forced_down' should be specified.")
    if body.status == "enabled":
        await call.do(hosts, EnableHost(id=host))
    if body.status == "disabled":
        await call.do(hosts, DisableHost(id=host, reason=body.disabled_reason or None))
    if body.forced_down is not UNSET:
        await call.do(hosts, ForceHostDown(id=host, forced=is_true(body.forced_down)))
    return ServiceAnswer(service(call, _now(call, host)))


def _now(call: Call, host: str) -> Known[Host]:
    known: Known[Host] | None = call.fold.known(hosts, host)
    assert known is not None, "it was just changed"
    return known


def _service(call: Call, refusal: str) -> Known[Host]:
    id = call.path["id"]
    if call.version >= (2, 53) and not is_uuid(id):
        raise Invalid(f"Invalid uuid {id[:255]}")
    known = named(call, "service", id)
    if known is None:
        raise NotFound(refusal)
    return known


async def change_service_by_name(call: Call, body: OldServiceChange) -> ServiceAnswer:
    """The same below 2.53: the path says what, the body which. Raises NotFound, Invalid."""
    action = call.path["id"]
    if action not in ("enable", "disable", "disable-log-reason", "force-down"):
        raise NotFound("Unknown action")
    if call.fold.get(hosts, body.host) is None:
        raise NotFound(f"Host '{body.host}' is not mapped to any cell")
    said: dict[str, object] = {"host": body.host, "binary": body.binary}
    if action == "enable":
        await call.do(hosts, EnableHost(id=body.host))
        said["status"] = "enabled"
    elif action == "force-down":
        if call.version < (2, 11) or body.forced_down is UNSET:
            raise NotFound("Unknown action") if call.version < (2, 11) else Invalid("Missing forced_down field")
        await call.do(hosts, ForceHostDown(id=body.host, forced=is_true(body.forced_down)))
        said["forced_down"] = is_true(body.forced_down)
    else:
        if action == "disable-log-reason" and body.disabled_reason is UNSET:
            raise Invalid("Missing disabled reason field")
        await call.do(hosts, DisableHost(id=body.host, reason=body.disabled_reason or None))
        said["status"] = "disabled"
        if body.disabled_reason is not UNSET:
            said["disabled_reason"] = body.disabled_reason
    return ServiceAnswer(said)


async def delete_service(call: Call) -> None:
    """Forget a host that has no servers. Raises NotFound, Conflict."""
    host = _service(call, f"Service {call.path['id'][:255]} not found.").state
    if call.fold.count(servers, "host", host.id):
        raise Conflict(
            "Unable to delete compute service that is hosting instances. Migrate or delete the instances first."
        )
    await call.do(hosts, DeleteHost(id=host.id))


# Zones


class ZoneState(Struct):
    available: bool


class ServiceState(Struct):
    active: bool
    available: bool
    updated_at: datetime


class ZoneView(Struct):
    zoneName: str
    zoneState: ZoneState
    hosts: dict[str, dict[str, ServiceState]] | None = None


class ZoneList(Struct):
    availabilityZoneInfo: list[ZoneView]


def _zones(call: Call) -> dict[str, list[Known[Host]]]:
    found: dict[str, list[Known[Host]]] = {}
    for known in every(call):
        found.setdefault(known.state.zone, []).append(known)
    return dict(sorted(found.items()))


def _available(known: Known[Host]) -> bool:
    return known.state.alive and not known.state.disabled


async def zones(call: Call) -> ZoneList:
    """The zones that hosts are in; available where one of them is."""
    return ZoneList([ZoneView(name, ZoneState(any(map(_available, some)))) for name, some in _zones(call).items()])


async def zones_detailed(call: Call) -> ZoneList:
    """The zones with their hosts, and the one of the cloud's own services."""
    views = [ZoneView("internal", ZoneState(True), {})]
    for name, some in _zones(call).items():
        states = {
            one.state.id: {
                BINARY: ServiceState(not one.state.disabled, one.state.alive, one.updated_at.replace(tzinfo=None))
            }
            for one in some
        }
        views.append(ZoneView(name, ZoneState(any(map(_available, some))), states))
    return ZoneList(views)
