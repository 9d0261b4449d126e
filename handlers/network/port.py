"""Gives back what was claimed for nothing: by attempts that died, or for ports, networks and groups that are gone.

Two steps: first the resource is told never to listen to the attempt again (events/network/standard.py), then what the
attempt claimed is given back. So an attempt that was only slow cannot use what another has got by then.
Source: DESIGN, "Hard cases, decided", 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import Any

from events.claims import Claim
from events.decider import Step
from events.envelope import Event
from events.fold import Fold
from events.network import address as addresses
from events.network import mac as macs
from events.network import network as networks
from events.network import port as ports
from events.network import quota, segment
from events.network import security_group as groups
from events.network import subnet as subnets
from events.network.network import Network
from events.network.port import Port, PortDeleted
from events.network.security_group import SecurityGroup, SecurityGroupDeleted
from events.network.standard import Standard, Sweep, holder
from events.network.subnet import Subnet
from events.room import Room
from handlers.runner import WHOLE, Sight
from handlers.shares import late
from handlers.wishes import Wish, Wishes
from projections.network.port import gone

WAKES: tuple[type[Event], ...] = (PortDeleted, SecurityGroupDeleted)

RECENT = 10  # minutes for which deadlines are looked at again and again after they have passed
LATELY = 8  # turns in which a minute with more than FEW is looked at once
FEW = 500
JUST_NOW = timedelta(seconds=15)  # of deletions that are looked at whenever it is woken
BEGINNING = datetime.min.replace(tzinfo=UTC)

KINDS: dict[str, Any] = {
    "network": networks,
    "subnet": subnets,
    "port": ports,
    "security_group": groups,
    "security_group_rule": groups,
}


Plans = Iterator[Wish | Wishes]


def plan(sight: Sight, now: datetime) -> Plans:
    """What to sweep, what to give back, what to finish."""
    sweeps = sight.sweeps(__name__)
    whole = sweeps and sight.sees_all(__name__)
    yield from _after_deletions(
        sight, now, BEGINNING if whole else now - (timedelta(minutes=RECENT) if sweeps else JUST_NOW)
    )
    if sweeps:
        yield from _claims(sight, now, addresses, _has_address, whole)
        yield from _claims(sight, now, macs, _has_mac, whole)
        yield from _claims(sight, now, segment, _has_segment, whole)
        yield from _shares(sight, now, whole)
        for network in _due(sight, networks, now, whole):
            yield from sight.apart(network.id, now, _of_network, sight.fold, now, network)
        for subnet in _due(sight, subnets, now, whole):
            yield from sight.apart(subnet.id, now, _of_subnet, now, subnet)


def _due(sight: Sight, resource: Any, now: datetime, whole: bool) -> Iterator[Any]:
    """The resources whose deadline has passed: lately, or ever. Where they are many, when it is their minute's turn."""
    fold, last = sight.fold, int(now.timestamp()) // 60
    for minute in list(fold.values(resource, "due")):
        age = last - minute
        if fold.count(resource, "due", minute) <= FEW or sight.turn == 0:
            looks = whole or age <= RECENT
        else:
            looks = age < 2 or (age + sight.turn) % (LATELY if age <= RECENT else WHOLE) == 0
        if looks and age >= 0:
            yield from fold.by(resource, "due", minute)


def _claims(sight: Sight, now: datetime, resource: Any, justified: Any, whole: bool) -> Plans:
    for claim in _due(sight, resource, now, whole):
        if claim.until < now:
            yield from sight.apart(".".join(claim.key), now, _claim, sight.fold, resource, justified, claim)


def _claim(fold: Fold, resource: Any, justified: Any, claim: Claim) -> Plans:
    if not justified(fold, claim):
        id, _, attempt = claim.holder.partition(".")
        kind = networks if resource is segment else ports
        back = Step(resource, addresses.Release(id=claim.key, holder=claim.holder))
        yield _giving_back(kind, id, attempt, back, partial(justified, fold, claim))


def _giving_back(kind: Any, id: str, attempt: str, back: Step, justified: Callable[[], bool]) -> Wishes:
    """Sweep, look once more - the attempt may have been faster - and give back."""

    def steps() -> Iterator[Step]:
        yield Step(kind, Sweep(id=id, claim=attempt))
        if not justified():
            yield back

    return Wishes(about=repr(back.command), steps=steps())


def _has_address(fold: Fold, claim: Claim) -> bool:
    id, _, attempt = claim.holder.partition(".")
    port = fold.get(ports, id)
    ip = addresses.ip(claim)
    return port is not None and any(
        one.ip == ip and one.subnet == claim.group and one.claim == attempt for one in port.addresses
    )


def _has_mac(fold: Fold, claim: Claim) -> bool:
    id, _, attempt = claim.holder.partition(".")
    port = fold.get(ports, id)
    return port is not None and (port.mac.replace(":", "-"), port.mac_claim) == (claim.key[1], attempt)


def _has_segment(fold: Fold, claim: Claim) -> bool:
    id, _, attempt = claim.holder.partition(".")
    network = fold.get(networks, id)
    return network is not None and network.claim == attempt


def _shares(sight: Sight, now: datetime, whole: bool) -> Plans:
    """Shares of quotas whose resource does not exist."""
    for number, known in enumerate(list(sight.fold.shelf(quota).known.values())):
        changed = known.updated_at >= now - timedelta(minutes=RECENT)
        if whole or changed or number % WHOLE == sight.turn % WHOLE:
            room: Room = known.state
            for name in late(room, now, sight.turn):
                yield from sight.apart(f"{room.id} for {name}", now, _share, sight.fold, room.id, name)


def _share(fold: Fold, project: str, name: str) -> Plans:
    if not _has_share(fold, name):
        kind, _, rest = name.partition(":")
        id, _, attempt = rest.partition(".")
        back = Step(quota, quota.ReturnShares(id=project, holders=(name,)))
        yield _giving_back(KINDS[kind], id, attempt.partition(":")[0], back, partial(_has_share, fold, name))


def _has_share(fold: Fold, name: str) -> bool:
    kind, _, rest = name.partition(":")
    id, _, attempt = rest.partition(".")
    state: Standard | None = fold.get(KINDS[kind], id)
    if state is None:
        return False
    if isinstance(state, groups.SecurityGroup) and kind == "security_group_rule":
        made_by, _, rule = attempt.partition(":")
        return rule in state.rules and state.rules[rule].claim == made_by
    return state.claim == attempt


def _of_network(fold: Fold, now: datetime, network: Network) -> Plans:
    """Places of subnets that do not exist; the mark of a deletion that was not finished: the network stays."""
    for place in network.places:
        if place.until < now and fold.get(subnets, place.subnet) is None:
            back = Step(networks, networks.RemoveSubnet(id=network.id, subnet=place.subnet))
            there = partial(_has_place, fold, place.subnet)
            yield _giving_back(subnets, place.subnet, place.claim, back, there)
    if network.leaving and network.leaving_until is not None and network.leaving_until < now:
        yield Wish(networks, networks.KeepNetwork(id=network.id, claim=network.leaving))


def _of_subnet(now: datetime, subnet: Subnet) -> Plans:
    if subnet.leaving and subnet.leaving_until is not None and subnet.leaving_until < now:
        yield Wish(subnets, subnets.KeepSubnet(id=subnet.id, claim=subnet.leaving))


def _has_place(fold: Fold, subnet: str) -> bool:
    return fold.get(subnets, subnet) is not None


def _after_deletions(sight: Sight, now: datetime, since: datetime) -> Plans:
    """What deleted ports still hold; ports in deleted groups; rules that speak of them."""
    for port in _dead(sight.fold, ports, since):
        yield from sight.apart(port.id, now, _of_dead_port, sight.fold, port)
    for group in _dead(sight.fold, groups, since):
        yield from sight.apart(group.id, now, _of_dead_group, sight.fold, group)


def _of_dead_group(fold: Fold, group: SecurityGroup) -> Plans:
    for port in fold.by(ports, "groups", group.id):
        yield Wish(ports, ports.DropGroup(id=port.id, group=group.id))
    for other in fold.by(groups, "remote_groups", group.id):
        for rule in other.rules.values():
            if rule.remote_group_id == group.id:
                yield Wish(groups, groups.RemoveRule(id=other.id, rule=rule.id))


def _dead(fold: Fold, resource: Any, since: datetime) -> Iterable[Any]:
    shelf = fold.shelf(resource)
    lately = takewhile(lambda key: shelf.dead[key] >= since, reversed(shelf.dead))  # in the order of their deaths
    return [shelf.known[key].state for key in lately]


def _of_dead_port(fold: Fold, port: Port) -> Plans:
    if not port.project:
        return  # a tombstone of what never was; its claims have deadlines
    for step in gone(port, None):
        if fold.by(step.resource, "holder", step.command.holder):  # type: ignore[attr-defined]  # a release
            yield Wish(step.resource, step.command)
    room = fold.get(quota, port.project)
    share = f"port:{holder(port.id, port.claim)}"
    if room is not None and share in room.shares:
        yield Wish(quota, quota.ReturnShares(id=port.project, holders=(share,)))


__all__ = ["WAKES", "plan"]
