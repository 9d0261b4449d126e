"""The scheduler: which host a server is to run on, and why not on each of the others.

Filters and weighers bear nova's names. Source: Compute administrator guide, "Compute schedulers".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

from msgspec import Struct

from events.compute.host import Host
from events.compute.server import Server
from events.room import Room
from events.settings import Compute

Amounts = dict[str, int]


class Candidate:
    """A host with what is left of it in this round of planning."""

    __slots__ = ("disk", "host", "is_open", "left", "limits", "ram", "room", "used", "vcpus")

    def __init__(self, host: Host, limits: Amounts, room: Room | None) -> None:
        self.host = host
        self.is_open = host.alive and not host.disabled
        self.limits = limits
        self.room = room
        self.used: Amounts = {}
        self.ram = self.vcpus = self.disk = 0  # free: MiB, processors, GiB
        self.left = (0, 0, 0)  # the same, in the order of WEIGHERS
        self.begin()

    def begin(self) -> None:
        """A new round: what was only planned in the last one is forgotten."""
        self._use(dict(self.room.used) if self.room is not None else {})

    def take(self, amounts: Amounts) -> None:
        self._use({name: self.used.get(name, 0) + amounts.get(name, 0) for name in self.limits})

    def _use(self, used: Amounts) -> None:
        self.used = used
        self.ram, self.vcpus, self.disk = self.left = self.free("ram"), self.free("vcpus"), self.free("disk")

    def free(self, name: str) -> int:
        return self.limits[name] - self.used.get(name, 0)


class Choice(Struct, frozen=True):
    """The host that was chosen; or none, and why each was rejected."""

    host: str | None
    rejected: Mapping[str, str]  # host -> filter and reason
    hopeful: bool = False  # a host that is only down could hold it


def limits(host: Host, settings: Compute) -> Amounts:
    """How much of a host may be given away, overcommitment included."""
    capacity = host.capacity
    reserved = settings.reserved_ram if capacity.hypervisor_type != "simulated" else 0
    return {
        "vcpus": int(capacity.vcpus * settings.cpu_ratio),
        "ram": int(max(capacity.ram - reserved, 0) * settings.ram_ratio),
        "disk": int(capacity.disk * settings.disk_ratio),
    }


def amounts(server: Server) -> Amounts:
    """What a server takes of its host."""
    size = server.size
    return {"vcpus": size.vcpus, "ram": size.ram, "disk": size.disk + size.ephemeral + -(-size.swap // 1024)}


Filter = Callable[[Candidate, Server, Amounts], str | None]
"""Why a host is rejected; None if it passes."""


def compute_filter(candidate: Candidate, server: Server, asked: Amounts) -> str | None:
    host = candidate.host
    if not host.alive:
        return "its agent is not heard"
    if host.disabled:
        return f"disabled: {host.disabled_reason or 'no reason given'}"
    return None


def availability_zone_filter(candidate: Candidate, server: Server, asked: Amounts) -> str | None:
    zone, _, _ = (server.zone or "").partition(":")
    return f"zone {candidate.host.zone}, {zone} asked" if zone and zone != candidate.host.zone else None


def requested_host_filter(candidate: Candidate, server: Server, asked: Amounts) -> str | None:
    """A host may be named: by itself, or in `availability_zone` as `zone:host`."""
    _, _, host = (server.zone or "").partition(":")
    wanted = server.requested_host or host
    return f"host {wanted} asked" if wanted and wanted != candidate.host.id else None


def _room(name: str, unit: str) -> Filter:
    def passes(candidate: Candidate, server: Server, asked: Amounts) -> str | None:
        free = candidate.free(name)
        return f"{asked[name]} {unit} asked, {free} free" if asked[name] > free else None

    return passes


FILTERS: tuple[tuple[str, Filter], ...] = (
    ("ComputeFilter", compute_filter),
    ("AvailabilityZoneFilter", availability_zone_filter),
    ("RequestedHostFilter", requested_host_filter),
    ("RamFilter", _room("ram", "MiB")),
    ("CoreFilter", _room("vcpus", "vcpus")),
    ("DiskFilter", _room("disk", "GiB")),
)

WEIGHERS: tuple[tuple[str, float], ...] = (("ram", 1.0), ("vcpus", 1.0), ("disk", 1.0))


def weigh(sizes: Sequence[tuple[int, int, int]]) -> list[float]:
    """A weight for each of what hosts have free, RAM, processors and disk: each scaled to 0…1 over all, and summed."""
    weights = [0.0] * len(sizes)
    for (_, multiplier), free in zip(WEIGHERS, zip(*sizes, strict=True), strict=True):
        low, high = min(free), max(free)
        if high > low:
            scale = multiplier / (high - low)
            weights = [weight + scale * (value - low) for weight, value in zip(weights, free, strict=True)]
    return weights


def best(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those of the greatest weight. Hosts that are as full as each other weigh the same: each fill is weighed once."""
    sizes = [one.left for one in candidates]
    distinct = list(dict.fromkeys(sizes))
    weights = weigh(distinct)
    most = max(weights)
    heaviest = {size for size, weight in zip(distinct, weights, strict=True) if weight == most}
    return [one for one, size in zip(candidates, sizes, strict=True) if size in heaviest]


def passing(server: Server, candidates: Sequence[Candidate], asked: Amounts) -> list[Candidate]:
    """Those that pass all filters; what of a thousand hosts most are rejected for is looked at in one go."""
    ram, vcpus, disk = asked["ram"], asked["vcpus"], asked["disk"]
    found = [one for one in candidates if one.is_open and ram <= one.ram and vcpus <= one.vcpus and disk <= one.disk]
    if not server.zone and not server.requested_host:
        return found  # the other filters look at nothing else
    return [one for one in found if not any(test(one, server, asked) for _, test in FILTERS)]


def choose(server: Server, candidates: Sequence[Candidate], random: Random, kind: str = "filter") -> Choice:
    """A host for `server` by the scheduler of `kind`.

    `filter` weighs those that pass all filters, `simple` takes the one with the fewest processors in use, `chance` any.
    """
    asked = amounts(server)
    fitting = passing(server, candidates, asked)
    if not fitting:
        return _rejected(server, candidates, asked)
    if kind == "chance":
        chosen = random.choice(fitting)
    elif kind == "simple":
        chosen = min(fitting, key=lambda candidate: candidate.used.get("vcpus", 0))
    else:
        chosen = random.choice(best(fitting))
    return Choice(chosen.host.id, {})


def _rejected(server: Server, candidates: Sequence[Candidate], asked: Amounts) -> Choice:
    """Why no host will do, of each."""
    rejected, hopeful = {}, not candidates
    for candidate in candidates:
        reasons = [(name, why) for name, test in FILTERS if (why := test(candidate, server, asked))]
        rejected[candidate.host.id] = "; ".join(f"{name}: {why}" for name, why in reasons)
        hopeful = hopeful or (len(reasons) == 1 and reasons[0][0] == "ComputeFilter" and not candidate.host.disabled)
    return Choice(None, rejected, hopeful)


def explain(choice: Choice, most: int = 20) -> tuple[str, str]:
    """The fault's message and its details: why each host was rejected."""
    if not choice.rejected:
        return "No valid host was found. There is no host.", ""
    lines = [f"{host}: {why}" for host, why in sorted(choice.rejected.items())]
    more = f" (and {len(lines) - 3} more hosts)" if len(lines) > 3 else ""
    return "No valid host was found. " + " | ".join(lines[:3]) + more, "\n".join(lines[:most])
