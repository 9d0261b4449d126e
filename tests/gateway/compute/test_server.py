"""Servers as a client sees them: made, shown, changed, deleted."""

from __future__ import annotations

from typing import Any

import pytest

from events.compute import quota as quotas
from events.compute import server as servers
from events.compute.quota import SetLimits
from events.compute.server import FailServer
from events.envelope import CLOUD
from gateway.compute.server_wish import hostname_of
from tests.gateway.compute.clouds import HOST, IMAGE, NOBODY, QUEUED, SERVERS, body, boot, bury, furnish, run
from tests.worlds import PROJECT, World, world


async def made(w: World, version: str = "2.100", as_: str = "member", **changes: Any) -> Any:
    return await w.call("POST", SERVERS, body(**changes), as_=as_, version=version)


async def test_a_server_is_asked_for_and_shown() -> None:
    async with world() as w:
        await furnish(w)
        answer = await made(w, metadata={"a": "b"}, tags=["x"], description="d", config_drive=True)
        assert answer.status_code == 202
        view = answer.json()["server"]
        assert set(view) == {"id", "links", "OS-DCF:diskConfig", "security_groups", "adminPass"}
        assert answer.headers["location"] == f"http://cloud.test{SERVERS}/{view['id']}"
        server = (await w.call("GET", f"{SERVERS}/{view['id']}", version="2.100")).json()["server"]
        assert server["status"] == "BUILD"
        assert server["OS-EXT-STS:task_state"] == "scheduling"
        assert (server["metadata"], server["tags"], server["description"]) == ({"a": "b"}, ["x"], "d")
        assert (server["config_drive"], server["hostId"], server["addresses"]) == ("True", "", {})
        assert server["flavor"]["original_name"] == "tiny"
        assert server["image"]["properties"] == {"os": "x"}
        assert "security_groups" not in server


async def test_a_running_server_is_shown_with_its_host_to_admins_alone() -> None:
    async with world() as w:
        await furnish(w)
        id = await boot(w)
        await run(w, id)
        mine = (await w.call("GET", f"{SERVERS}/{id}", as_="reader", version="2.100")).json()["server"]
        assert (mine["status"], mine["OS-EXT-STS:power_state"]) == ("ACTIVE", 1)
        assert len(mine["hostId"]) == 56
        assert not {"OS-EXT-SRV-ATTR:host", "host_status", "OS-EXT-SRV-ATTR:user_data"} & set(mine)
        assert mine["OS-EXT-SRV-ATTR:hostname"] == "web"
        admins = (await w.call("GET", f"{SERVERS}/{id}", version="2.100")).json()["server"]
        assert (admins["OS-EXT-SRV-ATTR:host"], admins["host_status"]) == (HOST, "UP")


NEW_AT = {
    "2.3": {"OS-EXT-SRV-ATTR:reservation_id", "OS-EXT-SRV-ATTR:launch_index", "OS-EXT-SRV-ATTR:user_data"},
    "2.9": {"locked"},
    "2.16": {"host_status"},
    "2.19": {"description"},
    "2.26": {"tags"},
    "2.63": {"trusted_image_certificates"},
    "2.71": {"server_groups"},
    "2.73": {"locked_reason"},
    "2.96": {"pinned_availability_zone"},
    "2.100": {"scheduler_hints"},
}


async def test_a_server_is_shaped_by_microversion() -> None:
    async with world() as w:
        await furnish(w)
        id = await boot(w)
        for version, new in NEW_AT.items():
            before = f"2.{int(version[2:]) - 1}"
            older = (await w.call("GET", f"{SERVERS}/{id}", version=before)).json()["server"]
            newer = (await w.call("GET", f"{SERVERS}/{id}", version=version)).json()["server"]
            assert not new & set(older), version
            assert new <= set(newer), version
        assert (await w.call("GET", f"{SERVERS}/{id}", version="2.46")).json()["server"]["flavor"]["id"] == "1"
        assert "id" not in (await w.call("GET", f"{SERVERS}/{id}", version="2.47")).json()["server"]["flavor"]
        assert "properties" not in (await w.call("GET", f"{SERVERS}/{id}", version="2.97")).json()["server"]["image"]


async def test_a_fault_is_shown_with_details_for_admins() -> None:
    async with world() as w:
        await furnish(w)
        id = await boot(w)
        await w.execute(
            servers,
            FailServer(id=id, phase="place", generation=1, message="No valid host was found.", details="host by host"),
            CLOUD,
        )
        server = (await w.call("GET", f"{SERVERS}/{id}", as_="member")).json()["server"]
        assert server["fault"]["message"] == "No valid host was found."
        assert "details" not in server["fault"]
        assert "progress" not in server
        assert (await w.call("GET", f"{SERVERS}/{id}")).json()["server"]["fault"]["details"] == "host by host"


async def test_several_are_numbered_and_share_a_reservation() -> None:
    async with world() as w:
        await furnish(w)
        answer = await made(w, name="many", min_count="2", max_count=3, return_reservation_id=True)
        reservation = answer.json()["reservation_id"]
        found = (await w.call("GET", f"{SERVERS}?reservation_id={reservation}", as_="member")).json()["servers"]
        assert [one["name"] for one in found] == ["many-3", "many-2", "many-1"]


async def test_the_quota_refuses_in_its_own_words() -> None:
    async with world() as w:
        await furnish(w)
        await w.execute(quotas, SetLimits(id=PROJECT, limits={"instances": 3, "cores": 2}), CLOUD)
        answer = await made(w, min_count=5, max_count=5)
        assert answer.status_code == 403
        assert answer.json()["forbidden"]["message"] == (
            "Quota exceeded for cores, instances: Requested 5, 5, but already used 0, 0 of 2, 3 cores, instances"
        )
        assert (await made(w, min_count=1, max_count=5)).status_code == 202
        assert w.fold.count(servers, "project", PROJECT) == 2
        assert (await made(w)).status_code == 403
        assert w.fold.count(servers, "project", PROJECT) == 2


async def test_user_data_is_kept_in_the_vault() -> None:
    async with world() as w:
        await furnish(w)
        id = await boot(w, user_data="aGVsbG8=")
        state = w.fold.get(servers, id)
        assert state is not None
        assert state.user_data is not None
        assert await w.cloud.vault.get(state.user_data) == b"hello"
        server = (await w.call("GET", f"{SERVERS}/{id}", version="2.3")).json()["server"]
        assert server["OS-EXT-SRV-ATTR:user_data"] == "aGVsbG8="


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"name": ...}, "'name' is a required property"),
    ({"name": 1}, "Invalid input for field/attribute name. Value: 1. 1 is not of type 'string'"),
    ({"name": ""}, "Invalid input for field/attribute name. Value: . '' should be non-empty"),
    ({"name": "x" * 256}, "is too long"),
    ({"name": " x"}, "Can not start or end with whitespace"),
    ({"flavorRef": ...}, "'flavorRef' is a required property"),
    ({"flavorRef": "nosuch"}, "Flavor nosuch could not be found."),
    ({"imageRef": ...}, "Missing imageRef attribute"),
    ({"imageRef": ""}, "Missing imageRef attribute"),
    ({"imageRef": "x"}, "'x' is not valid under any of the given schemas"),
    ({"imageRef": None}, "Invalid input for field/attribute imageRef"),
    ({"imageRef": NOBODY}, "Can not find requested image"),
    ({"imageRef": QUEUED}, f"Image {QUEUED} is not active."),
    ({"networks": ...}, "'networks' is a required property"),
    ({"networks": "some"}, "Invalid input for field/attribute networks. Value: some."),
    ({"networks": [{}]}, "Bad network format: missing 'uuid'"),
    ({"networks": [{"uuid": NOBODY}]}, f"Network {NOBODY} could not be found."),
    ({"networks": [{"port": NOBODY}]}, f"Port id {NOBODY} could not be found."),
    ({"networks": [{"uuid": NOBODY, "fixed_ip": "x"}]}, "Invalid fixed IP address (x)"),
    ({"key_name": "nosuch"}, "Invalid key_name provided."),
    ({"user_data": "no base64!"}, "is not a 'base64'"),
    ({"user_data": "A" * 65536}, "is too long"),
    ({"metadata": {"a": 1}}, "Invalid input for field/attribute a. Value: 1. 1 is not of type 'string'"),
    ({"metadata": {"a/b": "c"}}, "'a/b' does not match any of the regexes"),
    ({"metadata": []}, "[] is not of type 'object'"),
    ({"tags": ["a,b"]}, "Invalid input for field/attribute 0. Value: a,b. 'a,b' does not match '^[^,/]*$'"),
    ({"tags": [str(i) for i in range(51)]}, "is too long"),
    ({"accessIPv4": "x"}, "'x' is not a 'ipv4'"),
    ({"OS-DCF:diskConfig": "X"}, "'X' is not one of ['AUTO', 'MANUAL']"),
    ({"min_count": 0}, "0 is less than the minimum of 1"),
    ({"min_count": 2, "max_count": 1}, "min_count must be <= max_count"),
    ({"min_count": 2, "hostname": "one"}, "Unable to allocate a single hostname to multiple instances"),
    ({"availability_zone": "mars"}, "The requested availability zone is not available"),
    ({"security_groups": [{"name": "nosuch"}]}, "Unable to find security_group with name or id 'nosuch'"),
    ({"config_drive": "maybe"}, "'maybe' is not one of [True, 'True'"),
    ({"block_device_mapping_v2": [{"boot_index": 0}]}, "Missing device UUID."),
    ({"block_device_mapping_v2": [{"source_type": "volume", "uuid": NOBODY}]}, "this cloud has no volumes."),
    ({"personality": []}, "Additional properties are not allowed ('personality' was unexpected)"),
    ({"bogus": 1}, "Additional properties are not allowed ('bogus' was unexpected)"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
async def test_a_request_that_makes_no_sense_is_refused_with_a_reason(changes: dict[str, Any], message: str) -> None:
    async with world() as w:
        await furnish(w)
        answer = await made(w, **changes)
        assert answer.status_code == 400, answer.text
        assert message in answer.json()["badRequest"]["message"]
        assert not w.fold.all(servers)


@pytest.mark.parametrize("data", [b"", b"nonsense", b"[]", b"{}", b'{"server": []}', b'{"server": null}', b"\xff"])
async def test_a_body_that_is_none_is_refused(data: bytes) -> None:
    async with world() as w:
        for method, path in (("POST", SERVERS), ("POST", f"{SERVERS}/{NOBODY}/action"), ("PUT", f"{SERVERS}/{NOBODY}")):
            headers = {"X-Auth-Token": "member", "Content-Type": "application/json"}
            answer = await w.http.request(method, f"http://cloud.test{path}", content=data, headers=headers)
            assert answer.status_code == 400, (method, path, answer.text)


async def test_what_is_too_new_is_refused() -> None:
    async with world() as w:
        await furnish(w)
        too_new: list[tuple[str, str, Any]] = [
            ("2.18", "description", "x"),
            ("2.51", "tags", []),
            ("2.89", "hostname", "x"),
        ]
        for version, name, value in too_new:
            answer = await made(w, version, "member", **{name: value})
            assert f"('{name}' was unexpected)" in answer.json()["badRequest"]["message"]
        assert (await made(w, "2.36")).status_code == 400
        assert (await made(w, "2.36", networks=...)).status_code == 202


async def test_the_image_once_more_as_a_device_is_no_second_one() -> None:
    async with world() as w:
        await furnish(w)
        device = {"uuid": IMAGE, "boot_index": 0, "source_type": "image", "destination_type": "local"}
        assert (await made(w, block_device_mapping_v2=[{**device, "delete_on_termination": True}])).status_code == 202


async def test_only_admins_choose_a_host() -> None:
    async with world() as w:
        await furnish(w)
        assert (await made(w, host=HOST)).status_code == 403
        assert (await made(w, availability_zone=f"nova:{HOST}")).status_code == 403
        assert (await made(w, as_="admin", host="nosuch")).status_code == 400
        assert (await made(w, as_="admin", host=HOST)).status_code == 202


async def test_readers_and_strangers_change_nothing() -> None:
    async with world() as w:
        await furnish(w)
        id = await boot(w)
        assert (await made(w, as_="reader")).status_code == 403
        assert (await w.call("DELETE", f"{SERVERS}/{id}", as_="reader")).status_code == 403
        for method, path, data in (
            ("GET", "", None),
            ("PUT", "", {"server": {"name": "x"}}),
            ("DELETE", "", None),
            ("POST", "/action", {"os-stop": None}),
            ("GET", "/metadata", None),
            ("GET", "/ips", None),
            ("GET", "/os-instance-actions", None),
        ):
            answer = await w.call(method, f"{SERVERS}/{id}{path}", data, as_="foreign")
            assert answer.status_code == 404, (method, path)
            assert answer.json()["itemNotFound"]["message"] == f"Instance {id} could not be found."


async def test_an_update_answers_less_below_2_75() -> None:
    async with world() as w:
        await furnish(w)
        id = await boot(w)
        old = await w.call("PUT", f"{SERVERS}/{id}", {"server": {"name": "new"}}, as_="member", version="2.74")
        assert old.json()["server"]["name"] == "new"
        assert "OS-EXT-STS:vm_state" not in old.json()["server"]
        new = await w.call("PUT", f"{SERVERS}/{id}", {"server": {"description": "x"}}, as_="member", version="2.75")
        assert new.json()["server"]["OS-EXT-STS:vm_state"] == "building"
        for wrong in ({"name": ""}, {"name": None}, {"accessIPv4": ""}, {"bogus": 1}):
            assert (await w.call("PUT", f"{SERVERS}/{id}", {"server": wrong}, as_="member")).status_code == 400


async def test_a_deleted_server_is_gone_once_its_host_says_so() -> None:
    async with world() as w:
        await furnish(w)
        id = await boot(w)
        await run(w, id)
        assert (await w.call("DELETE", f"{SERVERS}/{id}", as_="member")).status_code == 204
        going = (await w.call("GET", f"{SERVERS}/{id}", as_="member")).json()["server"]
        assert (going["status"], going["OS-EXT-STS:task_state"]) == ("ACTIVE", "deleting")
        assert (await w.call("DELETE", f"{SERVERS}/{id}", as_="member")).status_code == 204
        await bury(w, id)
        assert (await w.call("GET", f"{SERVERS}/{id}", as_="member")).status_code == 404
        assert (await w.call("DELETE", f"{SERVERS}/{id}", as_="member")).status_code == 404


def test_a_host_name_is_made_of_a_name() -> None:
    assert hostname_of("One Two!", "x") == "one-two"
    assert hostname_of("a.b_c", "x") == "a-b-c"
    assert hostname_of("...", "x") == "server-x"
    assert len(hostname_of("y" * 200, "x")) == 63
