"""Quotas over HTTP, and what refuses beyond them. Source: Compute API reference, "Quota sets (os-quota-sets)"."""

from __future__ import annotations

from collections.abc import Mapping

from events.compute import quota as quotas
from events.compute.quota import DEFAULTS
from events.compute.server import Size
from events.refusals import Invalid, OverQuota
from events.room import Room
from gateway.serving import Call

MOST_SERVERS = 1000  # of one request, whatever the quota holds


def limits(call: Call, project: str) -> dict[str, int]:
    """The limits of a project, by resource."""
    room: Room | None = call.fold.get(quotas, project)
    return {**DEFAULTS, **room.limits} if room else DEFAULTS


def used(call: Call, project: str) -> dict[str, int]:
    """What a project uses of what is counted."""
    room: Room | None = call.fold.get(quotas, project)
    return room.used if room else {}


def amounts(size: Size) -> dict[str, int]:
    """What one server of a size needs."""
    return {"instances": 1, "cores": size.vcpus, "ram": size.ram}


def over(lacking: Mapping[str, tuple[object, int, int]]) -> OverQuota:
    """The refusal of a request; by resource what was asked for, is used, and the limit."""
    names = sorted(lacking)
    said = [", ".join(str(lacking[name][part]) for name in names) for part in (0, 1, 2)]
    what = ", ".join(names)
    return OverQuota(f"Quota exceeded for {what}: Requested {said[0]}, but already used {said[1]} of {said[2]} {what}")


def granted(call: Call, size: Size, least: int, most: int) -> int:
    """How many servers of a size the project's quota holds, from `least` to `most`. Raises OverQuota."""
    limit, have, each = limits(call, call.project), used(call, call.project), amounts(size)
    holds = min(most, MOST_SERVERS)
    for name, amount in each.items():
        if limit[name] >= 0 and amount:
            holds = min(holds, max(limit[name] - have.get(name, 0), 0) // amount)
    if holds >= least:
        return holds
    lacking = {
        name: (_asked(amount, least, most), have.get(name, 0), limit[name])
        for name, amount in each.items()
        if 0 <= limit[name] < have.get(name, 0) + amount * least
    }
    raise over(lacking) if lacking else Invalid(f"At most {MOST_SERVERS} servers can be asked for at once.")


def _asked(amount: int, least: int, most: int) -> str:
    return str(amount * most) if least == most else f"{amount * least}-{amount * most}"
