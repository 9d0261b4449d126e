"""Ports as a client sees them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.network.calls import NOWHERE, a_network, ask, make, refusal
from tests.worlds import PROJECT, world


async def test_a_port_has_the_whole_document() -> None:
    async with world() as w:
        network, subnet = await a_network(w)
        made = await make(w, "port", as_="admin", network_id=network, name="p", tags=["red"])
        assert set(made) == {
            *("id", "name", "network_id", "tenant_id", "project_id", "mac_address", "admin_state_up", "status"),
            *("device_id", "device_owner", "fixed_ips", "allowed_address_pairs", "extra_dhcp_opts"),
            *("security_groups", "description", "binding:vnic_type", "binding:profile", "binding:host_id"),
            *("binding:vif_type", "binding:vif_details", "port_security_enabled", "qos_policy_id"),
            *("qos_network_policy_id", "resource_request", "ip_allocation", "tags"),
            *("created_at", "updated_at", "revision_number"),
        }
        assert [one["subnet_id"] for one in made["fixed_ips"]] == [subnet]
        assert (made["status"], made["binding:vif_type"], made["revision_number"]) == ("DOWN", "unbound", 1)
        assert made["tags"] == ["red"]
        member = (await ask(w, "GET", f"/ports/{made['id']}", as_="member")).json()["port"]
        assert set(made) - set(member) == {
            *("binding:profile", "binding:host_id", "binding:vif_type", "binding:vif_details", "resource_request")
        }


async def test_a_port_gets_an_address_of_each_version_and_the_automatic_ones() -> None:
    async with world() as w:
        network, _ = await a_network(w)
        slaac = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
        await make(w, "subnet", network_id=network, ip_version=6, cidr="fd77::/64", **slaac)
        await make(w, "subnet", network_id=network, ip_version=6, cidr="fd78::/64")
        made = await make(w, "port", as_="admin", network_id=network, mac_address="fa:16:3e:00:00:03")
        ips = [one["ip_address"] for one in made["fixed_ips"]]
        assert ips[1] == "fd77::f816:3eff:fe00:3"
        assert ips[0].startswith("10.0.0.")
        assert ips[2].startswith("fd78::")
        none = await make(w, "port", network_id=network, fixed_ips=[])
        assert len(none["fixed_ips"]) == 1
        assert none["ip_allocation"] == "none"


@pytest.mark.parametrize(
    ("values", "status", "kind", "message"),
    [
        ({"network_id": NOWHERE}, 404, "NetworkNotFound", "could not be found"),
        ({"network_id": "nosuch"}, 400, "HTTPBadRequest", "'nosuch' is not a valid UUID"),
        ({"fixed_ips": [{"ip_address": "10.11.12.13"}]}, 400, "InvalidIpForNetwork", "any of the subnets"),
        ({"fixed_ips": [{"ip_address": "10.0.0.0"}]}, 400, "InvalidIpForNetwork", "any of the subnets"),
        ({"fixed_ips": [{"ip_address": "10.0.0.255"}]}, 400, "InvalidIpForNetwork", "any of the subnets"),
        ({"fixed_ips": [{"ip_address": "10.0.0.999"}]}, 400, "HTTPBadRequest", "not a valid IP address"),
        ({"fixed_ips": [{"ip_address": "010.0.0.9"}]}, 400, "HTTPBadRequest", "'10.0.0.9' is recommended"),
        ({"fixed_ips": [{"subnet_id": NOWHERE}]}, 404, "SubnetNotFound", "could not be found"),
        ({"fixed_ips": [{"subnet_id": "x"}]}, 400, "HTTPBadRequest", "'x' is not a valid UUID"),
        ({"fixed_ips": [{}]}, 400, "InvalidInput", "IP allocation requires subnet_id or ip_address"),
        ({"fixed_ips": "x"}, 400, "HTTPBadRequest", "Invalid data format for fixed IP: 'x'"),
        ({"fixed_ips": None}, 400, "HTTPBadRequest", "Invalid data format for fixed IP: 'None'"),
        ({"fixed_ips": [{"ip_address": "10.0.0.9"}] * 2}, 400, "HTTPBadRequest", "Duplicate IP address '10.0.0.9'"),
        ({"mac_address": "zz:zz"}, 400, "HTTPBadRequest", "'zz:zz' is not a valid MAC address"),
        ({"mac_address": "00:00:00:00:00:00"}, 400, "HTTPBadRequest", "is not a valid MAC address"),
        ({"security_groups": [NOWHERE]}, 404, "SecurityGroupNotFound", "does not exist"),
        ({"security_groups": ["x"]}, 400, "HTTPBadRequest", "'x' is not a valid UUID"),
        ({"security_groups": "x"}, 400, "HTTPBadRequest", "'x' is not a list"),
        (
            {"port_security_enabled": False, "security_groups": [NOWHERE]},
            400,
            "PortSecurityAndIPRequiredForSecurityGroups",
            "Port security must be enabled",
        ),
        (
            {"port_security_enabled": False, "allowed_address_pairs": [{"ip_address": "10.0.0.1"}]},
            409,
            "AddressPairAndPortSecurityRequired",
            "Port Security must be enabled",
        ),
        ({"allowed_address_pairs": "x"}, 400, "HTTPBadRequest", "Allowed address pairs must be a list."),
        ({"allowed_address_pairs": [{"ip_address": None}]}, 400, "HTTPBadRequest", "'None' is not a valid IP"),
        ({"allowed_address_pairs": [{}]}, 400, "AllowedAddressPairsMissingIP", "must contain ip_address"),
        ({"allowed_address_pairs": [{"ip_address": "224.0.0.1"}]}, 400, "HTTPBadRequest", "multicast"),
        (
            {"allowed_address_pairs": [{"ip_address": "10.0.0.1"}] * 2},
            400,
            "DuplicateAddressPairInRequest",
            "mac_address None ip_address 10.0.0.1",
        ),
        ({"extra_dhcp_opts": [{"opt_name": "x"}]}, 400, "InvalidInput", "No valid key specs matched"),
        ({"extra_dhcp_opts": "x"}, 400, "InvalidInput", "'x' is not a list"),
        ({"binding:vnic_type": "bogus"}, 400, "HTTPBadRequest", "bogus is not in valid_values"),
        ({"binding:profile": {"a": 1}}, 403, "PolicyNotAuthorized", "create_port:binding:profile"),
        ({"device_id": 5}, 400, "HTTPBadRequest", "'5' is not a valid string"),
        ({"status": "ACTIVE"}, 400, "HTTPBadRequest", "Attribute 'status' not allowed in POST"),
        ({"dns_name": "x"}, 400, "HTTPBadRequest", "Unrecognized attribute(s) 'dns_name'"),
    ],
)
async def test_a_port_that_makes_no_sense_is_refused(
    values: dict[str, Any], status: int, kind: str, message: str
) -> None:
    async with world() as w:
        network, _ = await a_network(w)
        found = refusal(await ask(w, "POST", "/ports", {"port": {"network_id": network} | values}))
        assert found[:2] == (status, kind), found
        assert message in found[2]
        used = (await ask(w, "GET", f"/quotas/{PROJECT}/details.json")).json()["quota"]["port"]["used"]
        assert used == 0


async def test_addresses_are_given_once() -> None:
    async with world() as w:
        network, subnet = await a_network(w, cidr="10.0.0.0/29")
        wanted = [{"subnet_id": subnet, "ip_address": "10.0.0.5"}]
        first = await make(w, "port", network_id=network, fixed_ips=wanted)
        again = await ask(w, "POST", "/ports", {"port": {"network_id": network, "fixed_ips": wanted}})
        assert refusal(again) == (
            409,
            "IpAddressAlreadyAllocated",
            f"IP address 10.0.0.5 already allocated in subnet {subnet}",
        )
        for _ in range(4):
            await make(w, "port", network_id=network)
        full = await ask(w, "POST", "/ports", {"port": {"network_id": network}})
        assert refusal(full) == (
            409,
            "IpAddressGenerationFailure",
            f"No more IP addresses available on network {network}.",
        )
        await ask(w, "DELETE", f"/ports/{first['id']}")
        freed = await make(w, "port", network_id=network)
        assert freed["fixed_ips"][0]["ip_address"] == "10.0.0.5"
        mac = {"network_id": network, "mac_address": freed["mac_address"], "fixed_ips": []}
        assert refusal(await ask(w, "POST", "/ports", {"port": mac}))[:2] == (409, "MacAddressInUse")


async def test_a_port_is_changed() -> None:
    async with world() as w:
        network, subnet = await a_network(w)
        id = (await make(w, "port", network_id=network))["id"]

        async def put(as_: str = "admin", **values: Any) -> dict[str, Any]:
            answer = await ask(w, "PUT", f"/ports/{id}", {"port": values}, as_=as_)
            assert answer.status_code == 200, answer.text
            port: dict[str, Any] = answer.json()["port"]
            return port

        moved = await put(fixed_ips=[{"ip_address": "10.0.0.60"}])
        assert moved["fixed_ips"] == [{"subnet_id": subnet, "ip_address": "10.0.0.60"}]
        two = await put(fixed_ips=[{"ip_address": "10.0.0.60"}, {"subnet_id": subnet}])
        assert len(two["fixed_ips"]) == 2
        assert (await put(fixed_ips=[]))["fixed_ips"] == []
        assert (await put(mac_address="fa:16:3e:22:22:22"))["mac_address"] == "fa:16:3e:22:22:22"
        assert (await put(mac_address=None))["mac_address"] != "fa:16:3e:22:22:22"
        bound = await put(**{"binding:host_id": "h"})
        assert bound["binding:vif_type"] == "bridge"
        assert (await put(**{"binding:host_id": ""}))["binding:vif_type"] == "unbound"
        pairs = await put("member", allowed_address_pairs=[{"ip_address": "10.0.0.200"}])
        assert pairs["allowed_address_pairs"][0]["mac_address"] == pairs["mac_address"]
        assert (await put(allowed_address_pairs=None))["allowed_address_pairs"] == []
        options = await put(extra_dhcp_opts=[{"opt_name": "a", "opt_value": "b"}])
        assert options["extra_dhcp_opts"] == [{"opt_name": "a", "opt_value": "b", "ip_version": 4}]
        assert (await put(extra_dhcp_opts=[{"opt_name": "a", "opt_value": None}]))["extra_dhcp_opts"] == []
        still = await ask(w, "PUT", f"/ports/{id}", {"port": {"port_security_enabled": False}})
        assert refusal(still)[:2] == (409, "PortSecurityPortHasSecurityGroup")
        assert (await put(security_groups=[], port_security_enabled=False))["security_groups"] == []
        for name in ("network_id", "status", "id"):
            answer = await ask(w, "PUT", f"/ports/{id}", {"port": {name: "x"}})
            assert refusal(answer)[2] == f"Cannot update read-only attribute {name}"
        answer = await ask(w, "PUT", f"/ports/{id}", {"port": {"mac_address": "fa:16:3e:1:2:3"}}, as_="member")
        assert answer.status_code in (400, 403)


async def test_several_are_made_at_once_or_none() -> None:
    async with world() as w:
        network, _ = await a_network(w)
        body: dict[str, list[dict[str, Any]]] = {
            "ports": [{"network_id": network, "name": "a"}, {"network_id": network, "name": "b"}]
        }
        answer = await ask(w, "POST", "/ports", body, as_="member")
        assert [port["name"] for port in answer.json()["ports"]] == ["a", "b"]
        taken = answer.json()["ports"][0]["fixed_ips"][0]["ip_address"]
        used: dict[str, Any] = {"network_id": network, "fixed_ips": [{"ip_address": taken}]}
        body["ports"].append(used)
        assert (await ask(w, "POST", "/ports", body, as_="member")).status_code == 409
        assert len((await ask(w, "GET", "/ports")).json()["ports"]) == 2


async def test_a_foreign_port_is_as_if_it_were_not() -> None:
    async with world() as w:
        network, _ = await a_network(w)
        id = (await make(w, "port", network_id=network))["id"]
        for method, body in (("GET", None), ("PUT", {"port": {"name": "x"}}), ("DELETE", None)):
            answer = await ask(w, method, f"/ports/{id}", body, as_="foreign")
            assert refusal(answer) == (404, "PortNotFound", f"Port {id} could not be found.")
        foreign = await make(w, "security_group", as_="foreign", name="theirs")
        theirs = {"port": {"network_id": network, "security_groups": [foreign["id"]]}}
        assert refusal(await ask(w, "POST", "/ports", theirs, as_="member"))[:2] == (404, "SecurityGroupNotFound")
