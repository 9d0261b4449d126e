"""A crowd that asks at once, for servers in one subnet, one project, on one host.

Each is answered, and what is accepted is finished. `--crowd 2000` makes it a large one.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.clouds import RunningCloud, found, running
from tests.processes.alone import Part

GROWTH = 0.25  # MiB that a server may cost while a crowd waits for theirs
SECONDS = 0.5  # for each server, until all run


@pytest.fixture
def crowd(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("crowd"))


@pytest.fixture
def cloud(tmp_path: Path, crowd: int) -> Iterator[RunningCloud]:
    """A cloud of one large host that works on fewer requests than the crowd makes at once."""
    few = f"limits.in_flight={crowd // 3}"
    large = [f"compute.{what}_ratio=1000" for what in ("cpu", "ram", "disk")]
    arguments = [word for setting in (few, *large) for word in ("--set", setting)]
    with running(tmp_path / "cloud", hosts=1, arguments=tuple(arguments)) as one:
        yield one


@pytest.fixture
def doors(cloud: RunningCloud) -> Iterator[list[str]]:
    """The URLs of two gateways, which write without knowing of each other."""
    with Part(cloud.state, "gateway", "--listen", "127.0.0.1:0", "--name", "second") as second:
        yield [cloud.url, second.said]


async def test_a_crowd_is_answered_and_what_is_accepted_is_finished(
    cloud: RunningCloud, doors: list[str], crowd: int
) -> None:
    with cloud.user() as http:
        http.timeout = httpx.Timeout(120)
        wish = _prepare(http)
        before, began = cloud.memory(), time.monotonic()
        token = http.headers["x-auth-token"]
        answers = await asyncio.gather(*(_ask(doors[n % 2], token, wish) for n in range(crowd)))
        counts = Counter(status for status, _ in answers)
        assert set(counts) <= {202, 429, 503}, counts
        assert counts[202] >= crowd // 4
        assert all("retry-after:" in head for status, head in answers if status != 202)
        while len(servers := _servers(http)) < counts[202] or any(one["status"] == "BUILD" for one in servers):
            assert time.monotonic() - began < crowd * SECONDS + 10, Counter(one["status"] for one in servers)
            await asyncio.sleep(0.5)
        assert {one["status"] for one in servers} == {"ACTIVE"}
        assert len(servers) == counts[202]
        addresses = [ip["addr"] for one in servers for ips in one["addresses"].values() for ip in ips]
        assert len(set(addresses)) == counts[202]
        assert cloud.memory() - before < 60 + crowd * GROWTH


def _prepare(http: httpx.Client) -> dict[str, Any]:
    """What a server needs; quotas do not bound it."""
    project = found(http.get("/identity/v3/projects?name=admin"))["projects"][0]["id"]
    quotas = {"instances": -1, "cores": -1, "ram": -1}
    found(http.put(f"/compute/v2.1/os-quota-sets/{project}", json={"quota_set": quotas}))
    found(http.put(f"/network/v2.0/quotas/{project}", json={"quota": {"port": -1}}))
    flavor = found(http.post("/compute/v2.1/flavors", json={"flavor": {"name": "s", "ram": 64, "vcpus": 1, "disk": 1}}))
    image = found(http.post("/image/v2/images", json={"disk_format": "raw", "container_format": "bare"}), 201)["id"]
    octets = {"Content-Type": "application/octet-stream"}
    assert http.put(f"/image/v2/images/{image}/file", content=b"bytes", headers=octets).status_code == 204
    network = found(http.post("/network/v2.0/networks", json={"network": {"name": "n"}}), 201)["network"]["id"]
    subnet = {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/16"}
    found(http.post("/network/v2.0/subnets", json={"subnet": subnet}), 201)
    server = {"name": "s", "flavorRef": flavor["flavor"]["id"], "imageRef": image, "networks": [{"uuid": network}]}
    return {"server": server}


async def _ask(door: str, token: str, wish: dict[str, Any]) -> tuple[int, str]:
    """Status and head of the answer to one request on a connection of its own; no client's pool makes it wait."""
    body = json.dumps(wish).encode()
    url = httpx.URL(door)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = (
        f"POST /compute/v2.1/servers HTTP/1.1\r\nHost: {url.netloc.decode()}\r\nX-Auth-Token: {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answer = (await reader.read()).decode().partition("\r\n\r\n")[0].lower()
    writer.close()
    return int(answer.split()[1]), answer


def _servers(http: httpx.Client) -> list[dict[str, Any]]:
    servers: list[dict[str, Any]] = []
    while page := found(http.get("/compute/v2.1/servers/detail", params=_after(servers)))["servers"]:
        servers += page
    return servers


def _after(servers: list[dict[str, Any]]) -> dict[str, str]:
    return {"marker": servers[-1]["id"]} if servers else {}
