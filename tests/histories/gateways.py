"""Real gateways and handlers, each a process, over a real cluster of three NATS servers; and what is done to them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from events.ids import new_hex
from events.nats.cluster import NatsCluster, settled
from events.nats.jetstream import STREAM
from events.nats.wire import ApiError, NoAnswer, Wire
from events.process import remembered

PASSWORD = "a password for histories"
START = 60.0  # seconds
SETTINGS = ("--set=identity.bcrypt_cost=4", f"--set=gateway.admin_password={PASSWORD}")
MAIN = "import sys; from gateway.cli import main; main(sys.argv[1:])"
WITHOUT_FENCES = """
from gateway.fence import Fence
async def wait(self, *, reads):
    return True
Fence.wait = wait
"""


class Gateway:
    """One process."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, url: str) -> None:
        self.name = name
        self.url = url
        self.process = process
        self.http = httpx.AsyncClient(base_url=url, timeout=30, limits=httpx.Limits(max_connections=50))

    async def pause(self, seconds: float) -> None:
        """It does nothing for a while, and does not notice."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.process.send_signal(signal.SIGCONT)

    async def stop(self) -> None:
        await self.http.aclose()
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        await self.process.wait()


class Gateways:
    """All of them, one cluster, one admin who is logged in."""

    def __init__(self, cluster: NatsCluster, wire: Wire, gateways: list[Gateway]) -> None:
        self.cluster = cluster
        self.wire = wire
        self.all = gateways
        self.project = ""

    async def login(self) -> str:
        """A token of the admin."""
        user = {"name": "admin", "password": PASSWORD, "domain": {"id": "default"}}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        answer = await self.all[0].http.post("/identity/v3/auth/tokens", json=body)
        assert answer.status_code == 201, answer.text
        self.project = answer.json()["token"]["project"]["id"]
        return str(answer.headers["x-subject-token"])

    async def pause_node(self, number: int, seconds: float) -> None:
        """One of the NATS servers does nothing for a while."""
        left = remembered(self.cluster.nodes[number].directory / "nats.pid")
        assert left is not None
        os.kill(left.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            os.kill(left.pid, signal.SIGCONT)

    async def step_down(self) -> None:
        """Another of the three servers leads the journal."""
        try:
            await self.wire.api(f"STREAM.LEADER.STEPDOWN.{STREAM}")
        except (NoAnswer, ApiError):
            return  # there is none at this moment


@asynccontextmanager
async def gateways(
    state: Path, number: int, *, fenced: bool = True, handlers: int = 0, hosts: tuple[str, ...] = ()
) -> AsyncIterator[Gateways]:
    """So many gateways, so many handlers, and the agents of these simulated hosts; they are stopped at the end."""
    state.mkdir(mode=0o700)
    cluster = NatsCluster(state / "journal", 3, sync="2m", hosts=hosts)
    await cluster.start()
    started: list[Gateway] = []
    wire = await Wire.connect(cluster.urls, cluster.cloud)
    others: list[asyncio.subprocess.Process] = []
    try:
        for n in range(number):
            started.append(await _start(state, f"g{n}", fenced))
            if n == 0:
                await settled(wire, 3)
        for n in range(handlers):
            others.append((await _process(state, f"h{n}", MAIN, "handlers"))[0])
        if hosts:
            words = [word for host in hosts for word in ("--host", host)]
            others.append((await _process(state, "agents", MAIN, "agent", "--driver", "simulated", *words))[0])
        yield (found := Gateways(cluster, wire, started))
        assert all(one.process.returncode is None for one in found.all), "a gateway died"
    finally:
        for other in others:
            other.terminate()
        await asyncio.gather(*(one.stop() for one in started), *(other.wait() for other in others))
        await wire.close()
        await cluster.stop()


async def _start(state: Path, name: str, fenced: bool) -> Gateway:
    code = MAIN if fenced else WITHOUT_FENCES + MAIN
    process, url = await _process(state, name, code, "gateway", "--listen", "127.0.0.1:0")
    return Gateway(name, process, url)


async def _process(state: Path, name: str, code: str, *words: str) -> tuple[asyncio.subprocess.Process, str]:
    """A process that is ready, and what it says then."""
    with (state.parent / f"{name}.log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", code, *words, "--state", str(state), "--name", name, *SETTINGS),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env=os.environ,
        )
    assert process.stdout is not None
    end = time.monotonic() + START
    while time.monotonic() < end and (line := await process.stdout.readline()):
        if line.startswith(b"ready "):
            return process, line.decode().removeprefix("ready ").strip()
    raise AssertionError((state.parent / f"{name}.log").read_text())


async def wanted(http: httpx.AsyncClient, headers: dict[str, str], *, vcpus: int = 1) -> dict[str, Any]:
    """What a server is asked for with: a flavor, an image, a network with a subnet; and quotas for many."""
    size = {"name": f"size-{new_hex()}", "ram": 64, "vcpus": vcpus, "disk": 1}
    flavor = (await http.post("/compute/v2.1/flavors", json={"flavor": size}, headers=headers)).json()["flavor"]
    kind = {"name": "i", "disk_format": "raw", "container_format": "bare"}
    image = (await http.post("/image/v2/images", json=kind, headers=headers)).json()
    octets = {**headers, "Content-Type": "application/octet-stream"}
    file = f"/image/v2/images/{image['id']}/file"
    assert (await http.put(file, content=b"x" * 100, headers=octets)).status_code == 204
    network = (await http.post("/network/v2.0/networks", json={"network": {}}, headers=headers)).json()["network"]
    subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "10.0.0.0/22"}
    assert (await http.post("/network/v2.0/subnets", json={"subnet": subnet}, headers=headers)).status_code == 201
    project = network["project_id"]
    many: dict[str, dict[str, dict[str, int]]] = {
        f"/compute/v2.1/os-quota-sets/{project}": {"quota_set": {"instances": 200, "cores": 5000, "ram": 1 << 20}},
        f"/network/v2.0/quotas/{project}": {"quota": {"network": 1000, "port": 1000, "security_group": 1000}},
    }
    for path, quotas in many.items():
        assert (await http.put(path, json=quotas, headers=headers)).status_code == 200
    return {"name": "s", "flavorRef": flavor["id"], "imageRef": image["id"], "networks": [{"uuid": network["id"]}]}
