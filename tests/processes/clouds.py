"""A cloud of many processes, and what a program needs before it can ask for servers."""

from __future__ import annotations

import time
from typing import Any

import httpx

from tests.contract.clouds import found

THREE = ("--nodes", "3", "--set", "identity.bcrypt_cost=4")
REST = 60.0  # seconds in which every server rests


def prepare(admin: httpx.Client) -> dict[str, Any]:
    """The body of a request for a server: flavor, image and network are made, quotas are no hindrance."""
    flavor = found(
        admin.post("/compute/v2.1/flavors", json={"flavor": {"name": "s", "ram": 64, "vcpus": 1, "disk": 1}})
    )
    image = found(
        admin.post("/image/v2/images", json={"name": "guest", "disk_format": "raw", "container_format": "bare"}), 201
    )
    octets = {"Content-Type": "application/octet-stream"}
    found(admin.put(f"/image/v2/images/{image['id']}/file", content=b"bytes" * 1000, headers=octets), 204)
    network = found(admin.post("/network/v2.0/networks", json={"network": {"name": "net"}}), 201)["network"]
    subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "10.0.0.0/20"}
    found(admin.post("/network/v2.0/subnets", json={"subnet": subnet}), 201)
    project = found(admin.get("/identity/v3/projects?name=admin"))["projects"][0]["id"]
    quotas = {"quota_set": {"instances": 5000, "cores": 5000, "ram": 5_000_000}}
    found(admin.put(f"/compute/v2.1/os-quota-sets/{project}", json=quotas))
    ports = {"quota": {"port": 5000}}
    found(admin.put(f"/network/v2.0/quotas/{project}", json=ports))
    return {
        "name": "one",
        "flavorRef": flavor["flavor"]["id"],
        "imageRef": image["id"],
        "networks": [{"uuid": network["id"]}],
    }


def rest(admin: httpx.Client) -> list[dict[str, Any]]:
    """The servers, once all of them rest."""
    end = time.monotonic() + REST
    while True:
        answer = admin.get("/compute/v2.1/servers/detail")
        servers: list[dict[str, Any]] = answer.json()["servers"] if answer.status_code == 200 else []
        busy = [one for one in servers if one["OS-EXT-STS:task_state"] or one["status"] == "BUILD"]
        if answer.status_code == 200 and not busy:
            return servers
        assert time.monotonic() < end, f"servers do not rest: {busy or answer.text}"
        time.sleep(0.2)
