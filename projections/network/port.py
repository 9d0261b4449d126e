"""Making, changing and deleting a port: its claims, in order, and itself.

An attempt claims, then asks whether the network and the subnets are still there, and then makes the port. Whoever
deletes a network marks it, then looks for claims. Each looks at the journal as it is after its own commit, so that one
of them sees the other. What a dead attempt leaves is given back by handlers/network/port.py.
Source: DESIGN, "Hard cases, decided", 1, 2 and 10; Networking API reference, "Ports".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from random import Random, SystemRandom
from typing import Any

from msgspec import Struct

from events.clock import after
from events.compute import server as servers
from events.decider import Executor, Step, Stride
from events.envelope import Origin
from events.fold import Fold
from events.network import address as addresses
from events.network import mac as macs
from events.network import network as networks
from events.network import port as ports
from events.network import quota
from events.network import security_group as groups
from events.network import subnet as subnets
from events.network.network import Network
from events.network.port import (
    Address,
    ChangedMeanwhile,
    ChangePort,
    CreatePort,
    DeletePort,
    DhcpOption,
    Pair,
    Port,
    Status,
)
from events.network.standard import Leaving, at_revision, holder
from events.refusals import Busy, Conflict, Invalid, Refusal
from projections.network.addresses import Choice, Wanted, choose, free_mac, mac_used, made_mac, of_network, twins
from projections.network.security_group import PATIENCE, steps_to_default

ATTEMPTS = 40
RANDOM: Random = SystemRandom()


class NewPort(Struct, frozen=True, kw_only=True):
    """A port as it is asked for. What is None is chosen: addresses, MAC address, the default security group."""

    id: str
    project: str
    network: str
    name: str = ""
    description: str = ""
    device_id: str = ""
    device_owner: str = ""
    host: str = ""
    fixed_ips: tuple[Wanted, ...] | None = None
    security_groups: tuple[str, ...] | None = None
    mac: str | None = None
    admin_state_up: bool = True
    vnic_type: str = "normal"
    profile: dict[str, Any] = {}
    port_security_enabled: bool | None = None  # None: as the network has it
    pairs: tuple[Pair, ...] = ()  # with an empty MAC address: the port's own
    dhcp_options: tuple[DhcpOption, ...] = ()
    tags: tuple[str, ...] = ()


def steps_to_create(fold: Fold, new: NewPort, *, now: datetime, rng: Random = RANDOM) -> list[Stride]:
    """The steps that make a port, for `Executor.all`; the last is the port's own. Nothing, if one of its id exists.

    A Conflict without a kind, from here or from a step, says that another was faster with an address, and a Leaving
    that a network or subnet is just being deleted: work them out anew. Raises NotFound, Invalid, Conflict, Leaving.
    """
    if fold.get(ports, new.id) is not None:
        return []
    claim = name_of_attempt(rng)
    network = usable_network(fold, new.network)
    secured = _secured(network, new)
    wants_default = new.security_groups is None and secured and not new.device_owner.startswith("network:")
    check_groups(fold, new.security_groups or ())
    check_security(secured, new.security_groups or (), new.pairs)
    mac, made = new.mac, False
    if mac is None and any(subnet.automatic for subnet in of_network(fold, network.id)):
        mac = free_mac(fold, network.id, rng)  # there addresses follow from it
    chosen = choose(fold, network, new.fixed_ips, mac or "", new.device_owner, rng)
    if mac is None and (mac := made_mac(fold, network.id, chosen)) is not None:
        made = True
    mac = mac or free_mac(fold, network.id, rng)
    share = share_of(new.id, claim)
    steps: list[Stride] = []
    if wants_default:
        steps += steps_to_default(fold, new.project, claim=claim, now=now)
    steps.append(  # first: who has no quota left is not to have an address either, were it for a moment
        Step(
            quota,
            quota.ClaimShares(id=new.project, holders=((share, "port"),), until=after(now, PATIENCE)),
            quota.ReturnShares(id=new.project, holders=(share,)),
        )
    )
    claims = [claim_address(subnet.id, ip, new.id, claim, now) for subnet, ip in chosen]
    if not made:
        claims.append(claim_mac(fold, network.id, mac, new.id, claim, now))
    look = partial(_unless_claimed if made else _unless_made, fold, network.id, mac, new.id)
    steps += [claims, look, still_there(network.id, chosen)]
    groups_of = (groups.default_id(new.project),) if wants_default else (new.security_groups or ())
    wish = CreatePort(
        id=new.id,
        project=new.project,
        claim=claim,
        network=network.id,
        mac=mac,
        name=new.name,
        description=new.description,
        addresses=tuple(Address(subnet.id, ip, claim) for subnet, ip in chosen),
        ip_allocation="none" if new.fixed_ips == () else "immediate",
        admin_state_up=new.admin_state_up,
        device_id=new.device_id,
        device_owner=new.device_owner,
        host=new.host,
        vnic_type=new.vnic_type,
        profile=new.profile,
        security_groups=groups_of,
        port_security_enabled=secured,
        pairs=with_mac(new.pairs, mac),
        dhcp_options=new.dhcp_options,
        tags=new.tags,
        mac_made=made,
    )
    return [*steps, Step(ports, wish, keeps=True)]


def _secured(network: Network, new: NewPort) -> bool:
    if new.port_security_enabled is not None:
        return new.port_security_enabled
    return network.port_security_enabled and not new.device_owner.startswith("network:")


async def create_port(execute: Executor, origin: Origin, new: NewPort, *, rng: Random = RANDOM) -> Port:
    """The port, made; or as it is, if one of this id exists. Raises what `steps_to_create` raises, OverQuota, Busy."""
    made: Port = await _persist(
        execute,
        lambda now: steps_to_create(execute.fold, new, now=now, rng=rng),
        origin,
        f"Network {new.network} is changing too fast.",
        lambda: execute.fold.get(ports, new.id),
    )
    return made


async def _persist(
    execute: Executor,
    work_out: Callable[[datetime], list[Stride]],
    origin: Origin,
    failure: str,
    otherwise: Callable[[], Port | None],
) -> Port:
    """The last state that the steps lead to; they are worked out anew as long as others were faster."""
    fenced = False  # until then the fold may lag behind what another process has written
    for _ in range(ATTEMPTS):
        try:
            steps = work_out(execute.clock.now())
            port: Port | None = (await execute.all(steps, origin))[-1] if steps else otherwise()
        except (Leaving, ChangedMeanwhile):
            await asyncio.sleep(0.005)
        except Refusal as refusal:
            if raced(refusal):
                continue
            if fenced or isinstance(refusal, Busy):
                raise
            await fence(execute)
            fenced = True
        else:
            assert port is not None
            return port
    raise Busy(failure)


async def change_port(
    execute: Executor,
    origin: Origin,
    id: str,
    change: ChangePort,
    *,
    fixed_ips: tuple[Wanted, ...] | None = None,
    mac: str | None = None,
    rng: Random = RANDOM,
) -> Port:
    """The port, changed; with other addresses or another MAC address, if they are asked for. Raises Refusals."""
    before: list[Port] = []

    def work_out(now: datetime) -> list[Stride]:
        port = execute.fold.get(ports, id)
        if port is None:
            raise ports.not_found(id)
        before[:] = [port]
        return steps_to_change(execute.fold, port, change, fixed_ips, mac, now=now, rng=rng)

    after = await _persist(execute, work_out, origin, f"Port {id} is changing too fast.", lambda: None)
    if fixed_ips is not None or mac is not None:
        await execute.all([gone(before[0], after)], origin)
    return after


def steps_to_change(
    fold: Fold,
    port: Port,
    change: ChangePort,
    fixed_ips: tuple[Wanted, ...] | None,
    mac: str | None,
    *,
    now: datetime,
    rng: Random = RANDOM,
) -> list[Stride]:
    """The steps that change a port; what it had before is to be released after them."""
    at_revision(port, change.expected)
    claim, steps = name_of_attempt(rng), list[Stride]()
    values: dict[str, Any] = {}
    if mac is not None and mac != port.mac:
        steps.append(claim_mac(fold, port.network, mac, port.id, claim, now))
        steps.append(partial(_unless_made, fold, port.network, mac, port.id))
        values |= {"mac": mac, "mac_claim": claim}
    if fixed_ips is not None:
        network = usable_network(fold, port.network)
        old = {(address.subnet, address.ip): address for address in port.addresses}
        owner = port.device_owner
        chosen = choose(fold, network, fixed_ips, values.get("mac", port.mac), owner, rng, port.addresses)
        new = [(subnet, ip) for subnet, ip in chosen if (subnet.id, ip) not in old]
        steps += [claim_address(subnet.id, ip, port.id, claim, now) for subnet, ip in new]
        steps += still_there(network.id, new) if new else []
        values["addresses"] = tuple(old.get((s.id, ip)) or Address(s.id, ip, claim) for s, ip in chosen)
    if values:
        values |= {"claim": claim, "seen": port.revision}
    wish = ChangePort(**{name: getattr(change, name) for name in change.__struct_fields__} | values)
    return [*steps, Step(ports, wish)]


async def delete_port(execute: Executor, origin: Origin, id: str, *, expected: int | None = None) -> None:
    """Delete it, then give back what it had. Raises NotFound, PreconditionFailed, Busy."""
    outcome = await execute(ports, DeletePort(id=id, expected=expected), origin)
    await execute.all([steps_after_deletion(outcome.state)], origin)


def steps_to_delete(port: Port) -> list[Stride]:
    """The steps that delete a port and give back what it had."""
    return [Step(ports, DeletePort(id=port.id)), steps_after_deletion(port)]


def steps_after_deletion(port: Port) -> list[Step]:
    share = share_of(port.id, port.claim)
    return [*gone(port, None), Step(quota, quota.ReturnShares(id=port.project, holders=(share,)))]


def gone(before: Port, after: Port | None) -> list[Step]:
    """What gives back the addresses and the MAC address that a port had and has not any more."""
    kept = after.addresses if after else ()
    steps = [
        Step(addresses, addresses.Release(id=addresses.key(one.subnet, one.ip), holder=holder(before.id, one.claim)))
        for one in before.addresses
        if one not in kept
    ]
    if before.mac_claim and (after is None or (after.mac, after.mac_claim) != (before.mac, before.mac_claim)):
        key = macs.key(before.network, before.mac)
        steps.append(Step(macs, macs.Release(id=key, holder=holder(before.id, before.mac_claim))))
    return steps


async def fence(execute: Executor) -> None:
    """Return once the fold holds all that is in the journal now."""
    await execute.fold.fence(execute.journal)


def share_of(id: str, claim: str) -> str:
    """The name under which a port's share of the quota is held."""
    return f"port:{holder(id, claim)}"


def status_of(fold: Fold, port: Port) -> Status:
    """What is told of a port: a server's is ACTIVE once the server has run on the port's host."""
    if port.status != "DOWN" or not port.host or not port.device_owner.startswith("compute:"):
        return port.status
    server = fold.get(servers, port.device_id)
    ran = server is not None and server.host == port.host and server.launched_at is not None
    return "ACTIVE" if ran else "DOWN"


def raced(refusal: Refusal) -> bool:
    """Whether a claim met another that the fold did not know of yet."""
    return type(refusal) is Conflict and refusal.kind is None


def claim_mac(fold: Fold, network: str, mac: str, port: str, claim: str, now: datetime) -> Step:
    key, name = macs.key(network, mac), holder(port, claim)
    if fold.get(macs, key) is not None or mac_used(fold, network, mac):
        raise Conflict(_mac_in_use(network, mac), kind="MacAddressInUse")
    take = macs.Take(id=key, holder=name, until=after(now, PATIENCE))
    return Step(macs, take, macs.Release(id=key, holder=name))


def _unless_claimed(fold: Fold, network: str, mac: str, port: str) -> None:
    """Raises Conflict, to be worked out anew, if another has what follows from an address of the port."""
    if fold.get(macs, macs.key(network, mac)) is not None or mac_used(fold, network, mac, but=port):
        raise Conflict(_mac_in_use(network, mac))


def _unless_made(fold: Fold, network: str, mac: str, port: str) -> None:
    """Raises Conflict if another has what the port has claimed; to be worked out anew if it only may have it."""
    if mac_used(fold, network, mac, but=port):
        raise Conflict(_mac_in_use(network, mac), kind="MacAddressInUse")
    for subnet, ip in twins(fold, network, mac):
        claim = fold.get(addresses, addresses.key(subnet.id, ip))
        other = claim.holder.partition(".")[0] if claim is not None else port
        if other != port and fold.get(ports, other) is None:
            raise Conflict(_mac_in_use(network, mac))


def _mac_in_use(network: str, mac: str) -> str:
    return f"Unable to complete operation for network {network}. The mac address {mac} is in use."


def claim_address(subnet: str, ip: str, port: str, claim: str, now: datetime) -> Step:
    key, name = addresses.key(subnet, ip), holder(port, claim)
    take = addresses.Take(id=key, holder=name, until=after(now, PATIENCE))
    return Step(addresses, take, addresses.Release(id=key, holder=name))


def usable_network(fold: Fold, id: str) -> Network:
    """A network on which ports may be made. Raises NotFound, Leaving."""
    network = fold.get(networks, id)
    if network is None:
        raise networks.not_found(id)
    if network.leaving:
        raise Leaving(f"Network {id} is being deleted.")
    return network


def still_there(network: str, chosen: Sequence[Choice]) -> list[Step]:
    """Steps that are refused if the network or a subnet has been deleted, or marked, since it was looked at."""
    used = dict.fromkeys(subnet.id for subnet, _ in chosen)
    return [
        Step(networks, networks.UseNetwork(id=network)),
        *(Step(subnets, subnets.UseSubnet(id=subnet)) for subnet in used),
    ]


def name_of_attempt(rng: Random) -> str:
    return f"{rng.getrandbits(48):012x}"


def check_groups(fold: Fold, ids: Sequence[str]) -> None:
    """Raises NotFound if one of the security groups does not exist."""
    for id in ids:
        if fold.get(groups, id) is None:
            raise groups.not_found(id)


def check_security(secured: bool, security_groups: Sequence[str], pairs: Sequence[Pair]) -> None:
    """Raises Invalid, Conflict if groups or further addresses are on a port that is not secured."""
    if secured:
        return
    if security_groups:
        raise Invalid(
            "Port security must be enabled and port must have an IP address in order to use security groups.",
            kind="PortSecurityAndIPRequiredForSecurityGroups",
        )
    if pairs:
        raise Conflict(
            "Port Security must be enabled in order to have allowed address pairs on a port.",
            kind="AddressPairAndPortSecurityRequired",
        )


def with_mac(pairs: tuple[Pair, ...], mac: str) -> tuple[Pair, ...]:
    """The pairs, with the port's own MAC address where they name none."""
    return tuple(pair if pair.mac else Pair(ip=pair.ip, mac=mac) for pair in pairs)


__all__ = [
    "NewPort",
    "Wanted",
    "change_port",
    "create_port",
    "delete_port",
    "steps_to_create",
    "steps_to_delete",
]
