"""Subnets as a client sees them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.network.calls import NOWHERE, a_network, ask, make, refusal
from tests.worlds import world


async def test_a_subnet_is_completed() -> None:
    async with world() as w:
        network = (await make(w, "network"))["id"]
        made = await make(w, "subnet", network_id=network, ip_version=4, cidr="10.5.0.5/24", name="s")
        assert made["cidr"] == "10.5.0.0/24"
        assert made["gateway_ip"] == "10.5.0.1"
        assert made["allocation_pools"] == [{"start": "10.5.0.2", "end": "10.5.0.254"}]
        assert set(made) == {
            *("id", "name", "tenant_id", "project_id", "network_id", "ip_version", "subnetpool_id", "enable_dhcp"),
            *("ipv6_ra_mode", "ipv6_address_mode", "gateway_ip", "cidr", "allocation_pools", "host_routes"),
            *("dns_nameservers", "description", "router:external", "service_types", "segment_id", "tags"),
            *("created_at", "updated_at", "revision_number"),
        }
        assert made["revision_number"] == 0
        shown = (await ask(w, "GET", f"/networks/{network}")).json()["network"]
        assert (shown["subnets"], shown["revision_number"]) == ([made["id"]], 2)


@pytest.mark.parametrize(
    ("values", "gateway", "pools"),
    [
        ({"cidr": "10.1.0.0/30"}, "10.1.0.1", [("10.1.0.2", "10.1.0.2")]),
        ({"cidr": "10.1.0.0/24", "gateway_ip": "10.1.0.254"}, "10.1.0.254", [("10.1.0.1", "10.1.0.253")]),
        (
            {"cidr": "10.1.0.0/24", "gateway_ip": "10.1.0.7"},
            "10.1.0.7",
            [("10.1.0.1", "10.1.0.6"), ("10.1.0.8", "10.1.0.254")],
        ),
        ({"cidr": "10.1.0.0/24", "gateway_ip": None}, None, [("10.1.0.1", "10.1.0.254")]),
        ({"cidr": "10.1.0.0/24", "gateway_ip": "10.80.0.1"}, "10.80.0.1", [("10.1.0.1", "10.1.0.254")]),
        ({"cidr": "10.1.0.0/31", "enable_dhcp": False}, "10.1.0.0", [("10.1.0.1", "10.1.0.1")]),
        ({"cidr": "FD10:0::/64", "ip_version": 6}, "fd10::", [("fd10::1", "fd10::ffff:ffff:ffff:ffff")]),
        (
            {
                "cidr": "10.1.0.0/24",
                "allocation_pools": [
                    {"start": "10.1.0.50", "end": "10.1.0.60"},
                    {"start": "10.1.0.5", "end": "10.1.0.9"},
                ],
            },
            "10.1.0.1",
            [("10.1.0.5", "10.1.0.9"), ("10.1.0.50", "10.1.0.60")],
        ),
    ],
)
async def test_gateway_and_pools_follow_from_the_block(
    values: dict[str, Any], gateway: str | None, pools: list[tuple[str, str]]
) -> None:
    async with world() as w:
        network = (await make(w, "network"))["id"]
        made = await make(w, "subnet", **({"network_id": network, "ip_version": 4} | values))
        assert made["gateway_ip"] == gateway
        assert [(pool["start"], pool["end"]) for pool in made["allocation_pools"]] == pools


CIDR = {"cidr": "10.7.1.0/24"}


@pytest.mark.parametrize(
    ("values", "status", "kind", "message"),
    [
        ({"cidr": "10.0.0.0/99"}, 400, "InvalidInput", "10.0.0.0/99 is not in a CIDR format"),
        ({"cidr": None}, 400, "InvalidInput", "None is not in a CIDR format"),
        ({}, 400, "BadRequest", "a subnetpool must be specified in the absence of a cidr"),
        ({"cidr": "fd00::/64"}, 400, "InvalidInput", "cidr 'fd00::/64' does not match the ip_version '4'"),
        ({"cidr": "10.1.1.0/31"}, 400, "InvalidInput", "prefix length that is incompatible with DHCP"),
        ({"cidr": "0.0.0.0/8"}, 400, "InvalidInput", "First IP '0.0.0.0' of network is not supported"),
        ({"cidr": "224.0.0.0/24"}, 400, "InvalidInput", "Multicast IP subnet is not supported"),
        ({"cidr": "127.0.0.0/24"}, 400, "InvalidInput", "Loopback IP subnet is not supported"),
        ({**CIDR, "gateway_ip": "10.7.1.255"}, 400, "InvalidInput", "Gateway is not valid on subnet"),
        ({**CIDR, "gateway_ip": "x"}, 400, "HTTPBadRequest", "'x' is not a valid IP address"),
        ({**CIDR, "allocation_pools": "x"}, 400, "InvalidInput", "Invalid data format for allocation pools"),
        ({**CIDR, "allocation_pools": [{"start": "10.7.1.5"}]}, 400, "HTTPBadRequest", "Expected keys"),
        (
            {**CIDR, "allocation_pools": [{"start": "10.7.1.9", "end": "10.7.1.5"}]},
            400,
            "InvalidAllocationPool",
            "is not valid",
        ),
        (
            {**CIDR, "allocation_pools": [{"start": "10.8.0.5", "end": "10.8.0.9"}]},
            400,
            "OutOfBoundsAllocationPool",
            "The allocation pool 10.8.0.5-10.8.0.9 spans beyond the subnet cidr 10.7.1.0/24.",
        ),
        (
            {**CIDR, "allocation_pools": [{"start": "10.7.1.1", "end": "10.7.1.9"}]},
            409,
            "GatewayConflictWithAllocationPools",
            "Gateway ip 10.7.1.1 conflicts with allocation pool 10.7.1.1-10.7.1.9.",
        ),
        (
            {
                **CIDR,
                "allocation_pools": [
                    {"start": "10.7.1.5", "end": "10.7.1.9"},
                    {"start": "10.7.1.8", "end": "10.7.1.12"},
                ],
            },
            409,
            "OverlappingAllocationPools",
            "10.7.1.5-10.7.1.9 10.7.1.8-10.7.1.12",
        ),
        ({**CIDR, "ip_version": 5}, 400, "HTTPBadRequest", "5 is not in valid_values"),
        ({**CIDR, "ip_version": None}, 400, "InvalidInput", "'None' is not an integer"),
        ({**CIDR, "dns_nameservers": ["x"]}, 400, "HTTPBadRequest", "'x' is not a valid nameserver"),
        ({**CIDR, "dns_nameservers": ["fd00::1"]}, 400, "InvalidInput", "does not match the ip_version '4'"),
        ({**CIDR, "dns_nameservers": ["8.8.8.8"] * 2}, 400, "HTTPBadRequest", "Duplicate nameserver '8.8.8.8'"),
        (
            {**CIDR, "dns_nameservers": [f"8.8.8.{n}" for n in range(6)]},
            400,
            "DNSNameServersExhausted",
            "exceeds the limit 5",
        ),
        ({**CIDR, "host_routes": [{"destination": "x", "nexthop": "10.7.1.1"}]}, 400, "HTTPBadRequest", "valid CIDR"),
        ({**CIDR, "host_routes": "x"}, 400, "HTTPBadRequest", "Invalid data format for hostroute: 'x'"),
        ({**CIDR, "host_routes": [{"destination": "10.0.0.0/8"}]}, 400, "HTTPBadRequest", "Expected keys"),
        ({**CIDR, "ipv6_ra_mode": "slaac"}, 400, "InvalidInput", "ipv6_ra_mode is not valid when ip_version is 4"),
        (
            {"ip_version": 6, "cidr": "fd00::/80", "ipv6_address_mode": "slaac"},
            400,
            "InvalidInput",
            "requires the prefix to be /64",
        ),
        (
            {"ip_version": 6, "cidr": "fd00::/64", "ipv6_address_mode": "slaac", "ipv6_ra_mode": "dhcpv6-stateful"},
            400,
            "InvalidInput",
            "they must be the same value",
        ),
        (
            {"ip_version": 6, "cidr": "fd00::/64", "ipv6_ra_mode": "slaac", "enable_dhcp": False},
            400,
            "InvalidInput",
            "cannot be set when enable_dhcp is set to False",
        ),
        ({**CIDR, "subnetpool_id": NOWHERE}, 404, "SubnetPoolNotFound", "could not be found"),
        ({**CIDR, "service_types": ["x"]}, 400, "InvalidSubnetServiceType", "Subnet service type x"),
        ({**CIDR, "network_id": "nosuch"}, 400, "HTTPBadRequest", "'nosuch' is not a valid UUID"),
        ({**CIDR, "name": None}, 400, "HTTPBadRequest", "'None' is not a valid string"),
        ({**CIDR, "bogus": 1}, 400, "HTTPBadRequest", "Unrecognized attribute(s) 'bogus'"),
    ],
)
async def test_a_subnet_that_makes_no_sense_is_refused(
    values: dict[str, Any], status: int, kind: str, message: str
) -> None:
    async with world() as w:
        network = (await make(w, "network"))["id"]
        body = {"subnet": {"network_id": network, "ip_version": 4} | values}
        found = refusal(await ask(w, "POST", "/subnets", body, as_="member"))
        assert found[:2] == (status, kind), found
        assert message in found[2]


async def test_what_must_be_said_is_asked_for() -> None:
    async with world() as w:
        network, _ = await a_network(w)
        answer = await ask(w, "POST", "/subnets", {"subnet": {"ip_version": 4, "cidr": "10.0.0.0/24"}})
        assert refusal(answer)[2] == "Failed to parse request. Required attribute 'network_id' not specified"
        body = {"subnet": {"network_id": NOWHERE, "ip_version": 4, "cidr": "10.0.0.0/24"}}
        assert refusal(await ask(w, "POST", "/subnets", body))[:2] == (404, "NetworkNotFound")
        assert refusal(await ask(w, "POST", "/subnets", body, as_="member"))[:2] == (403, "PolicyNotAuthorized")
        body = {"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.0.0.128/25"}}
        assert "overlaps with another subnet" in refusal(await ask(w, "POST", "/subnets", body))[2]


async def test_several_are_made_at_once_or_none() -> None:
    async with world() as w:
        network = (await make(w, "network"))["id"]
        given = {"network_id": network, "ip_version": 4}
        body = {"subnets": [{**given, "cidr": "10.0.0.0/24"}, {**given, "cidr": "10.0.0.0/25"}]}
        assert (await ask(w, "POST", "/subnets", body, as_="member")).status_code == 400
        assert (await ask(w, "GET", "/subnets")).json() == {"subnets": []}


async def test_a_subnet_is_changed() -> None:
    async with world() as w:
        _, id = await a_network(w)
        path = f"/subnets/{id}"
        for values in (
            {"gateway_ip": None},
            {"gateway_ip": "10.0.0.1"},
            {"allocation_pools": [{"start": "10.0.0.10", "end": "10.0.0.20"}]},
            {"dns_nameservers": ["1.1.1.1", "9.9.9.9"]},
            {"host_routes": [{"destination": "10.9.0.0/24", "nexthop": "10.0.0.9"}]},
            {"enable_dhcp": False, "name": "x", "description": "y"},
        ):
            answer = await ask(w, "PUT", path, {"subnet": values}, as_="member")
            assert answer.status_code == 200, answer.text
            assert answer.json()["subnet"].items() >= values.items()
        conflict = await ask(w, "PUT", path, {"subnet": {"gateway_ip": "10.0.0.15"}})
        assert refusal(conflict)[:2] == (409, "GatewayConflictWithAllocationPools")
        for name in ("cidr", "network_id", "ip_version", "ipv6_ra_mode", "id", "tenant_id"):
            answer = await ask(w, "PUT", path, {"subnet": {name: "x"}})
            assert refusal(answer)[2] == f"Cannot update read-only attribute {name}"
        assert (await ask(w, "PUT", path, {"subnet": {"name": "z"}}, as_="foreign")).status_code == 404


async def test_a_subnet_in_use_is_kept() -> None:
    async with world() as w:
        network, id = await a_network(w)
        port = await make(w, "port", network_id=network)
        answer = await ask(w, "DELETE", f"/subnets/{id}", as_="member")
        assert refusal(answer) == (
            409,
            "SubnetInUse",
            f"Unable to complete operation on subnet {id}: One or more ports have an IP allocation from this subnet.",
        )
        await ask(w, "DELETE", f"/ports/{port['id']}")
        assert (await ask(w, "DELETE", f"/subnets/{id}", as_="member")).status_code == 204
        assert (await ask(w, "GET", f"/networks/{network}")).json()["network"]["subnets"] == []
