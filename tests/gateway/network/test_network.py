"""Networks as a client sees them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.network.calls import NOWHERE, a_network, ask, make, refusal
from tests.worlds import PROJECT, world

EXTERNAL: dict[str, Any] = {"router:external": True}


async def test_a_network_has_the_whole_document() -> None:
    async with world() as w:
        made = await make(w, "network", as_="admin", name="net", description="mine")
        assert made["provider:network_type"] == "vxlan"
        assert made["provider:segmentation_id"] > 0
        shown = (await ask(w, "GET", f"/networks/{made['id']}")).json()["network"]
        assert "is_default" in made
        assert "is_default" not in shown
        assert set(shown) == {
            *("id", "name", "tenant_id", "project_id", "admin_state_up", "mtu", "status", "subnets", "shared"),
            *("availability_zone_hints", "availability_zones", "ipv4_address_scope", "ipv6_address_scope"),
            *("router:external", "description", "port_security_enabled", "qos_policy_id", "l2_adjacency", "tags"),
            *("created_at", "updated_at", "revision_number"),
            *("provider:network_type", "provider:physical_network", "provider:segmentation_id"),
        }
        assert (shown["status"], shown["mtu"], shown["revision_number"]) == ("ACTIVE", 1450, 1)
        assert shown["project_id"] == shown["tenant_id"] == PROJECT
        member = (await ask(w, "GET", f"/networks/{made['id']}", as_="member")).json()["network"]
        assert not [name for name in member if name.startswith("provider:")]


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ({}, "HTTPBadRequest", "Unable to find 'network' in request body"),
        ([], "HTTPBadRequest", "Body contains invalid data"),
        ({"network": []}, "HTTPBadRequest", "Object 'network' contains invalid data"),
        ({"network": None}, "HTTPBadRequest", "Unable to find 'network' in request body"),
        ({"networks": []}, "HTTPBadRequest", "Resources required"),
        ({"networks": [{"name": "q"}, {"bogus": 1}]}, "HTTPBadRequest", "Unrecognized attribute(s) 'bogus'"),
        ({"network": {"name": 5}}, "HTTPBadRequest", "Invalid input for name. Reason: '5' is not a valid string."),
        (
            {"network": {"name": None}},
            "HTTPBadRequest",
            "Invalid input for name. Reason: 'None' is not a valid string.",
        ),
        (
            {"network": {"admin_state_up": "perhaps"}},
            "InvalidInput",
            "Invalid input for operation: 'perhaps' cannot be converted to boolean.",
        ),
        ({"network": {"id": "x"}}, "HTTPBadRequest", "Attribute 'id' not allowed in POST"),
        ({"network": {"mtu": -1}}, "HTTPBadRequest", "Invalid input for mtu. Reason: '-1' should be non-negative."),
        ({"network": {"mtu": "abc"}}, "InvalidInput", "Invalid input for operation: 'abc' is not an integer."),
        (
            {"network": {"mtu": 70000}},
            "InvalidInput",
            "Invalid input for operation: Requested MTU is too big, maximum is 1450.",
        ),
        (
            {"network": {"tenant_id": "a", "project_id": "b"}},
            "HTTPBadRequest",
            "'project_id' and 'tenant_id' do not match",
        ),
        (
            {"network": {"provider:network_type": "bogus"}},
            "InvalidInput",
            "Invalid input for operation: network_type value 'bogus' not supported.",
        ),
        (
            {"network": {"provider:segmentation_id": 7}},
            "InvalidInput",
            "Invalid input for operation: network_type required.",
        ),
        (
            {"network": {"provider:network_type": "flat"}},
            "InvalidInput",
            "Invalid input for operation: physical_network required for flat provider network.",
        ),
    ],
)
async def test_a_body_that_makes_no_sense_is_refused(body: Any, kind: str, message: str) -> None:
    async with world() as w:
        assert refusal(await ask(w, "POST", "/networks", body)) == (400, kind, message)
        assert (await ask(w, "GET", "/networks")).json() == {"networks": []}


async def test_what_is_no_json_is_refused() -> None:
    async with world() as w:
        for data in (b"nonsense", b"\xff\xfe", b'"text"', b"[" * 5000):
            answer = await w.http.request(
                "POST", "/network/v2.0/networks", content=data, headers={"X-Auth-Token": "member"}
            )
            assert refusal(answer) == (400, "HTTPBadRequest", "Body contains invalid data")
        big = b'{"network": {"name": "' + b"x" * (1 << 20) + b'"}}'
        answer = await w.http.request("POST", "/network/v2.0/networks", content=big, headers={"X-Auth-Token": "member"})
        assert answer.status_code == 413


async def test_several_are_made_at_once_or_none() -> None:
    async with world() as w:
        answer = await ask(w, "POST", "/networks", {"networks": [{"name": "a"}, {"name": "b"}]}, as_="member")
        assert [one["name"] for one in answer.json()["networks"]] == ["a", "b"]
        await ask(w, "PUT", f"/quotas/{PROJECT}", {"quota": {"network": 3}})
        answer = await ask(w, "POST", "/networks", {"networks": [{}, {}]}, as_="member")
        assert refusal(answer) == (409, "OverQuota", "Quota exceeded for resources: ['network'].")
        assert len((await ask(w, "GET", "/networks")).json()["networks"]) == 2
        details = (await ask(w, "GET", f"/quotas/{PROJECT}/details.json")).json()["quota"]
        assert details["network"] == {"limit": 3, "used": 2, "reserved": 0}


async def test_a_network_is_changed_if_the_revision_is_right() -> None:
    async with world() as w:
        id, _ = await a_network(w, name="net")
        body = {"network": {"name": "renamed"}}
        stale = await ask(w, "PUT", f"/networks/{id}", body, **{"If-Match": "revision_number=77"})
        assert refusal(stale) == (
            412,
            "RevisionNumberConstraintFailed",
            "Constrained to 77, but current revision is 2",
        )
        bad = await ask(w, "PUT", f"/networks/{id}", body, **{"If-Match": "revision_number=x"})
        assert bad.status_code == 400
        good = await ask(w, "PUT", f"/networks/{id}", body, as_="member", **{"If-Match": "revision_number=2"})
        assert (good.json()["network"]["name"], good.json()["network"]["revision_number"]) == ("renamed", 3)
        stale = await ask(w, "DELETE", f"/networks/{id}", **{"If-Match": "revision_number=2"})
        assert stale.status_code == 412


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"id": "x"}, "Cannot update read-only attribute id"),
        ({"tenant_id": "x"}, "Cannot update read-only attribute tenant_id"),
        ({"status": "x"}, "Cannot update read-only attribute status"),
        ({"bogus": 1}, "Unrecognized attribute(s) 'bogus'"),
        ({"mtu": 1600}, "Invalid input for operation: Requested MTU is too big, maximum is 1450."),
        ({"provider:segmentation_id": 7}, "Invalid input for operation: Only VLAN type networks can be updated.."),
    ],
)
async def test_what_cannot_be_changed_is_refused(values: dict[str, Any], message: str) -> None:
    async with world() as w:
        id, _ = await a_network(w)
        status, _, said = refusal(await ask(w, "PUT", f"/networks/{id}", {"network": values}))
        assert (status, said) == (400, message)


async def test_a_network_in_use_is_kept() -> None:
    async with world() as w:
        id, subnet = await a_network(w)
        port = await make(w, "port", network_id=id)
        status, kind, message = refusal(await ask(w, "DELETE", f"/networks/{id}", as_="member"))
        assert (status, kind) == (409, "NetworkInUse")
        assert message.endswith(f"id for these ports is: {port['id']}.")
        assert (await ask(w, "DELETE", f"/ports/{port['id']}", as_="member")).status_code == 204
        assert (await ask(w, "DELETE", f"/networks/{id}", as_="member")).status_code == 204
        assert (await ask(w, "GET", f"/subnets/{subnet}")).status_code == 404
        body = await ask(w, "DELETE", f"/networks/{id}", {})
        assert refusal(body)[2] == "Request body is not supported in DELETE."


async def test_a_foreign_network_is_as_if_it_were_not() -> None:
    async with world() as w:
        id, _ = await a_network(w)
        for method, body in (("GET", None), ("PUT", {"network": {"name": "x"}}), ("DELETE", None)):
            answer = await ask(w, method, f"/networks/{id}", body, as_="foreign")
            assert refusal(answer) == (404, "NetworkNotFound", f"Network {id} could not be found.")
        assert (await ask(w, "GET", "/networks", as_="foreign")).json() == {"networks": []}
        assert (await ask(w, "GET", f"/networks?id={id}", as_="foreign")).json() == {"networks": []}
        answer = await ask(w, "POST", "/ports", {"port": {"network_id": id}}, as_="foreign")
        assert refusal(answer)[:2] == (404, "NetworkNotFound")
        subnet = {"subnet": {"network_id": id, "ip_version": 4, "cidr": "10.1.0.0/24"}}
        answer = await ask(w, "POST", "/subnets", subnet, as_="foreign")
        assert refusal(answer) == (403, "PolicyNotAuthorized", "rule:create_subnet is disallowed by policy")


async def test_a_shared_network_is_seen_and_used_by_all_and_changed_by_its_own() -> None:
    async with world() as w:
        id, _ = await a_network(w, as_="admin", shared=True)
        shown = (await ask(w, "GET", "/networks", as_="foreign")).json()["networks"]
        assert [one["id"] for one in shown] == [id]
        assert len((await ask(w, "GET", "/subnets", as_="foreign")).json()["subnets"]) == 1
        port = await make(w, "port", as_="foreign", network_id=id)
        assert (await ask(w, "GET", f"/ports/{port['id']}", as_="member")).status_code == 200  # on one's own network
        for method, body in (("PUT", {"network": {"name": "x"}}), ("DELETE", None)):
            assert refusal(await ask(w, method, f"/networks/{id}", body, as_="foreign"))[0] == 403
        mine = await ask(
            w, "POST", "/ports", {"port": {"network_id": id, "mac_address": "fa:16:3e:00:00:01"}}, as_="foreign"
        )
        assert refusal(mine) == (
            403,
            "PolicyNotAuthorized",
            "(rule:create_port and rule:create_port:mac_address) is disallowed by policy",
        )


async def test_an_external_network_is_seen_by_all_and_used_by_its_own() -> None:
    async with world() as w:
        id, _ = await a_network(w, as_="admin", **EXTERNAL)
        shown = (await ask(w, "GET", f"/networks/{id}", as_="foreign")).json()["network"]
        assert shown["is_default"] is False
        answer = await ask(w, "POST", "/ports", {"port": {"network_id": id}}, as_="foreign")
        assert refusal(answer) == (403, "PolicyNotAuthorized", "rule:create_port is disallowed by policy")


@pytest.mark.parametrize(
    "values", [{"shared": True}, {"router:external": True}, {"is_default": True}, {"provider:network_type": "vxlan"}]
)
async def test_only_an_admin_says_how_a_network_is_made(values: dict[str, Any]) -> None:
    name = next(iter(values))
    async with world() as w:
        answer = await ask(w, "POST", "/networks", {"network": values}, as_="member")
        text = f"(rule:create_network and rule:create_network:{name}) is disallowed by policy"
        assert refusal(answer) == (403, "PolicyNotAuthorized", text)
        id, _ = await a_network(w)
        answer = await ask(w, "PUT", f"/networks/{id}", {"network": values}, as_="member")
        assert answer.status_code == 403


async def test_readers_read() -> None:
    async with world() as w:
        await a_network(w)
        assert len((await ask(w, "GET", "/networks", as_="reader")).json()["networks"]) == 1
        answer = await ask(w, "POST", "/networks", {"network": {}}, as_="reader")
        assert refusal(answer) == (403, "PolicyNotAuthorized", "rule:create_network is disallowed by policy")
        answer = await ask(w, "POST", "/networks", {"network": {"tenant_id": "other"}}, as_="member")
        assert answer.status_code == 400


async def test_segments_are_claimed_by_number() -> None:
    async with world() as w:
        values = {"provider:network_type": "vxlan", "provider:segmentation_id": 7}
        first = await make(w, "network", as_="admin", **values)
        answer = await ask(w, "POST", "/networks", {"network": values})
        assert refusal(answer)[:2] == (409, "TunnelIdInUse")
        assert (await ask(w, "DELETE", f"/networks/{first['id']}")).status_code == 204
        await make(w, "network", as_="admin", **values)
        flat = {"provider:network_type": "flat", "provider:physical_network": "public"}
        made = await make(w, "network", as_="admin", **flat)
        assert (made["provider:segmentation_id"], made["mtu"]) == (None, 1500)
        assert refusal(await ask(w, "POST", "/networks", {"network": flat}))[:2] == (409, "FlatNetworkInUse")


async def test_unknown_paths_and_methods_are_refused_in_the_services_own_form() -> None:
    async with world() as w:
        assert refusal(await ask(w, "GET", "/nosuch")) == (
            404,
            "HTTPNotFound",
            "The resource could not be found.",
        )
        assert refusal(await ask(w, "PATCH", "/networks", {}))[:2] == (405, "HTTPMethodNotAllowed")
        assert refusal(await ask(w, "PUT", "/networks", {"network": {}}))[2] == "Network None could not be found."
        assert refusal(await ask(w, "GET", f"/networks/{NOWHERE}"))[:2] == (404, "NetworkNotFound")
        assert (await w.call("GET", "/network/v9")).status_code == 404
        assert (await w.http.get("/network/v2.0/networks")).status_code == 401


async def test_versions_and_extensions_are_told() -> None:
    async with world() as w:
        versions = (await w.http.get("/network/")).json()["versions"]
        assert versions[0]["links"] == [{"rel": "self", "href": "http://cloud.test/network/v2.0/"}]
        listed = {one["alias"] for one in (await ask(w, "GET", "/extensions")).json()["extensions"]}
        assert {"security-group", "quotas", "port-security", "provider", "standard-attr-tag"} <= listed
        assert "router" not in listed
        assert (await ask(w, "GET", "/extensions/quotas")).json()["extension"]["alias"] == "quotas"
        assert (await ask(w, "GET", "/extensions/nosuch")).status_code == 404
        assert (await ask(w, "GET", "/routers")).json() == {"routers": []}
        assert (await ask(w, "GET", "/floatingips")).json() == {"floatingips": []}
        assert (await ask(w, "POST", "/routers", {"router": {}})).status_code == 404
