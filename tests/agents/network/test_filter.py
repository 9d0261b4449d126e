"""The ruleset as text: nft itself says whether it takes it."""

from __future__ import annotations

from typing import Any

import pytest

from agents.commands import run
from agents.network import filter
from agents.network.ports import Network, Port
from events.compute.guest import Address, Interface, Rule


def network(*rules: Rule, **more: Any) -> Network:
    addresses = (Address(ip="10.0.0.5", prefix=24, subnet="s4"), Address(ip="2001:db8::5", prefix=64, subnet="s6"))
    interface = Interface(port="a0-b1", mac="fa:16:3e:00:00:05", network="n", addresses=addresses, rules=rules,
                          **more)  # fmt: skip
    return Network("n", {"a0-b1": Port("s", "h", interface)})


@pytest.mark.parametrize("rule", [
    Rule(direction="ingress"),
    Rule(direction="egress", ethertype="IPv6"),
    Rule(direction="ingress", protocol="tcp", port_min=1, port_max=65535),
    Rule(direction="ingress", protocol="udp", port_min=53),
    Rule(direction="ingress", protocol="sctp", port_min=5, port_max=9),
    Rule(direction="ingress", protocol="icmp", port_min=8, port_max=0),
    Rule(direction="ingress", protocol="icmp", port_min=8),
    Rule(direction="ingress", ethertype="IPv6", protocol="icmp", port_min=128),
    Rule(direction="ingress", ethertype="IPv6", protocol="ipv6-icmp"),
    Rule(direction="ingress", ethertype="IPv6", protocol="icmpv6"),
    Rule(direction="ingress", protocol="112"),
    Rule(direction="ingress", protocol="vrrp"),
    Rule(direction="ingress", protocol="any"),
    Rule(direction="ingress", remote=("10.0.0.0/8", "10.1.0.0/16", "192.0.2.1")),
    Rule(direction="egress", ethertype="IPv6", remote=("2001:db8::/32", "10.0.0.0/8")),
    Rule(direction="ingress", remote=("0.0.0.0/0",)),
], ids=str)  # fmt: skip
async def test_nft_takes_every_rule_a_group_may_have(rule: Rule, real_host: None) -> None:
    await run("nft", "-c", "-f", "-", stdin=text(network(rule)).encode())


async def test_nft_takes_address_pairs_that_overlap(real_host: None) -> None:
    pairs = (("fa:16:3e:00:00:06", "10.0.0.0/24"), ("fa:16:3e:00:00:05", "10.0.0.0/25"), ("fa:16:3e:00:00:05", "::/0"))
    await run("nft", "-c", "-f", "-", stdin=text(network(allowed=pairs)).encode())


def test_a_rule_for_nobody_lets_nobody_in() -> None:
    assert "accept" not in chain("ingress", network(Rule(direction="ingress", remote=())))


def test_a_port_without_security_is_free() -> None:
    free = text(network(Rule(direction="egress"), port_security=False))
    assert "from_" not in free
    assert "ingress_" not in free


def test_an_address_of_the_other_version_is_no_address_of_this_rule() -> None:
    assert "accept" not in chain("ingress", network(Rule(direction="ingress", remote=("2001:db8::/32",))))


def test_where_nothing_is_plugged_in_the_tables_only_go() -> None:
    assert "chain" not in filter.ruleset("c10ddead", [])


def text(network: Network) -> str:
    return filter.ruleset("c10ddead", [network], zone=lambda bridge: 7)


def chain(direction: str, network: Network) -> str:
    return text(network).partition(f"chain {direction}_a0_b1 {{")[2].partition("}")[0]
