"""Lists: filters, fields, order, pages, tags."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.gateway.compute.clouds import HOST, boot, furnish, run
from tests.gateway.network.calls import NOWHERE, a_network, ask, make, refusal
from tests.worlds import PROJECT, World, world


async def names(w: World, query: str, plural: str = "networks") -> list[str]:
    answer = await ask(w, "GET", f"/{plural}?{query}")
    assert answer.status_code == 200, answer.text
    return [one["name"] for one in answer.json()[plural]]


async def three(w: World) -> list[dict[str, Any]]:
    return [
        await make(w, "network", name="a", description="x"),
        await make(w, "network", name="b", admin_state_up=False),
        await make(w, "network", name="c", description="x"),
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["a", "b", "c"]),
        ("name=a&name=c", ["a", "c"]),
        ("name=a&description=y", []),
        ("description=x", ["a", "c"]),
        ("description=", ["b"]),
        ("admin_state_up=false", ["b"]),
        ("admin_state_up=True", ["a", "b", "c"][::2]),
        (f"project_id={PROJECT}&mtu=1450", ["a", "b", "c"]),
        ("tenant_id=other", []),
        ("shared=true", []),
        ("router:external=false", ["a", "b", "c"]),
        ("revision_number=1", ["a", "b", "c"]),
        ("status=ACTIVE", ["a", "b", "c"]),
        (f"id={NOWHERE}", []),
        ("tags=red", []),
        ("not-tags=red", ["a", "b", "c"]),
    ],
)
async def test_a_list_holds_what_passes_its_filters(query: str, found: list[str]) -> None:
    async with world() as w:
        await three(w)
        assert await names(w, query) == found


@pytest.mark.parametrize(
    ("query", "kind", "message"),
    [
        ("bogus=1", "HTTPBadRequest", "['bogus'] is invalid attribute for filtering"),
        ("subnets=1", "HTTPBadRequest", "['subnets'] is invalid attribute for filtering"),
        ("limit=-1", "BadRequest", "Bad limit request: Limit must be an integer 0 or greater and not '-1'."),
        ("sort_key=name", "HTTPBadRequest", "The number of sort_keys and sort_dirs must be same"),
        ("sort_key=bogus&sort_dir=asc", "HTTPBadRequest", "['bogus'] is invalid attribute for sort_keys"),
        (
            "sort_key=name&sort_dir=up",
            "HTTPBadRequest",
            "['up'] is invalid value for sort_dirs, valid value is 'asc' and 'desc'",
        ),
        ("shared=maybe", "InvalidInput", "Invalid input for operation: 'maybe' cannot be converted to boolean."),
        ("mtu=abc", "InvalidInput", "Invalid input for operation: 'abc' is not an integer."),
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(query: str, kind: str, message: str) -> None:
    async with world() as w:
        assert refusal(await ask(w, "GET", f"/networks?{query}")) == (400, kind, message)


async def test_only_the_fields_that_are_asked_for_are_shown() -> None:
    async with world() as w:
        made = await three(w)
        shown = (await ask(w, "GET", "/networks?fields=name&fields=mtu&name=a")).json()
        assert shown == {"networks": [{"name": "a", "mtu": 1450}]}
        assert (await ask(w, "GET", "/networks?fields=bogus&name=a")).json() == {"networks": [{}]}
        one = (await ask(w, "GET", f"/networks/{made[0]['id']}?fields=id")).json()
        assert one == {"network": {"id": made[0]["id"]}}


async def test_pages_lead_to_each_other() -> None:
    async with world() as w:
        made = await three(w)
        first = (await ask(w, "GET", "/networks?limit=2&sort_key=name&sort_dir=asc&fields=name")).json()
        assert first["networks"] == [{"name": "a"}, {"name": "b"}]
        links = {link["rel"]: link["href"] for link in first["networks_links"]}
        assert links["next"].startswith("http://cloud.test/network/v2.0/networks?limit=2&sort_key=name&sort_dir=asc")
        follow = urlsplit(links["next"])
        second = (await w.call("GET", f"{follow.path}?{follow.query}")).json()
        assert second["networks"] == [{"name": "c"}]
        assert [link["rel"] for link in second["networks_links"]] == ["previous"]
        back = f"limit=2&sort_key=name&sort_dir=asc&marker={made[2]['id']}&page_reverse=True"
        assert await names(w, back) == ["a", "b"]
        assert await names(w, "sort_key=name&sort_dir=desc") == ["c", "b", "a"]
        unknown = await ask(w, "GET", f"/networks?limit=2&marker={NOWHERE}")
        assert refusal(unknown) == (404, "NetworkNotFound", f"Network {NOWHERE} could not be found.")
        everything = (await ask(w, "GET", "/networks?limit=0")).json()
        assert list(everything) == ["networks"]


async def test_pages_are_in_the_order_of_ids_if_nothing_else_is_asked_for() -> None:
    async with world() as w:
        ids = sorted(one["id"] for one in await three(w))
        seen, marker = list[str](), ""
        while len(seen) < 3:
            page = (await ask(w, "GET", f"/networks?limit=1{marker}")).json()["networks"]
            seen.append(page[0]["id"])
            marker = f"&marker={seen[-1]}"
        assert seen == ids


async def test_ports_are_sorted_by_the_status_that_is_shown() -> None:
    async with world() as w:
        await furnish(w)
        server = await boot(w)
        await run(w, server)
        network, _ = await a_network(w)
        made = [await make(w, "port", network_id=network, name=name) for name in ("a", "b", "c")]
        plugged = {"device_id": server, "device_owner": "compute:nova", "binding:host_id": HOST}
        assert (await ask(w, "PUT", f"/ports/{made[1]['id']}", {"port": plugged})).json()["port"]["status"] == "ACTIVE"
        assert (await names(w, "sort_key=status&sort_dir=asc", "ports"))[0] == "b"
        assert (await names(w, "sort_key=status&sort_dir=desc", "ports"))[-1] == "b"
        after = await names(w, f"sort_key=status&sort_dir=asc&limit=2&marker={made[1]['id']}", "ports")
        assert sorted(after) == ["a", "c"]


async def test_a_marker_of_another_kind_is_of_no_rule() -> None:
    async with world() as w:
        await make(w, "security_group", name="mine")
        (group, *_) = (await ask(w, "GET", "/security-groups", as_="member")).json()["security_groups"]
        page = f"limit=1&marker={group['id']}&sort_key=direction&sort_dir=asc"
        assert (await ask(w, "GET", f"/security-group-rules?{page}", as_="member")).status_code == 404


async def test_ports_are_found_by_all_they_have() -> None:
    async with world() as w:
        network, subnet = await a_network(w)
        fixed = await make(w, "port", network_id=network, name="p", fixed_ips=[{"ip_address": "10.0.0.55"}])
        other = await make(w, "port", network_id=network, name="q", fixed_ips=[{"ip_address": "10.0.0.66"}])
        await ask(w, "PUT", f"/ports/{fixed['id']}", {"port": {"device_id": "vm", "binding:host_id": "h"}})
        for query in (
            "fixed_ips=ip_address%3D10.0.0.55",
            "fixed_ips=ip_address_substr%3D.55",
            "device_id=vm",
            "binding:host_id=h",
            f"mac_address={fixed['mac_address']}",
            f"id={fixed['id']}&network_id={network}",
            "device_id=vm&device_owner=",
        ):
            assert await names(w, query, "ports") == ["p"], query
        group = fixed["security_groups"][0]
        for query in (f"security_groups={group}", f"fixed_ips=subnet_id%3D{subnet}", f"network_id={network}"):
            assert await names(w, query, "ports") == ["p", "q"], query
        assert await names(w, f"device_id=&network_id={network}", "ports") == ["q"]
        assert refusal(await ask(w, "GET", "/ports?fixed_ips=bogus"))[1] == "InvalidInput"
        assert other["status"] == "DOWN"


async def test_tags_are_put_on_and_taken_off() -> None:
    async with world() as w:
        network, _ = await a_network(w, name="n")
        path = f"/networks/{network}/tags"
        assert (await ask(w, "PUT", f"{path}/red", as_="member")).status_code == 201
        replaced = await ask(w, "PUT", path, {"tags": ["green", "blue"]}, as_="member")
        assert replaced.json() == {"tags": ["green", "blue"]}
        assert await names(w, "tags=green,blue") == ["n"]
        assert await names(w, "tags-any=green,other") == ["n"]
        assert await names(w, "not-tags-any=green,other") == []
        assert (await ask(w, "GET", f"{path}/green", as_="member")).status_code == 204
        assert (await ask(w, "DELETE", f"{path}/green", as_="member")).status_code == 204
        gone = await ask(w, "GET", f"{path}/green", as_="member")
        assert refusal(gone) == (404, "TagNotFound", "Tag green could not be found.")
        assert (await ask(w, "POST", path, {"tags": ["more"]}, as_="member")).status_code == 200
        assert (await ask(w, "GET", path, as_="member")).json() == {"tags": ["blue", "more"]}
        assert (await ask(w, "DELETE", path, as_="member")).status_code == 204
        assert (await ask(w, "GET", path)).json() == {"tags": []}
        assert (await ask(w, "PUT", f"{path}/x", as_="foreign")).status_code == 403
        assert (await ask(w, "GET", f"/networks/{NOWHERE}/tags")).status_code == 404
        assert (await ask(w, "GET", f"/bogus/{network}/tags")).status_code == 404


@pytest.mark.parametrize(
    "body", [{}, {"tags": "x"}, {"tags": [5]}, {"tags": ["x" * 256]}, {"tags": ["a", "a"]}, [], {"tags": ["t"] * 60}]
)
async def test_tags_that_make_no_sense_are_refused(body: Any) -> None:
    async with world() as w:
        network, _ = await a_network(w)
        assert (await ask(w, "PUT", f"/networks/{network}/tags", body)).status_code == 400
