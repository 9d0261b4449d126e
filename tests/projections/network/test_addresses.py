"""The laws of allocation: never twice, always of the pools, exhausted exactly when they are full."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.envelope import Commit
from events.fold import Fold
from events.journal import Entry
from events.network import address
from events.network.address import Claimed, Released
from events.network.subnet import Pool, Subnet
from projections.network.addresses import automatic, free, size_of, valid

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def subnet(*pools: tuple[str, str], cidr: str = "10.0.0.0/16") -> Subnet:
    version = ip_network(cidr).version
    return Subnet(
        id="s",
        project="p",
        network="n",
        cidr=cidr,
        ip_version=version,
        pools=tuple(Pool(*pool) for pool in pools),
        created_at=NOW,
        updated_at=NOW,
    )


class Claims:
    """A fold that holds claims."""

    def __init__(self) -> None:
        import msgspec

        self.fold = Fold([address])
        self.encode = msgspec.json.encode

    def put(self, ip: str, event: address.Events) -> None:
        key = ".".join(address.key("s", ip))
        data = self.encode(Commit(id="c", at=NOW, events=(event,)))
        self.fold.apply(Entry(self.fold.position + 1, f"ev.network.address.{key}", data))

    def take(self, ip: str) -> None:
        self.put(ip, Claimed(key=address.key("s", ip), holder="h", group="s"))

    def release(self, ip: str) -> None:
        self.put(ip, Released())


@st.composite
def pools(draw: st.DrawFn) -> list[tuple[str, str]]:
    """A few pools of 10.0.0.0/16 that do not overlap."""
    edges = sorted(draw(st.sets(st.integers(1, 400), min_size=2, max_size=8)))
    base = int(ip_address("10.0.0.0"))
    pairs = list(zip(edges[::2], edges[1::2], strict=False))
    return [(str(ip_address(base + low)), str(ip_address(base + high - 1))) for low, high in pairs]


@settings(max_examples=60, deadline=None)
@given(pools(), st.randoms(use_true_random=False), st.lists(st.booleans(), max_size=60))
def test_an_address_is_given_once_and_is_of_the_pools(
    spans: list[tuple[str, str]], dice: Random, moves: list[bool]
) -> None:
    there, claims, held = subnet(*spans), Claims(), list[str]()
    for take in moves:
        if take or not held:
            ip = free(claims.fold, there, dice)
            if ip is None:
                assert len(held) == size_of(there)
                continue
            assert ip not in held
            assert any(ip_address(low) <= ip_address(ip) <= ip_address(high) for low, high in spans)  # type: ignore[operator]  # all of one version
            claims.take(ip)
            held.append(ip)
        else:
            claims.release(held.pop(dice.randrange(len(held))))


@settings(max_examples=30, deadline=None)
@given(pools(), st.integers())
def test_pools_are_exhausted_exactly_when_they_are_full(spans: list[tuple[str, str]], seed: int) -> None:
    there, claims, dice = subnet(*spans), Claims(), Random(seed)
    given_out = set()
    while (ip := free(claims.fold, there, dice)) is not None:
        claims.take(ip)
        given_out.add(ip)
    assert len(given_out) == size_of(there)


@settings(max_examples=50)
@given(st.binary(min_size=6, max_size=6))
def test_an_automatic_address_tells_the_mac(octets: bytes) -> None:
    there = subnet(cidr="fd00::/64")
    ip = ip_address(automatic(there, ":".join(f"{octet:02x}" for octet in octets)))
    low = int(ip) & (1 << 64) - 1
    data = low.to_bytes(8, "big")
    assert bytes([data[0] ^ 2]) + data[1:3] + data[5:] == octets
    assert data[3:5] == b"\xff\xfe"
    assert ip in ip_network(there.cidr)


def test_of_a_large_pool_the_beginning_is_used() -> None:
    ip = free(Claims().fold, subnet(("fd00::1", "fd00::ffff:ffff:ffff:ffff"), cidr="fd00::/64"), Random(1))
    assert ip is not None
    assert int(ip_address(ip)) - int(ip_address("fd00::")) <= 1024


@pytest.mark.parametrize(
    ("ip", "possible"),
    [("10.0.0.0", False), ("10.0.255.255", False), ("10.0.0.1", True), ("10.1.0.1", False), ("fd00::1", False)],
)
def test_a_hosts_address_is_neither_the_networks_nor_for_all(ip: str, possible: bool) -> None:
    assert valid(subnet(), ip) is possible


@given(st.ip_addresses())
def test_the_key_of_a_claim_tells_the_address(ip: object) -> None:
    text = str(ip)
    claim = address.Claim(key=address.key("s", text), holder="h")
    assert address.ip(claim) == text
