"""Which addresses a port gets: what was asked for, or a free one of the pools, found without a look at all of them.

Source: Networking API reference, "Ports", field `fixed_ips`; RFC 4291, appendix A (addresses made of MAC addresses).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from random import Random
from weakref import WeakKeyDictionary

from msgspec import Struct

from events.fold import Fold
from events.network import address as addresses
from events.network import mac as macs
from events.network import port as ports
from events.network import subnet as subnets
from events.network.network import Network
from events.network.port import Address
from events.network.standard import Leaving
from events.network.subnet import Pool, Subnet
from events.refusals import Conflict, Invalid, NoCapacity

PROBES = 64  # random tries before the pools are searched from a random place on
WINDOW = 1024  # of a large pool so many addresses, or four times what is in use, are tried
LARGE = 1 << 17
LATELY = 256
PREFIX = "fa:16:3e"
LOW = (1 << 24) - 1  # the bits of an IPv4 address that go into a MAC address


class Wanted(Struct, frozen=True, gc=False):
    """An address asked for: by subnet, by address, or both."""

    subnet: str | None = None
    ip: str | None = None


Choice = tuple[Subnet, str]


class Exhausted(Conflict):
    """No address is left."""

    def __init__(self, network: str) -> None:
        text = f"No more IP addresses available on network {network}."
        super().__init__(text, kind="IpAddressGenerationFailure")


def of_network(fold: Fold, network: str) -> list[Subnet]:
    """The subnets of a network, the oldest first."""
    return fold.by(subnets, "network", network)


def choose(
    fold: Fold,
    network: Network,
    wanted: Sequence[Wanted] | None,
    mac: str,
    device_owner: str,
    rng: Random,
    kept: Sequence[Address] = (),
) -> list[Choice]:
    """An address for each wish - if there is no wish, one of each IP version - and the automatic ones.

    Addresses in `kept` are the port's own already. Raises Invalid, NotFound, Conflict, Exhausted.
    """
    here = of_network(fold, network.id)
    own = dict.fromkeys((address.subnet, address.ip) for address in kept)
    chosen: dict[str, list[str]] = {}
    if wanted is None:
        for version in (4, 6):
            _first_free(fold, network, [s for s in here if s.ip_version == version], device_owner, rng, chosen)
    else:
        for subnet, ip in _explicit(fold, network, here, wanted, mac):
            if (subnet.id, ip) not in own and fold.get(addresses, addresses.key(subnet.id, ip)) is not None:
                raise in_use(subnet.id, ip)
            chosen.setdefault(subnet.id, []).append(ip)
        left = {key: None for key in own if key[1] not in chosen.get(key[0], ())}
        for subnet in _by_subnet(fold, network, here, wanted):
            chosen.setdefault(subnet.id, []).append(_one(fold, network, subnet, mac, rng, chosen, left))
    if not device_owner.startswith("network:router"):
        for subnet in here:
            if subnet.automatic and not subnet.leaving and subnet.id not in chosen:
                chosen[subnet.id] = [automatic(subnet, mac)]
    return [(subnet, ip) for subnet in here for ip in chosen.get(subnet.id, ())]


def in_use(subnet: str, ip: str) -> Conflict:
    return Conflict(f"IP address {ip} already allocated in subnet {subnet}", kind="IpAddressAlreadyAllocated")


def _first_free(
    fold: Fold, network: Network, here: list[Subnet], owner: str, rng: Random, chosen: dict[str, list[str]]
) -> None:
    """One address of the first subnet that has one."""
    managed = [subnet for subnet in here if not subnet.automatic]
    fitting = [s for s in managed if not s.service_types or any(owner.startswith(t) for t in s.service_types)]
    if managed and not fitting:
        raise Conflict(
            "No valid service subnet for the given device owner.", kind="IpAddressGenerationFailureNoMatchingSubnet"
        )
    for subnet in fitting:
        ip = None if subnet.leaving else free(fold, subnet, rng)
        if ip is not None:
            chosen[subnet.id] = [ip]
            return
    if any(subnet.leaving for subnet in fitting):
        raise Leaving(f"A subnet of network {network.id} is being deleted.")
    if fitting:
        raise Exhausted(network.id)


def _explicit(fold: Fold, network: Network, here: list[Subnet], wanted: Iterable[Wanted], mac: str) -> Iterator[Choice]:
    """The wishes that name an address, with their subnets."""
    for wish in wanted:
        if wish.ip is None:
            if wish.subnet is None:
                text = "Invalid input for operation: IP allocation requires subnet_id or ip_address."
                raise Invalid(text, kind="InvalidInput")
            continue
        if wish.subnet is not None:
            subnet = _named(fold, network, here, wish.subnet)
            if not valid(subnet, wish.ip):
                text = f"IP address {wish.ip} is not a valid IP for the specified subnet."
                raise Invalid(text, kind="InvalidIpForSubnet")
        else:
            found = next((subnet for subnet in here if valid(subnet, wish.ip)), None)
            if found is None:
                raise Invalid(
                    f"IP address {wish.ip} is not a valid IP for any of the subnets on the specified network.",
                    kind="InvalidIpForNetwork",
                )
            subnet = found
        if subnet.automatic and wish.ip != automatic(subnet, mac):
            raise Invalid(
                f"IPv6 address {wish.ip} cannot be directly assigned to a port on subnet {subnet.id} as the subnet is "
                "configured for automatic addresses",
                kind="AllocationOnAutoAddressSubnet",
            )
        yield subnet, str(ip_address(wish.ip))


def _by_subnet(fold: Fold, network: Network, here: list[Subnet], wanted: Iterable[Wanted]) -> Iterator[Subnet]:
    """The subnets of the wishes that leave the address to us."""
    for wish in wanted:
        if wish.ip is None and wish.subnet is not None:
            yield _named(fold, network, here, wish.subnet)


def _named(fold: Fold, network: Network, here: list[Subnet], id: str) -> Subnet:
    subnet = fold.get(subnets, id)
    if subnet is None:
        raise subnets.not_found(id)
    if subnet.network != network.id:
        raise Invalid(
            f"Invalid input for operation: Failed to create port on network {network.id}, because fixed_ips included "
            f"invalid subnet {id}.",
            kind="InvalidInput",
        )
    return subnet


def _one(
    fold: Fold,
    network: Network,
    subnet: Subnet,
    mac: str,
    rng: Random,
    chosen: dict[str, list[str]],
    left: dict[tuple[str, str], None],
) -> str:
    """An address of this subnet: one that the port has already, or a free one."""
    if subnet.automatic:
        return automatic(subnet, mac)
    for key in left:
        if key[0] == subnet.id:
            del left[key]
            return key[1]
    ip = free(fold, subnet, rng, chosen.get(subnet.id, ()))
    if ip is None:
        raise Exhausted(network.id)
    return ip


def free(fold: Fold, subnet: Subnet, rng: Random, but: Sequence[str] = ()) -> str | None:
    """A free address of the pools, at random; None if there is none."""
    spans = _spans(subnet.pools)
    size = sum(length for _, length in spans)
    if size > LARGE:
        size = min(size, max(WINDOW, 4 * fold.count(addresses, "group", subnet.id)))
    if not size:
        return None
    known = fold.shelf(addresses).live
    lately = _offered.setdefault(fold, {})
    make = IPv4Address if subnet.ip_version == 4 else IPv6Address

    def at(index: int) -> str | None:
        for start, length in spans:
            if index < length:
                ip = str(make(start + index))
                return None if ip in but or ".".join(addresses.key(subnet.id, ip)) in known else ip
            index -= length
        raise AssertionError("an index outside of the pools")

    for probe in range(2 * PROBES):
        ip = at(rng.randrange(size))
        if ip is not None and (probe >= PROBES or (subnet.id, ip) not in lately):
            break
    else:
        begin = rng.randrange(size)
        ip = next((ip for step in range(size) if (ip := at((begin + step) % size)) is not None), None)
    if ip is not None:
        lately[subnet.id, ip] = None
        if len(lately) > LATELY:
            del lately[next(iter(lately))]
    return ip


_offered: WeakKeyDictionary[Fold, dict[tuple[str, str], None]] = WeakKeyDictionary()
"""What was chosen lately and may not be claimed yet: avoided, so that many choices at once do not meet."""


@lru_cache(maxsize=4096)
def _spans(pools: tuple[Pool, ...]) -> tuple[tuple[int, int], ...]:
    """The first address of each pool as a number, and how many there are."""
    return tuple((int(ip_address(p.start)), int(ip_address(p.end)) - int(ip_address(p.start)) + 1) for p in pools)


def size_of(subnet: Subnet) -> int:
    """How many addresses its pools hold."""
    return sum(length for _, length in _spans(subnet.pools))


def valid(subnet: Subnet, ip: str) -> bool:
    """Whether a host of this subnet may have the address."""
    net, one = ip_network(subnet.cidr), ip_address(ip)
    if one not in net:
        return False
    whole = net.num_addresses > 2 and net.version == 4
    return not (whole and one in (net.network_address, net.broadcast_address))


def automatic(subnet: Subnet, mac: str) -> str:
    """The address that a host makes of its MAC address."""
    octets = [int(octet, 16) for octet in mac.split(":")]
    octets[0] ^= 2
    number = int.from_bytes(bytes([*octets[:3], 0xFF, 0xFE, *octets[3:]]), "big")
    return str(ip_network(subnet.cidr).network_address + number)


def made_mac(fold: Fold, network: str, chosen: Sequence[Choice]) -> str | None:
    """The MAC address that follows from a port's first IPv4 address; None if one is to be claimed.

    Addresses are unique, and so is what follows from them, as long as no two subnets share the bits that go into it.
    Who claims such a MAC address looks for the claim of that address (`twins`), who has the address for the claim of
    the MAC address, and both for a port that kept it, each after its own claim: one of them sees the other.
    """
    here = of_network(fold, network)
    first = next((ip for subnet, ip in chosen if subnet.ip_version == 4), None)
    if first is None or not _apart(tuple(subnet.cidr for subnet in here if subnet.ip_version == 4)):
        return None
    mac = _mac(int(IPv4Address(first)) & LOW)
    if fold.get(macs, macs.key(network, mac)) is not None or mac_used(fold, network, mac):
        return None  # a port may have kept it when it got another address
    return mac


def mac_used(fold: Fold, network: str, mac: str, *, but: str = "") -> bool:
    """Whether a port of the network has it, other than one."""
    return any(port.network == network and port.id != but for port in fold.by(ports, "mac", mac))


def twins(fold: Fold, network: str, mac: str) -> list[Choice]:
    """The addresses from which a MAC address follows."""
    if not mac.startswith(PREFIX):
        return []
    low, found = int(mac[len(PREFIX) :].replace(":", ""), 16), []
    for subnet in of_network(fold, network):
        if subnet.ip_version == 4:
            start = int(ip_network(subnet.cidr).network_address)
            ip = str(IPv4Address(start + ((low - start) & LOW)))
            found += [(subnet, ip)] if valid(subnet, ip) else []
    return found


@lru_cache(maxsize=4096)
def _apart(cidrs: tuple[str, ...]) -> bool:
    """Whether no two addresses of these blocks have the same low bits."""
    spans = sorted((int(net.network_address) & LOW, net.num_addresses) for net in map(ip_network, cidrs))
    ends = [start + size for start, size in spans]
    return all(size <= LOW for _, size in spans) and all(
        end <= start for end, (start, _) in zip(ends, spans[1:], strict=False)
    )


def _mac(number: int) -> str:
    return f"{PREFIX}:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"


def free_mac(fold: Fold, network: str, rng: Random) -> str:
    """A MAC address that no port of the network has."""
    for _ in range(PROBES):
        mac = _mac(rng.getrandbits(24))
        if fold.get(macs, macs.key(network, mac)) is None and not mac_used(fold, network, mac):
            return mac
    raise NoCapacity(f"Unable to generate unique mac on network {network}.", kind="MacAddressGenerationFailure")
