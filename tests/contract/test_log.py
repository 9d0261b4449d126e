"""The log of a real cloud, read while it runs and after it has stopped; its health and its counters."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import pytest

from tests.contract.clouds import RunningCloud, cumulog, found, login, running
from tests.contract.test_tenancy import tenant
from tests.waiting import wait_until

FLAVORS = "/compute/v2.1/flavors"


def create_flavor(http: httpx.Client, name: str) -> tuple[str, str]:
    """A flavor's id, and the id of the request that made it."""
    answer = http.post(FLAVORS, json={"flavor": {"name": name, "ram": 64, "disk": 1, "vcpus": 1}})
    return found(answer)["flavor"]["id"], answer.headers["x-openstack-request-id"]


class Listener:
    """Somebody's live feed, read in a thread until something comes after `ended` is set."""

    def __init__(self, cloud: RunningCloud, http: httpx.Client) -> None:
        self.ended = False
        self._heard: Queue[dict[str, Any]] = Queue()
        self._opened = threading.Event()
        self._asked: dict[str, Any] = {
            "url": f"{cloud.url}/events",
            "headers": {"X-Auth-Token": http.headers["X-Auth-Token"]},
        }
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> Listener:
        self._thread.start()
        assert self._opened.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.ended = True
        self._thread.join(20)

    def _listen(self) -> None:
        with httpx.stream("GET", **self._asked, timeout=30) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            for line in stream.iter_lines():
                self._opened.set()
                if self.ended:
                    return
                if line.startswith("data: "):
                    self._heard.put(json.loads(line.removeprefix("data: ")))

    def until(self, name: str) -> list[dict[str, Any]]:
        """All that was heard up to the event that speaks of `name`."""
        heard: list[dict[str, Any]] = []
        while not heard or name not in json.dumps(heard[-1]):
            heard.append(self._heard.get(timeout=30))
        return heard


def test_a_tenants_feed_tells_of_their_own_alone(cloud: RunningCloud, admin: httpx.Client, name: str) -> None:
    first, second = tenant(cloud, admin), tenant(cloud, admin)

    def network(http: httpx.Client, called: str) -> None:
        found(http.post("/network/v2.0/networks", json={"network": {"name": called}}), 201)

    with first.http, second.http, Listener(cloud, first.http) as mine, Listener(cloud, admin) as everything:
        network(second.http, f"{name}-theirs")
        create_flavor(admin, f"{name}-flavor")
        network(first.http, f"{name}-mine")
        heard, said = mine.until(f"{name}-mine"), json.dumps(everything.until(f"{name}-mine"))
        mine.ended = everything.ended = True
        network(first.http, f"{name}-last")  # with this both stop listening
    assert {event["commit"]["owner"] for event in heard} == {first.project}
    assert f"{name}-theirs" not in json.dumps(heard)
    assert f"{name}-theirs" in said
    assert f"{name}-flavor" in said


def test_the_feed_is_for_whom_the_cloud_knows(cloud: RunningCloud) -> None:
    assert httpx.get(f"{cloud.url}/events").status_code == 401
    assert httpx.get(f"{cloud.url}/events", headers={"X-Auth-Token": "nonsense"}).status_code == 401


def test_health_and_counters_are_told(cloud: RunningCloud, admin: httpx.Client) -> None:
    health = httpx.get(f"{cloud.url}/healthcheck")
    assert (health.status_code, health.json()["status"]) == (200, "ok")
    found(admin.get(FLAVORS))
    text = httpx.get(f"{cloud.url}/metrics").text
    counted = re.search(
        r'^cumulog_http_requests_total\{method="GET",route="/v2.1/flavors",service="compute",status="200"\} (\S+)$',
        text,
        re.M,
    )
    assert counted is not None
    assert float(counted[1]) >= 1
    assert re.search(r'^cumulog_resources\{resource="host",service="compute"\} 3\.0$', text, re.M)


def test_the_log_is_read_while_the_cloud_runs(cloud: RunningCloud, admin: httpx.Client, name: str) -> None:
    id, request = create_flavor(admin, name)
    text = cloud.run("events", "--service", "compute", "--since", "1h").stdout
    assert any(id in line and request in line for line in text.splitlines())
    lines = [json.loads(line) for line in cloud.run("events", "--format", "json").stdout.splitlines()]
    assert [line["sequence"] for line in lines] == sorted(line["sequence"] for line in lines)
    (commit,) = (
        line["commit"] for line in lines if line["subject"].endswith(id) and "flavor_name" not in line["subject"]
    )
    assert commit["request"] == request
    assert commit["events"][0]["name"] == name
    cloudevents = [json.loads(line) for line in cloud.run("events", "--format", "cloudevents").stdout.splitlines()]
    assert {event["specversion"] for event in cloudevents} == {"1.0"}
    assert id in {event["subject"] for event in cloudevents}
    assert cloud.run("events", "--since", "nonsense").returncode != 0


def test_a_request_is_traced_to_all_it_caused(cloud: RunningCloud, admin: httpx.Client, name: str) -> None:
    id, request = create_flavor(admin, name)
    by_request = cloud.run("trace", request)
    assert by_request.returncode == 0
    assert request in by_request.stdout
    assert id in by_request.stdout
    assert request in cloud.run("trace", id).stdout
    nothing = cloud.run("trace", "req-00000000-0000-0000-0000-000000000000")
    assert nothing.returncode == 1
    assert "Nothing in the journal" in nothing.stderr


def test_the_tables_answer_sql(cloud: RunningCloud, admin: httpx.Client, name: str) -> None:
    id, _ = create_flavor(admin, name)
    answer = cloud.run("query", f"SELECT id, ram FROM compute_flavor WHERE name = '{name}'")
    assert answer.stdout.splitlines() == ["id\tram", f"{id}\t64"], answer.stderr
    for wrong in ("SELECT nonsense", "DROP TABLE compute_flavor", "COPY compute_flavor TO '/tmp/x'", ""):
        refused = cloud.run("query", wrong)
        assert refused.returncode == 1, wrong
        assert "Traceback" not in refused.stderr


def test_the_past_is_told_of_and_traced_and_happens_again(
    cloud: RunningCloud, admin: httpx.Client, name: str, tmp_path: Path
) -> None:
    id, _ = create_flavor(admin, name)
    there = found(admin.get("/compute/v2.1/flavors", headers={"X-Cumulog-As-Of": "0s"}))
    assert id in {flavor["id"] for flavor in there["flavors"]}
    sequence = admin.get(f"{FLAVORS}/{id}", headers={"X-Cumulog-As-Of": "0s"}).headers["X-Cumulog-As-Of"]
    admin.delete(f"{FLAVORS}/{id}")
    assert admin.get(f"{FLAVORS}/{id}").status_code == 404
    assert admin.get(f"{FLAVORS}/{id}", headers={"X-Cumulog-As-Of": sequence}).status_code == 200
    asked = f"SELECT ram FROM compute_flavor WHERE id = '{id}' AND NOT deleted"
    assert cloud.run("query", asked, "--as-of", sequence).stdout.splitlines() == ["ram", "64"]
    assert cloud.run("query", asked).stdout.splitlines() == ["ram"]
    refused = cloud.run("query", asked, "--as-of", "9999-01-01")
    assert (refused.returncode, refused.stdout) == (1, "")
    page = tmp_path / "trace.html"
    assert cloud.run("trace", id, "--format", "html", "-o", str(page)).returncode == 0
    assert "FlavorDeleted" in page.read_text()
    moments = found(admin.get(f"/trace/{id}"))["moments"]
    assert moments[0]["events"][0]["type"] in ("Claimed", "FlavorCreated")
    assert "<svg" in admin.get(f"/trace/{id}", headers={"Accept": "text/html"}).text
    replayed = cloud.run("replay", "--scheduler", "chance", "--seed", "1")
    assert replayed.returncode == 0, replayed.stderr
    assert "servers placed" in replayed.stdout
    assert cloud.run("replay", "--from", sequence, "--to", "1").returncode == 1


@pytest.fixture
def stopped(tmp_path: Path) -> tuple[Path, str]:
    """The directory of a cloud that has lived and stopped, and the id of the flavor that it made."""
    state = tmp_path / "cloud"
    with running(state, hosts=1) as one, one.user() as http:
        id, _ = create_flavor(http, "kept")
    return state, id


def test_a_stopped_cloud_is_sound_and_speaks_still(stopped: tuple[Path, str]) -> None:
    state, id = stopped
    checked = cumulog(state, "verify")
    assert (checked.returncode, checked.stdout.splitlines()[-1][-11:]) == (0, "0 findings."), checked.stdout
    assert id in cumulog(state, "events").stdout
    assert id in cumulog(state, "trace", id).stdout
    assert id in cumulog(state, "query", "SELECT id FROM compute_flavor").stdout
    assert cumulog(state, "rebuild").returncode == 0
    assert id in cumulog(state, "query", "SELECT id FROM compute_flavor").stdout
    assert cumulog(state, "verify").returncode == 0


def test_what_was_made_is_there_when_the_cloud_starts_again(stopped: tuple[Path, str]) -> None:
    state, id = stopped
    password = (state / "clouds.yaml").read_text()
    with running(state, hosts=1) as again, again.user() as http:
        assert found(http.get(f"{FLAVORS}/{id}"))["flavor"]["name"] == "kept"
        assert again.password in password
        second = cumulog(state, "up")
        assert second.returncode != 0
        assert "in use" in second.stderr


def test_a_token_outlives_the_clouds_process(tmp_path: Path) -> None:
    state = tmp_path / "cloud"
    with running(state, hosts=1) as one, one.user() as http:
        token = http.headers["X-Auth-Token"]
    with running(state, hosts=1) as again:
        answer = httpx.get(f"{again.url}/identity/v3/projects", headers={"X-Auth-Token": token})
        assert answer.status_code == 200


def test_servers_survive_a_restart(tmp_path: Path) -> None:
    state = tmp_path / "cloud"
    headers = {"OpenStack-API-Version": "compute 2.100"}
    with running(state, hosts=1) as one, one.user() as http:
        flavor, _ = create_flavor(http, "tiny")
        image = found(
            http.post("/image/v2/images", json={"name": "i", "disk_format": "raw", "container_format": "bare"}), 201
        )["id"]
        octets = {"Content-Type": "application/octet-stream"}
        found(http.put(f"/image/v2/images/{image}/file", content=b"x" * 512, headers=octets), 204)
        wish = {"name": "s", "imageRef": image, "flavorRef": flavor, "networks": "none"}
        server = found(http.post("/compute/v2.1/servers", json={"server": wish}, headers=headers), 202)["server"]["id"]
        url = f"/compute/v2.1/servers/{server}"
        wait_until(lambda: found(http.get(url))["server"]["status"] == "ACTIVE")
        password = one.password
    with running(state, hosts=1) as again, login(again.url, "admin", password, "admin") as http:
        wait_until(lambda: found(http.get(url))["server"]["status"] == "ACTIVE")
        found(http.delete(url), 204)
        wait_until(lambda: http.get(url).status_code == 404)
    assert cumulog(state, "verify").returncode == 0
