"""A gateway, handlers and an agent, each a process of its own over three NATS servers: what each tells of itself, one
trace through all of them, and a quorum that is lost and found.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from events.nats.cluster import NatsCluster
from events.settings import Journal, Settings
from gateway.clouds import Clouds
from gateway.composition import journals
from gateway.composition.directory import Directory
from tests.contract.clouds import cumulog, found, login
from tests.ports import free_port
from tests.processes.alone import Part
from tests.processes.clouds import prepare, rest
from tests.waiting import wait_until
from tests.watching.receiver import Receiver, receiving

ROLES = {"gateway": ("--listen", "127.0.0.1:0"), "handlers": (), "agent": ("--host", "left", "--driver", "simulated")}
PARENT = "4bf92f3577b34da6a3ce929d0e0e4736"
WAIT = 30.0  # seconds


class Apart(NamedTuple):
    """A cloud of three processes and three NATS servers."""

    cluster: NatsCluster
    http: httpx.Client
    asides: dict[str, str]  # part -> its URL of metrics
    receiver: Receiver


@asynccontextmanager
async def apart(state: Path) -> AsyncIterator[Apart]:
    assert cumulog(state, "credentials", "agent", "left").returncode == 0
    cluster = journals.servers(state, Settings(journal=Journal(sync="1s")), 3)
    assert isinstance(cluster, NatsCluster)
    await cluster.start()
    settings = ["identity.bcrypt_cost=4", "journal.deadline=3", "gateway.stale_reads=true", "tracing.enabled=true"]
    with ExitStack() as stack:
        receiver = stack.enter_context(receiving())
        words = [w for s in (*settings, f"tracing.endpoint={receiver.url}") for w in ("--set", s)]
        parts: dict[str, Part] = {}
        asides: dict[str, str] = {}
        try:
            for role, more in ROLES.items():
                address = f"127.0.0.1:{free_port()}"
                asides[role] = f"http://{address}"
                parts[role] = Part(state, role, *more, *words, "--metrics", address)
                parts[role].start()
                stack.push(parts[role].__exit__)
            for part in parts.values():
                await asyncio.to_thread(part.ready)
            password = Clouds(Directory(state)).password("cumulog")
            assert password is not None
            http = stack.enter_context(login(parts["gateway"].said, "admin", password, "admin"))
            yield Apart(cluster, http, asides, receiver)
            await asyncio.to_thread(stack.close)
        finally:
            await cluster.stop()


def network(cloud: Apart, name: str) -> httpx.Response:
    return cloud.http.post("/network/v2.0/networks", json={"network": {"name": name}})


def health(cloud: Apart, part: str) -> tuple[int, dict[str, Any]]:
    answer = httpx.get(f"{cloud.asides[part]}/healthcheck")
    return answer.status_code, answer.json()


async def test_parts_tell_of_themselves_share_a_trace_and_outlive_a_lost_quorum(tmp_path: Path) -> None:
    state = tmp_path / "cloud"
    async with apart(state) as cloud:
        await asyncio.to_thread(serve, cloud)
        await asyncio.to_thread(tell, cloud)
        await lose_quorum(cloud)
    await asyncio.to_thread(trace, cloud.receiver)


def serve(cloud: Apart) -> None:
    """A server, asked for within a trace."""
    wish = prepare(cloud.http)
    traced = {"traceparent": f"00-{PARENT}-00f067aa0ba902b7-01"}
    wait_until(lambda: found(cloud.http.get("/compute/v2.1/os-hypervisors"))["hypervisors"])
    found(cloud.http.post("/compute/v2.1/servers", json={"server": wish}, headers=traced), 202)
    assert [server["status"] for server in rest(cloud.http)] == ["ACTIVE"]


def tell(cloud: Apart) -> None:
    """Every part has its health and its numbers."""
    wanted = {
        "gateway": "cumulog_http_requests_total",
        "handlers": "cumulog_wishes_total",
        "agent": "cumulog_agent_steps_total",
    }
    for part, name in wanted.items():
        status, report = health(cloud, part)
        assert (status, report["status"]) == (200, "ok"), (part, report)
        text = httpx.get(f"{cloud.asides[part]}/metrics").text
        assert re.search(rf"^{name}{{.+}} [1-9]", text, re.MULTILINE), part
        assert "process_resident_memory_bytes" in text
        word = httpx.get(f"{cloud.asides[part]}/healthcheck", headers={"accept": "text/plain"}).text
        assert word == "OK\n"


async def lose_quorum(cloud: Apart) -> None:
    """Writes get 503 with the reason, reads go on, and all recovers without a hand."""
    id = found(await asyncio.to_thread(network, cloud, "before"), 201)["network"]["id"]
    lost = cloud.cluster.nodes[1:]
    await asyncio.gather(*(node.stop() for node in lost))
    refused = await asyncio.to_thread(network, cloud, "refused")
    assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
    assert "journal" in refused.json()["NeutronError"]["message"]
    shown = await asyncio.to_thread(cloud.http.get, f"/network/v2.0/networks/{id}")
    assert shown.status_code == 200
    await asyncio.to_thread(wait_until, lambda: says_why(health(cloud, "gateway")[1]))
    await asyncio.gather(*(node.start() for node in lost))
    await asyncio.to_thread(wait_until, lambda: network(cloud, f"after {time.monotonic()}").status_code == 201)
    said: dict[str, Any] = {}

    def all_are_well() -> bool:
        said.update({part: health(cloud, part)[1] for part in cloud.asides})
        return all(report == {"status": "ok"} for report in said.values())

    await asyncio.to_thread(wait_until, all_are_well, said=said)


def says_why(report: dict[str, Any]) -> bool:
    """A write that was not taken; or, once there is no leader to ask, a journal that does not answer."""
    reasons = {**report.get("ill", {}), **report.get("degraded", {})}
    return "was not taken" in reasons.get("writes", "") or "has not answered" in reasons.get("journal", "")


def trace(receiver: Receiver) -> None:
    """One tree, though it grew in three processes."""
    spans = {span.id: span for span in receiver.of(PARENT)}
    assert [span.parent for span in spans.values() if span.parent not in spans] == ["00f067aa0ba902b7"]
    names = {span.name for span in spans.values()}
    assert {"POST /v2.1/servers", "wish compute.server", "create", "report running", "execute ReportServer"} <= names
