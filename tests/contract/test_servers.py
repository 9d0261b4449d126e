"""A server over plain HTTP: what clients poll, what it leaves behind, why it could not be."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.contract.clouds import RunningCloud, found
from tests.contract.test_refusals import make
from tests.waiting import wait_until

SERVERS = "/compute/v2.1/servers"
NEWEST = {"OpenStack-API-Version": "compute 2.100"}


@pytest.fixture(scope="module")
def names(admin: httpx.Client) -> Iterator[dict[str, str]]:
    """What servers are made of."""
    yield from make(admin)


def create(http: httpx.Client, names: dict[str, str], **changes: Any) -> httpx.Response:
    wish = {"name": "s", "imageRef": names["image"], "flavorRef": names["flavor"], "networks": "none", **changes}
    return http.post(SERVERS, json={"server": wish}, headers=NEWEST)


def show(http: httpx.Client, id: str) -> dict[str, Any]:
    server: dict[str, Any] = found(http.get(f"{SERVERS}/{id}", headers=NEWEST))["server"]
    return server


def delete(http: httpx.Client, id: str) -> None:
    found(http.delete(f"{SERVERS}/{id}"), 204)
    wait_until(lambda: http.get(f"{SERVERS}/{id}").status_code == 404)


def test_a_server_and_all_that_it_brings(cloud: RunningCloud, admin: httpx.Client, names: dict[str, str]) -> None:
    made = create(admin, names, networks=[{"uuid": names["network"]}], metadata={"a": "b"}, tags=["red"])
    assert made.status_code == 202
    server = made.json()["server"]
    id = server["id"]
    assert made.headers["location"] == f"{cloud.url}{SERVERS}/{id}"
    assert len(server["adminPass"]) == 12
    wait_until(lambda: show(admin, id)["status"] == "ACTIVE")
    shown = show(admin, id)
    assert (shown["metadata"], shown["tags"], shown["OS-EXT-STS:power_state"]) == ({"a": "b"}, ["red"], 1)
    ((address,),) = shown["addresses"].values()
    (port,) = found(admin.get(f"/network/v2.0/ports?device_id={id}"))["ports"]
    assert port["fixed_ips"][0]["ip_address"] == address["addr"]
    assert port["device_owner"] == "compute:nova"
    assert port["binding:host_id"] == shown["OS-EXT-SRV-ATTR:host"]
    (default,) = port["security_groups"]
    assert found(admin.get(f"/network/v2.0/security-groups/{default}"))["security_group"]["name"] == "default"
    (attached,) = found(admin.get(f"{SERVERS}/{id}/os-interface"))["interfaceAttachments"]
    assert attached["port_id"] == port["id"]
    assert admin.delete(f"/network/v2.0/networks/{names['network']}").status_code == 409
    assert admin.delete(f"/network/v2.0/security-groups/{default}").status_code == 409
    usage = found(admin.get("/compute/v2.1/limits"))["limits"]["absolute"]
    delete(admin, id)
    assert found(admin.get(f"/network/v2.0/ports?device_id={id}"))["ports"] == []
    after = found(admin.get("/compute/v2.1/limits"))["limits"]["absolute"]
    assert after["totalInstancesUsed"] == usage["totalInstancesUsed"] - 1
    assert after["totalRAMUsed"] == usage["totalRAMUsed"] - 64
    request = made.headers["x-openstack-request-id"]
    told = cloud.run("trace", request).stdout
    for word in ("compute.server", "network.port", "compute.host_room", "ServerPlaced", "ServerStarted"):
        assert word in told, told


def test_why_a_server_could_not_be_is_told(admin: httpx.Client, names: dict[str, str], name: str) -> None:
    flavor = {"name": name, "ram": 10_000, "vcpus": 1, "disk": 1_000_000}
    id = found(admin.post("/compute/v2.1/flavors", json={"flavor": flavor}))["flavor"]["id"]
    server = found(create(admin, names, flavorRef=id), 202)["server"]["id"]
    wait_until(lambda: show(admin, server)["status"] == "ERROR", seconds=40)
    fault = show(admin, server)["fault"]
    assert fault["code"] == 500
    assert fault["message"].startswith("No valid host was found.")
    assert fault["message"].count("DiskFilter: 1000000 GiB asked") == 3  # one host after the other
    found(admin.delete(f"{SERVERS}/{server}"), 204)
    assert admin.get(f"{SERVERS}/{server}").status_code == 404  # it was on no host: there is nothing to wait for
    found(admin.delete(f"/compute/v2.1/flavors/{id}"), 202)


@pytest.mark.parametrize(
    ("action", "status"),
    [({"os-start": None}, 409), ({"os-getVNCConsole": {"type": "x"}}, 400)],
)
def test_an_action_at_the_wrong_time(
    admin: httpx.Client, names: dict[str, str], action: dict[str, Any], status: int
) -> None:
    id = found(create(admin, names), 202)["server"]["id"]
    wait_until(lambda: show(admin, id)["status"] == "ACTIVE")
    answer = admin.post(f"{SERVERS}/{id}/action", json=action)
    delete(admin, id)
    assert answer.status_code == status, answer.text


def test_a_quota_is_never_exceeded_whatever_races(
    cloud: RunningCloud, admin: httpx.Client, names: dict[str, str]
) -> None:
    project = names["project"]
    quota = f"/compute/v2.1/os-quota-sets/{project}"
    before = found(admin.get("/compute/v2.1/limits"))["limits"]["absolute"]["totalInstancesUsed"]
    found(admin.put(quota, json={"quota_set": {"instances": before + 3}}))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: create(admin, names), range(8)))
    found(admin.put(quota, json={"quota_set": {"instances": 10}}))
    assert sorted(answer.status_code for answer in answers) == [202] * 3 + [403] * 5
    refused = next(answer for answer in answers if answer.status_code == 403)
    assert refused.json()["forbidden"]["message"].startswith("Quota exceeded for instances")
    for answer in answers:
        if answer.status_code == 202:
            delete(admin, answer.json()["server"]["id"])
