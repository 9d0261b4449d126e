"""Making and deleting networks and subnets: the steps, and the order in which whoever deletes marks and looks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import chain
from random import Random

from events.decider import Executor, Step
from events.envelope import Origin
from events.fold import Fold
from events.network import address as addresses
from events.network import mac as macs
from events.network import network as networks
from events.network import port as ports
from events.network import quota, segment
from events.network import subnet as subnets
from events.network.network import CreateNetwork, Network, Place, PlaceSubnet, RemoveSubnet
from events.network.port import DropSubnet, Port
from events.network.standard import Sweep, holder
from events.network.subnet import CreateSubnet, Subnet
from events.refusals import Busy, Conflict, NoCapacity, Refusal
from projections.network.addresses import Wanted
from projections.network.port import RANDOM, change_port, delete_port, name_of_attempt, raced
from projections.network.security_group import PATIENCE

ATTEMPTS = 20
VXLAN = (1, 16_777_215)
VLAN = (1, 4094)
DHCP = "network:dhcp"


def usable(fold: Fold, project: str) -> list[Network]:
    """The networks with subnets that a project's servers are put on if they name none: its own, or else shared ones."""
    own = [network for network in fold.by(networks, "project", project) if not network.external]
    shared = [network for network in fold.by(networks, "open", True) if network.shared and network.project != project]
    return [network for network in own or shared if fold.count(subnets, "network", network.id)]


def share(kind: str, id: str, claim: str, project: str, now: datetime) -> Step:
    """One of a kind of the project's quota."""
    name = f"{kind}:{holder(id, claim)}"
    return Step(
        quota,
        quota.ClaimShares(id=project, holders=((name, kind),), until=now + PATIENCE),
        quota.ReturnShares(id=project, holders=(name,)),
    )


def no_share(kind: str, id: str, claim: str, project: str) -> Step:
    return Step(quota, quota.ReturnShares(id=project, holders=(f"{kind}:{holder(id, claim)}",)))


# Networks


async def create_network(execute: Executor, origin: Origin, wish: CreateNetwork, *, rng: Random = RANDOM) -> Network:
    """The network, made; with a free segment, if it names none. Raises OverQuota, Conflict, NoCapacity, Busy."""
    for _ in range(ATTEMPTS):
        now = execute.clock.now()
        number = wish.segmentation_id
        if number is None:
            number = free_segment(execute.fold, wish.network_type, wish.physical_network, rng)
        key = segment.key(wish.network_type, wish.physical_network, number)
        if wish.segmentation_id is not None and execute.fold.get(segment, key) is not None:
            raise _segment_in_use(wish, number)
        name = holder(wish.id, wish.claim)
        take = segment.Take(id=key, holder=name, group=_group(wish.network_type, wish.physical_network))
        steps = [
            share("network", wish.id, wish.claim, wish.project, now),
            Step(segment, _until(take, now), segment.Release(id=key, holder=name)),
            Step(networks, _numbered(wish, None if wish.network_type == "flat" else number)),
        ]
        try:
            made: Network = (await execute.all(steps, origin))[-1]
        except Refusal as refusal:
            if not raced(refusal):
                raise
        else:
            return made
    raise Busy("Segments are being taken too fast.")


def _until(take: segment.Take, now: datetime) -> segment.Take:
    return segment.Take(id=take.id, holder=take.holder, group=take.group, until=now + PATIENCE)


def _numbered(wish: CreateNetwork, number: int | None) -> CreateNetwork:
    values = {name: getattr(wish, name) for name in wish.__struct_fields__}
    return CreateNetwork(**values | {"segmentation_id": number})


def _group(network_type: str, physical_network: str | None) -> str:
    return f"{network_type}.{physical_network or '-'}"


def free_segment(fold: Fold, network_type: str, physical_network: str | None, rng: Random) -> int:
    """A number that no network has; of a flat network 0. Raises NoCapacity."""
    if network_type == "flat":
        if fold.get(segment, segment.key(network_type, physical_network, 0)) is not None:
            raise Conflict(
                f"Unable to create the flat network. Physical network {physical_network} is in use.",
                kind="FlatNetworkInUse",
            )
        return 0
    first, last = VLAN if network_type == "vlan" else VXLAN
    used = fold.count(segment, "group", _group(network_type, physical_network))
    last = min(last, first + 4 * used + 999)
    begin = rng.randint(first, last)
    for number in chain(range(begin, last + 1), range(first, begin)):
        if fold.get(segment, segment.key(network_type, physical_network, number)) is None:
            return number
    text = "Unable to create the network. No project network is available for allocation."
    raise NoCapacity(text, kind="NoNetworkAvailable")


def _segment_in_use(wish: CreateNetwork, number: int) -> Conflict:
    if wish.network_type == "vlan":
        return Conflict(
            f"Unable to create the network. The VLAN {number} on physical network {wish.physical_network} is in use.",
            kind="VlanIdInUse",
        )
    return Conflict(
        f"Unable to create the network. The tunnel ID {number} is in use.",
        kind="TunnelIdInUse",
    )


async def delete_network(
    execute: Executor, origin: Origin, network: Network, *, expected: int | None = None, rng: Random = RANDOM
) -> None:
    """Delete it, its subnets and the ports of its DHCP service. Raises Conflict if other ports are on it."""
    fold, claim = execute.fold, name_of_attempt(rng)
    _unless_used(fold, network)  # mostly it need not be marked to be seen in use
    until = execute.clock.now() + PATIENCE
    await execute(networks, networks.LeaveNetwork(id=network.id, claim=claim, until=until, expected=expected), origin)
    try:
        _unless_used(fold, network)
        for port in fold.by(ports, "network", network.id):
            await delete_port(execute, origin, port.id)
        for place in _places(fold, network.id):
            subnet = fold.get(subnets, place.subnet) or await _stop(execute, origin, place)
            if subnet is not None:
                await delete_subnet(execute, origin, subnet, rng=rng)
    except BaseException:  # also if it is given up: a mark that stays would keep ports away
        await execute(networks, networks.KeepNetwork(id=network.id, claim=claim), origin)
        raise
    await execute(networks, networks.DeleteNetwork(id=network.id, claim=claim), origin)
    number = 0 if network.segmentation_id is None else network.segmentation_id
    key = segment.key(network.network_type, network.physical_network, number)
    await execute(segment, segment.Release(id=key, holder=holder(network.id, network.claim)), origin)
    await execute.all([no_share("network", network.id, network.claim, network.project)], origin)


def _places(fold: Fold, id: str) -> tuple[Place, ...]:
    network = fold.get(networks, id)
    return network.places if network else ()


async def _stop(execute: Executor, origin: Origin, place: Place) -> Subnet | None:
    """Keep a subnet that is just being made from coming to be; or the subnet, if it came first."""
    made = (await execute(subnets, Sweep(id=place.subnet, claim=place.claim), origin)).state
    return None if made.deleted else made


def _unless_used(fold: Fold, network: Network) -> None:
    """Raises Conflict if ports other than of DHCP are on it, or are just being made."""
    here = fold.by(ports, "network", network.id)
    others = [port.id for port in here if port.device_owner != DHCP]
    if others or _expected(fold, network, here):
        raise Conflict(
            f"Unable to complete operation on network {network.id}. There are one or more ports still in use on the "
            f"network, id for these ports is: {','.join(others)}.",
            kind="NetworkInUse",
        )


def _expected(fold: Fold, network: Network, here: list[Port]) -> bool:
    """Whether something is claimed for a port that is not there yet."""
    claims = [*fold.by(macs, "group", network.id)]
    for subnet in fold.by(subnets, "network", network.id):
        claims += fold.by(addresses, "group", subnet.id)
    known = {port.id for port in here}
    return any(claim.holder.partition(".")[0] not in known for claim in claims)


# Subnets


async def create_subnet(execute: Executor, origin: Origin, wish: CreateSubnet) -> Subnet:
    """The subnet, made. Raises NotFound, Invalid if it overlaps with another, OverQuota, Busy."""
    now = execute.clock.now()
    until = now + PATIENCE
    place = PlaceSubnet(id=wish.network, subnet=wish.id, cidr=wish.cidr, claim=wish.claim, until=until)
    steps = [
        share("subnet", wish.id, wish.claim, wish.project, now),
        Step(networks, place, RemoveSubnet(id=wish.network, subnet=wish.id)),
        Step(subnets, wish),
    ]
    try:
        made: Subnet = (await execute.all(steps, origin))[-1]
    except Busy:
        if execute.fold.get(networks, wish.network) is None:
            raise networks.not_found(wish.network) from None
        raise
    if made.automatic:
        await _give_automatic(execute, origin, execute.fold.by(ports, "network", made.network))
    return made


async def _give_automatic(execute: Executor, origin: Origin, there: Iterable[Port]) -> None:
    """The ports that are there already make an address on a new automatic subnet as well."""
    for port in there:
        if not port.device_owner.startswith("network:router"):
            kept = tuple(Wanted(address.subnet, address.ip) for address in port.addresses)
            await change_port(execute, origin, port.id, ports.ChangePort(id=port.id), fixed_ips=kept)


async def delete_subnet(
    execute: Executor, origin: Origin, subnet: Subnet, *, expected: int | None = None, rng: Random = RANDOM
) -> None:
    """Delete it. Automatic addresses are taken from their ports; raises Conflict if other ports have addresses."""
    fold, claim = execute.fold, name_of_attempt(rng)
    _unless_given(fold, subnet)
    until = execute.clock.now() + PATIENCE
    await execute(subnets, subnets.LeaveSubnet(id=subnet.id, claim=claim, until=until, expected=expected), origin)
    try:
        _unless_given(fold, subnet)
        for port in fold.by(ports, "subnets", subnet.id):
            await _drop(execute, origin, port, subnet.id)
    except BaseException:  # likewise
        await execute(subnets, subnets.KeepSubnet(id=subnet.id, claim=claim), origin)
        raise
    await execute(subnets, subnets.DeleteSubnet(id=subnet.id, claim=claim), origin)
    await execute.all([no_share("subnet", subnet.id, subnet.claim, subnet.project)], origin)
    await execute(networks, RemoveSubnet(id=subnet.network, subnet=subnet.id), origin)


async def _drop(execute: Executor, origin: Origin, port: Port, subnet: str) -> None:
    await execute(ports, DropSubnet(id=port.id, subnet=subnet), origin)
    steps = [
        Step(addresses, addresses.Release(id=addresses.key(subnet, one.ip), holder=holder(port.id, one.claim)))
        for one in port.addresses
        if one.subnet == subnet
    ]
    await execute.all(steps, origin)


def _unless_given(fold: Fold, subnet: Subnet) -> None:
    """Raises Conflict if ports have addresses of it that they did not make themselves, or are just getting some."""
    having = fold.by(ports, "subnets", subnet.id)
    others = [] if subnet.automatic else [port for port in having if port.device_owner != DHCP]
    owned = sum(1 for port in having for address in port.addresses if address.subnet == subnet.id)
    if others or fold.count(addresses, "group", subnet.id) > owned:
        raise Conflict(
            f"Unable to complete operation on subnet {subnet.id}: One or more ports have an IP allocation from this "
            "subnet.",
            kind="SubnetInUse",
        )


__all__ = ["create_network", "create_subnet", "delete_network", "delete_subnet"]
