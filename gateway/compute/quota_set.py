"""Quota sets and limits over HTTP. Source: Compute API reference, "Quota sets (os-quota-sets)", "Limits (limits)"."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from events.compute import quota as quotas
from events.compute.quota import DEFAULTS, ResetLimits, SetLimits
from events.refusals import Invalid
from gateway.compute import projects, quota
from gateway.compute.words import Flag, is_true, known_queries
from gateway.microversions import Version, until
from gateway.serving import Call

MOST = 0x7FFFFFFF
Limit = Annotated[int, Meta(ge=-1, le=MOST)] | Annotated[str, Meta(pattern=r"^-?[0-9]+$", max_length=11)] | UnsetType

# Until which version a quota exists; the rest exist in all.
_LAST: dict[str, Version] = {
    "fixed_ips": (2, 35),
    "floating_ips": (2, 35),
    "security_groups": (2, 35),
    "security_group_rules": (2, 35),
    "injected_files": (2, 56),
    "injected_file_content_bytes": (2, 56),
    "injected_file_path_bytes": (2, 56),
}


class NewLimits(Struct, kw_only=True, forbid_unknown_fields=True):
    instances: Limit = UNSET
    cores: Limit = UNSET
    ram: Limit = UNSET
    key_pairs: Limit = UNSET
    metadata_items: Limit = UNSET
    server_groups: Limit = UNSET
    server_group_members: Limit = UNSET
    fixed_ips: Annotated[Limit, until(2, 35)] = UNSET
    floating_ips: Annotated[Limit, until(2, 35)] = UNSET
    security_groups: Annotated[Limit, until(2, 35)] = UNSET
    security_group_rules: Annotated[Limit, until(2, 35)] = UNSET
    networks: Annotated[Limit, until(2, 34)] = UNSET
    injected_files: Annotated[Limit, until(2, 56)] = UNSET
    injected_file_content_bytes: Annotated[Limit, until(2, 56)] = UNSET
    injected_file_path_bytes: Annotated[Limit, until(2, 56)] = UNSET
    force: Flag = False


class UpdateBody(Struct, forbid_unknown_fields=True):
    quota_set: NewLimits


class Detail(Struct):
    limit: int
    in_use: int
    reserved: int = 0


Answer = dict[str, dict[str, Any]]


def _names(call: Call) -> list[str]:
    return [name for name in sorted(DEFAULTS) if call.version <= _LAST.get(name, call.version)]


def _checked(call: Call) -> str:
    """The project that the path names. Raises Invalid, Forbidden."""
    id = call.path["project"]
    call.enforce({"project_id": id, "tenant_id": id})
    known_queries(call, {"user_id"})
    projects.check(call, id)
    return id


async def show(call: Call) -> Answer:
    """The limits of a project. Raises Invalid, Forbidden."""
    id = _checked(call)
    limits = quota.limits(call, id)
    return {"quota_set": {"id": id, **{name: limits[name] for name in _names(call)}}}


async def defaults(call: Call) -> Answer:
    """The limits of projects that have none of their own. Raises Invalid, Forbidden."""
    id = _checked(call)
    return {"quota_set": {"id": id, **{name: DEFAULTS[name] for name in _names(call)}}}


async def detail(call: Call) -> Answer:
    """The limits of a project and what it uses. Raises Invalid, Forbidden."""
    id = _checked(call)
    limits, used = quota.limits(call, id), quota.used(call, id)
    return {"quota_set": {"id": id, **{n: Detail(limits[n], used.get(n, 0)) for n in _names(call)}}}


async def update(call: Call, body: UpdateBody) -> Answer:
    """Limits of a project's own. Raises Invalid."""
    id = call.path["project"]
    call.enforce({"project_id": id, "tenant_id": id})
    projects.check(call, id)
    given = {name: _number(name, value) for name in DEFAULTS if (value := getattr(body.quota_set, name)) is not UNSET}
    if not is_true(body.quota_set.force):
        _refuse_below_use(call, id, given)
    if given:
        await call.do(quotas, SetLimits(id=id, limits=given))
    limits = quota.limits(call, id)
    return {"quota_set": {name: limits[name] for name in _names(call)}}


def _number(name: str, given: int | str) -> int:
    number = int(given)
    if not -1 <= number <= MOST:
        wrong = "less than the minimum of -1" if number < 0 else f"greater than the maximum of {MOST}"
        raise Invalid(f"Invalid input for field/attribute {name}. Value: {given}. {given} is {wrong}")
    return number


def _refuse_below_use(call: Call, id: str, given: dict[str, int]) -> None:
    used = quota.used(call, id)
    for name, limit in given.items():
        if 0 <= limit < used.get(name, 0):
            raise Invalid(
                f"Quota limit {limit} for {name} must be greater than or equal to already used and reserved "
                f"{used[name]}."
            )


async def reset(call: Call) -> None:
    """The defaults again."""
    id = call.path["project"]
    call.enforce({"project_id": id, "tenant_id": id})
    await call.do(quotas, ResetLimits(id=id[:255]))


async def class_show(call: Call) -> Answer:
    """The defaults, as the quota class `default`."""
    here = call.version < (2, 50)
    hidden = {"server_groups", "server_group_members"} if here else set()
    shown = [n for n in sorted(DEFAULTS) if n not in hidden and call.version <= _class_last(n, call.version)]
    return {"quota_class_set": {"id": call.path["name"], **{name: DEFAULTS[name] for name in shown}}}


def _class_last(name: str, version: Version) -> Version:
    last = _LAST.get(name, version)
    return (2, 49) if last == (2, 35) else last


# Limits


class Absolute(Struct, kw_only=True):
    maxTotalInstances: int
    maxTotalCores: int
    maxTotalRAMSize: int
    maxTotalKeypairs: int
    maxServerMeta: int
    maxServerGroups: int
    maxServerGroupMembers: int
    totalInstancesUsed: int
    totalCoresUsed: int
    totalRAMUsed: int
    totalServerGroupsUsed: int = 0
    maxImageMeta: Annotated[int | UnsetType, until(2, 38)] = UNSET
    maxPersonality: Annotated[int | UnsetType, until(2, 56)] = UNSET
    maxPersonalitySize: Annotated[int | UnsetType, until(2, 56)] = UNSET
    maxTotalFloatingIps: Annotated[int | UnsetType, until(2, 35)] = -1
    maxSecurityGroups: Annotated[int | UnsetType, until(2, 35)] = -1
    maxSecurityGroupRules: Annotated[int | UnsetType, until(2, 35)] = -1
    totalFloatingIpsUsed: Annotated[int | UnsetType, until(2, 35)] = 0
    totalSecurityGroupsUsed: Annotated[int | UnsetType, until(2, 35)] = 0


class Limits(Struct):
    rate: list[Any]
    absolute: Absolute


class LimitsAnswer(Struct):
    limits: Limits


async def limits(call: Call) -> LimitsAnswer:
    """What the caller's project may use and does; an admin may name another. Raises Invalid."""
    values = known_queries(call, {"tenant_id"})
    others = "tenant_id" in values and call.allows("os_compute_api:limits:other_project")
    project = values["tenant_id"][-1] if others else call.project
    limit, used = quota.limits(call, project), quota.used(call, project)
    absolute = Absolute(
        maxTotalInstances=limit["instances"],
        maxTotalCores=limit["cores"],
        maxTotalRAMSize=limit["ram"],
        maxTotalKeypairs=limit["key_pairs"],
        maxServerMeta=limit["metadata_items"],
        maxServerGroups=limit["server_groups"],
        maxServerGroupMembers=limit["server_group_members"],
        totalInstancesUsed=used.get("instances", 0),
        totalCoresUsed=used.get("cores", 0),
        totalRAMUsed=used.get("ram", 0),
        maxImageMeta=limit["metadata_items"],
        maxPersonality=limit["injected_files"],
        maxPersonalitySize=limit["injected_file_content_bytes"],
    )
    return LimitsAnswer(Limits([], absolute))
