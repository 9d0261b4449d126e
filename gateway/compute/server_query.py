"""What may be asked of a list of servers. Source: Compute API reference, "List Servers", section "Request"."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from events.compute.server import Server, task_state, vm_state
from events.fold import Known
from events.refusals import Forbidden, Invalid
from gateway.compute.words import boolean, limit_of, of_query, queries
from gateway.serving import Call

KnownServer = Known[Server]


_PATTERNS = frozenset(("name", "ip", "ip6", "hostname", "display_name"))
_TIMES = frozenset(("changes-since", "changes-before"))
TAGS = frozenset(("tags", "tags-any", "not-tags", "not-tags-any"))
# Everybody may use these; others than them are for admins, and mean nothing to the rest.
_FOR_ALL = {
    *("name", "status", "image", "flavor", "reservation_id", "ip", "ip6", "changes-since", "changes-before"),
    *("tags", "tags-any", "not-tags", "not-tags-any", "locked", "limit", "marker", "sort_key", "sort_dir"),
    *("all_tenants", "availability_zone", "config_drive", "key_name", "created_at", "launched_at", "terminated_at"),
    *("power_state", "task_state", "vm_state", "progress", "user_id", "deleted", "hostname"),
}
_KNOWN = _FOR_ALL | {
    *("host", "node", "uuid", "project_id", "tenant_id", "display_name", "display_description", "description"),
    *("access_ip_v4", "access_ip_v6", "auto_disk_config", "image_ref", "kernel_id", "ramdisk_id", "root_device_name"),
    *("launch_index", "locked_by", "soft_deleted"),
}
SORT_KEYS: dict[str, Callable[[KnownServer], Any]] = {
    "created_at": lambda known: known.created_at,
    "updated_at": lambda known: known.updated_at,
    "uuid": lambda known: known.state.id,
    "display_name": lambda known: known.state.name,
    "display_description": lambda known: known.state.description,
    "vm_state": lambda known: vm_state(known.state),
    "task_state": lambda known: task_state(known.state),
    "host": lambda known: known.state.host,
    "node": lambda known: known.state.host,
    "image_ref": lambda known: known.state.image,
    "key_name": lambda known: known.state.key_name,
    "hostname": lambda known: known.state.hostname,
    "project_id": lambda known: known.state.project,
    "user_id": lambda known: known.state.user,
    "launched_at": lambda known: known.state.launched_at,
    "terminated_at": lambda known: known.state.terminated_at,
    "launch_index": lambda known: known.state.launch_index,
    "availability_zone": lambda known: known.state.zone,
    "access_ip_v4": lambda known: known.state.access_ipv4,
    "access_ip_v6": lambda known: known.state.access_ipv6,
    "auto_disk_config": lambda known: known.state.disk_config,
    "config_drive": lambda known: known.state.config_drive,
    "instance_type_id": lambda known: known.state.size.id,
    "root_device_name": lambda known: None,
    "power_state": lambda known: known.state.status,
    "progress": lambda known: 0,
    "kernel_id": lambda known: None,
    "ramdisk_id": lambda known: None,
    "locked": lambda known: known.state.locked,
    "locked_by": lambda known: known.state.locked_by,
}
STATUSES = {
    *("ACTIVE", "BUILD", "DELETED", "ERROR", "HARD_REBOOT", "MIGRATING", "PASSWORD", "PAUSED", "REBOOT", "REBUILD"),
    *("RESCUE", "RESIZE", "REVERT_RESIZE", "SHELVED", "SHELVED_OFFLOADED", "SHUTOFF", "SOFT_DELETED", "SUSPENDED"),
    *("UNKNOWN", "VERIFY_RESIZE"),
}


class Query(Struct, frozen=True, kw_only=True):
    """A list's question, read."""

    values: dict[str, list[str]]
    all_projects: bool
    deleted: bool
    since: datetime | None
    limit: int
    marker: str | None
    sort: tuple[tuple[str, bool], ...]  # (key, descending)


def read(call: Call) -> Query:
    """The query string. Raises Invalid, Forbidden."""
    values = queries(call)
    for name in values:
        if name not in _KNOWN and not name.startswith("_") and call.version >= (2, 75):
            raise Invalid(f"'{name[:255]}' does not match any of the regexes: '^_'")
    limit = limit_of(values, call.cloud.settings.gateway.page)
    for name in _PATTERNS & values.keys():
        for text in values[name]:
            pattern(name, text)
    times = {name: time_of(name, values[name][-1]) for name in _TIMES & values.keys()}
    everybody = _all_tenants(values)
    if everybody:
        call.require(f"{call.operation}:get_all_tenants")
    statuses = values.get("status", [])
    if not call.is_admin and "DELETED" in (text.upper() for text in statuses):
        raise Forbidden("Only administrators may list deleted instances")
    anything = call.allows("os_compute_api:servers:allow_all_filters")
    allowed = values if anything else {name: one for name, one in values.items() if name in _FOR_ALL}
    return Query(
        values=allowed,
        all_projects=everybody,
        deleted=call.is_admin and (("deleted" in values and loosely(values["deleted"][-1])) or "deleted" in statuses),
        since=times.get("changes-since"),
        limit=limit,
        marker=values["marker"][-1] if "marker" in values else None,
        sort=_sort(values),
    )


def _all_tenants(values: dict[str, list[str]]) -> bool:
    if "all_tenants" not in values:
        return False
    text = values["all_tenants"][-1]
    return boolean(text) if text else True


def loosely(text: str) -> bool:
    return text.strip().lower() in ("1", "t", "true", "on", "y", "yes")


def _sort(values: dict[str, list[str]]) -> tuple[tuple[str, bool], ...]:
    keys, directions = values.get("sort_key", []), values.get("sort_dir", [])
    for key in keys:
        if key not in SORT_KEYS:
            raise of_query("sort_key", key, f"{key!r} is not one of {sorted(SORT_KEYS)}")
    for direction in directions:
        if direction not in ("asc", "desc"):
            raise Invalid("Invalid input received: Unknown sort direction, must be 'desc' or 'asc'")
    if len(directions) > max(len(keys), 1):
        raise Invalid("Invalid input received: Sort direction size exceeds sort key size")
    default = directions[0] if directions else "desc"
    named = directions + [default] * (len(keys) - len(directions))
    return tuple((key, direction == "desc") for key, direction in zip(keys, named, strict=False))


def pattern(name: str, text: str) -> re.Pattern[str]:
    """A regular expression, kept short: what backtracks is refused by its length alone. Raises Invalid."""
    try:
        if text and len(text) <= 255:
            return re.compile(text, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError):
        pass
    raise of_query(name, text, f"{text[:255]!r} is not a 'regex'")


def time_of(name: str, text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.replace(" ", "+", 1) if "T" in text else text)
    except ValueError as fault:
        raise of_query(name, text, f"{text[:255]!r} is not a 'date-time'") from fault
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
