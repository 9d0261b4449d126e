"""Gateways, handlers and agents as processes beside one another: what they share, and what befalls them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from agents.compute.download import download
from agents.compute.hypervisor import DriverError
from events.compute.guest import ImageSource
from events.nats.wire import Wire
from events.settings import Settings
from gateway.composition import part_agents
from gateway.composition.journals import access, urls
from tests.contract.clouds import RunningCloud, cumulog, found, login, running
from tests.processes.alone import Part
from tests.processes.clouds import prepare, rest
from tests.waiting import wait_until

QUICK = ("--set", "compute.host_down=1", "--set", "compute.heartbeat=0.2", "--set", "identity.bcrypt_cost=4")
HOSTS = ("left", "right")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory whose cloud admits the agents of two hosts."""
    state = tmp_path_factory.mktemp("parts") / "cloud"
    for host in HOSTS:
        written = cumulog(state, "credentials", "agent", host)
        assert Path(written.stdout.strip()).stat().st_mode & 0o777 == 0o600
    return state


@pytest.fixture(scope="module")
def cloud(state: Path) -> Iterator[RunningCloud]:
    """A cloud with NATS, a gateway and handlers in one process; its own host takes no server."""
    with running(state, hosts=1, arguments=QUICK) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def gateway(cloud: RunningCloud) -> Iterator[Part]:
    """A second gateway."""
    with Part(cloud.state, "gateway", "--listen", "127.0.0.1:0", "--name", "second", *QUICK) as part:
        yield part


@pytest.fixture(scope="module")
def agent(cloud: RunningCloud) -> Iterator[Part]:
    """The agent of a host of its own."""
    with Part(cloud.state, "agent", "--host", "left", "--driver", "simulated", *QUICK) as part:
        yield part


@pytest.fixture(scope="module")
def admin(cloud: RunningCloud, gateway: Part) -> Iterator[httpx.Client]:
    """The admin, at the second gateway."""
    with login(gateway.said, "admin", cloud.password, "admin") as client:
        client.headers["OpenStack-API-Version"] = "compute 2.53"
        yield client


@pytest.fixture(scope="module")
def wish(admin: httpx.Client, agent: Part) -> dict[str, Any]:
    """The body of a request for a server on the host of the agent."""
    body = prepare(admin)
    wait_until(lambda: admin.get("/compute/v2.1/os-hypervisors?hypervisor_hostname_pattern=left").status_code == 200)
    return {**body, "availability_zone": "nova:left"}


def service(admin: httpx.Client, host: str) -> dict[str, Any]:
    services = found(admin.get(f"/compute/v2.1/os-services?host={host}"))["services"]
    return dict(services[0]) if services else {"state": "unknown"}


def test_a_token_of_one_gateway_is_good_at_the_other_and_so_is_what_it_made(
    cloud: RunningCloud, admin: httpx.Client
) -> None:
    made = found(admin.post("/identity/v3/projects", json={"project": {"name": "shared"}}), 201)["project"]
    answer = httpx.get(f"{cloud.url}/identity/v3/projects/{made['id']}", headers=admin.headers)
    assert found(answer)["project"]["name"] == "shared"


def test_what_one_gateway_answered_the_other_knows_at_once(
    cloud: RunningCloud, admin: httpx.Client, gateway: Part
) -> None:
    """The one that runs in `cumulog up` minds the other from the moment that it is there."""
    with httpx.Client(base_url=cloud.url, headers=admin.headers) as first:
        pair = [first, admin]
        for n in range(40):
            made = found(pair[n % 2].post("/identity/v3/projects", json={"project": {"name": f"p{n}"}}), 201)["project"]
            found(pair[1 - n % 2].get(f"/identity/v3/projects/{made['id']}"))
            found(pair[1 - n % 2].delete(f"/identity/v3/projects/{made['id']}"), 204)
            assert pair[n % 2].get(f"/identity/v3/projects/{made['id']}").status_code == 404


def test_keys_are_rotated_when_every_gateway_knows_the_staged_one(cloud: RunningCloud, admin: httpx.Client) -> None:
    listed = cloud.run("keys", "list")
    assert (listed.returncode, listed.stdout[:18]) == (0, "tokens: primary 1,")
    rotated = cloud.run("keys", "rotate")
    if rotated.returncode:  # the keys are younger than a minute
        assert "in " in rotated.stderr
        assert "every gateway knows the staged key" in rotated.stderr
    else:
        assert rotated.stdout.startswith("tokens: primary 2, former 1, one staged")
    assert admin.get("/identity/v3/auth/projects").status_code == 200


def test_every_process_makes_its_tables_anew_and_says_so(cloud: RunningCloud, gateway: Part) -> None:
    said = cloud.run("rebuild").stdout.splitlines()
    assert sorted(line.partition(": ")[0] for line in said) == ["cloud", "second"]
    assert all("The tables hold what" in line for line in said)


def test_a_directory_has_one_process_of_a_name(cloud: RunningCloud, gateway: Part) -> None:
    second = cumulog(cloud.state, "gateway", "--listen", "127.0.0.1:0", "--name", "second")
    assert second.returncode == 1
    assert "--name" in second.stderr
    reserved = cumulog(cloud.state, "handlers", "--name", "journal")
    assert (reserved.returncode, "cannot have this name" in reserved.stderr) == (1, True)
    destroyed = cumulog(cloud.state, "destroy", "--yes")
    assert destroyed.returncode == 1


def test_a_stranger_is_not_let_in(cloud: RunningCloud) -> None:
    stranger = cumulog(cloud.state, "agent", "--host", "stranger", "--driver", "simulated")
    assert (stranger.returncode, stranger.stdout) == (1, "")
    assert "does not let us in" in stranger.stderr
    mine = cloud.state / "credentials" / "agent.left.json"
    mistaken = cumulog(cloud.state, "agent", "--host", "right", "--credentials", str(mine), "--driver", "simulated")
    assert mistaken.returncode == 1
    assert "not agent.right's" in mistaken.stderr


def test_a_host_that_is_new_is_let_in_while_the_cloud_runs(cloud: RunningCloud, admin: httpx.Client) -> None:
    assert cumulog(cloud.state, "credentials", "agent", "new").returncode == 0
    with Part(cloud.state, "agent", "--host", "new", "--driver", "simulated", *QUICK):
        wait_until(lambda: service(admin, "new")["state"] == "up")


def test_a_host_whose_agent_dies_is_down_and_comes_back(admin: httpx.Client, agent: Part, wish: dict[str, Any]) -> None:
    server = found(admin.post("/compute/v2.1/servers", json={"server": wish}), 202)["server"]
    path = f"/compute/v2.1/servers/{server['id']}"
    rest(admin)
    assert found(admin.get(path))["server"]["host_status"] == "UP"
    agent.kill()
    wait_until(lambda: service(admin, "left")["state"] == "down")
    shown = found(admin.get(path))["server"]
    assert (shown["status"], shown["host_status"]) == ("ACTIVE", "UNKNOWN")  # nobody knows whether it runs
    hypervisors = found(admin.get("/compute/v2.1/os-hypervisors?hypervisor_hostname_pattern=left"))["hypervisors"]
    assert hypervisors[0]["state"] == "down"
    found(admin.post(f"{path}/action", json={"os-stop": None}), 202)
    agent.start()
    agent.ready()
    wait_until(lambda: service(admin, "left")["state"] == "up")
    wait_until(lambda: found(admin.get(path))["server"]["status"] == "SHUTOFF")
    assert found(admin.get(path))["server"]["host_status"] == "UP"
    found(admin.delete(path), 204)
    wait_until(lambda: admin.get(path).status_code == 404)


def test_an_agent_elsewhere_gets_the_image_of_its_own_servers_and_no_other(
    cloud: RunningCloud, admin: httpx.Client, wish: dict[str, Any], tmp_path: Path
) -> None:
    found(admin.post("/compute/v2.1/servers", json={"server": wish}), 202)
    rest(admin)

    async def ask(host: str) -> ImageSource | None:
        at = urls(cloud.state, Settings())
        wire = await Wire.connect(at, access(cloud.state).agent(host))
        source = await part_agents.ask_image(wire, host, wish["imageRef"])
        await wire.close()
        return source

    assert asyncio.run(ask("right")) is None
    source = asyncio.run(ask("left"))
    assert source is not None
    asyncio.run(download("image", source, tmp_path / "bytes"))
    assert (tmp_path / "bytes").read_bytes() == b"bytes" * 1000
    link = source.urls[0]
    for wrong in (
        link[:-1] + "0" if link[-1] != "0" else link[:-1] + "1",
        link.replace("until=", "until=1"),
        link[:-9],
    ):
        assert httpx.get(wrong).status_code == 403
    short = ImageSource(urls=source.urls, size=source.size + 1)
    with pytest.raises(DriverError, match="instead of"):
        asyncio.run(download("image", short, tmp_path / "bytes"))
    none = ImageSource(urls=(), size=1)
    with pytest.raises(DriverError, match="no gateway"):
        asyncio.run(download("image", none, tmp_path / "bytes"))


def test_parts_wait_for_nats_say_so_and_begin_when_it_is_there(tmp_path: Path) -> None:
    state = tmp_path / "cloud"
    parts = [
        Part(state, "gateway", "--listen", "127.0.0.1:0", "--name", "a", *QUICK),
        Part(state, "gateway", "--listen", "127.0.0.1:0", "--name", "b", *QUICK),
    ]
    early = Part(state, "handlers", "--name", "early", *QUICK)
    with ExitStack() as ends:
        for part in (*parts, early):
            part.start()
            ends.callback(part.kill)
        wait_until(lambda: all("waiting for NATS" in part.log.read_text() for part in (*parts, early)))
        assert early.stop() == 0  # it can be stopped all the same
        with running(state, hosts=1, arguments=QUICK) as cloud:
            for part in parts:
                part.ready()
            for url in (cloud.url, parts[0].said, parts[1].said):  # three began at once, and made one cloud
                login(url, "admin", cloud.password, "admin").close()
        for part in parts:
            assert part.stop() == 0  # without NATS too
            assert "Traceback" not in part.log.read_text()
