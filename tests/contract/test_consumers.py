"""Programs that are told of everything: the README's examples, killed again and again, miss nothing."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx
import pytest

from events.nats.wire import Credentials, Denied, Wire
from tests.contract.clients import CLIENTS
from tests.contract.clouds import RunningCloud, found
from tests.contract.test_tenancy import tenant
from tests.waiting import wait_until

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


class Program:
    """An example, started anew whenever it is killed."""

    def __init__(self, ledger: Path, file: str, *arguments: str, environment: Mapping[str, str] = {}) -> None:
        self.ledger = ledger
        self._command = [sys.executable, str(EXAMPLES / file), *arguments, str(ledger)]
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, env=self._environment, stderr=subprocess.PIPE)

    def kill(self) -> None:
        assert self._process is not None
        assert self._process.poll() is None, self._process.stderr and self._process.stderr.read()
        self._process.kill()
        self._process.wait(10)
        assert self._process.stderr is not None
        self._process.stderr.close()

    def sequences(self) -> list[int]:
        text = self.ledger.read_text() if self.ledger.exists() else ""
        return [int(line.split()[0]) for line in text.splitlines()]


def told(cloud: RunningCloud) -> list[int]:
    """The sequences of all that happened to servers, as the log itself has them."""
    lines = [
        json.loads(line) for line in cloud.run("events", "--service", "compute", "--format", "json").stdout.splitlines()
    ]
    return [line["sequence"] for line in lines if line["subject"].startswith("ev.compute.server.")]


class Owner:
    """Somebody who makes servers, and lets them go."""

    def __init__(self, cloud: RunningCloud, admin: httpx.Client) -> None:
        self.cloud = cloud
        self.one = tenant(cloud, admin)
        flavor = {"flavor": {"name": token_hex(4), "ram": 64, "disk": 1, "vcpus": 1}}
        self.flavor = found(admin.post("/compute/v2.1/flavors", json=flavor))["flavor"]["id"]
        body = {"name": "i", "disk_format": "raw", "container_format": "bare"}
        self.image = found(self.one.http.post("/image/v2/images", json=body), 201)["id"]
        bytes_ = {"Content-Type": "application/octet-stream"}
        found(self.one.http.put(f"/image/v2/images/{self.image}/file", content=b"x", headers=bytes_), 204)

    def server(self) -> None:
        body = {"name": "s", "imageRef": self.image, "flavorRef": self.flavor, "networks": "none"}
        headers = {"OpenStack-API-Version": "compute 2.100"}
        made = found(self.one.http.post("/compute/v2.1/servers", json={"server": body}, headers=headers), 202)
        found(self.one.http.delete(f"/compute/v2.1/servers/{made['server']['id']}"), 204)


@pytest.fixture(scope="module")
def owner(cloud: RunningCloud, admin: httpx.Client) -> Iterator[Owner]:
    one = Owner(cloud, admin)
    yield one
    one.one.http.close()


def survive(program: Program, owner: Owner) -> None:
    """Make servers while the program is killed again and again, until it has written down everything."""

    def has_more(before: int) -> bool:
        return len(program.sequences()) > before

    for _ in range(3):
        program.start()
        before = len(program.sequences())
        for _ in range(3):
            owner.server()
        wait_until(partial(has_more, before))
        program.kill()
        owner.server()
    program.start()
    expected = set(told(owner.cloud))
    wait_until(lambda: expected <= set(program.sequences()))
    program.kill()


def test_metering_over_http_misses_nothing_and_repeats_nothing(
    cloud: RunningCloud, owner: Owner, tmp_path: Path
) -> None:
    environment = {"CLOUD": cloud.url, "TOKEN": cloud.user().headers["X-Auth-Token"]}
    program = Program(tmp_path / "ledger", "metering_http.py", environment=environment)
    survive(program, owner)
    expected, written = told(cloud), program.sequences()
    assert len(written) > 20
    assert written == expected[: len(written)]


async def is_admitted(credentials: Path) -> bool:
    """Whether NATS knows a consumer by now."""
    given = json.loads(credentials.read_text())
    user = given["user"]
    try:
        wire = await Wire.connect(
            given["servers"], Credentials(user=user, password=given["password"], inbox=f"_INBOX.{user}")
        )
    except Denied:
        return False
    await wire.close()
    return True


def test_metering_over_nats_misses_nothing(cloud: RunningCloud, owner: Owner, tmp_path: Path) -> None:
    made = cloud.run("credentials", "consumer", "metering", "--after", "0", "--set", "feed.patience=1")
    assert made.returncode == 0, made.stderr
    file = Path(made.stdout.strip())
    assert file.stat().st_mode & 0o777 == 0o600
    wait_until(lambda: asyncio.run(is_admitted(file)))
    survive(Program(tmp_path / "ledger", "metering_nats.py", str(file)), owner)
    assert cloud.run("credentials", "consumer", "metering", "--remove").returncode == 0
    assert not file.exists()
    assert "there is no consumer" in cloud.run("credentials", "consumer", "metering", "--remove").stderr


def lines(http: httpx.Client, number: int, **asked: Any) -> list[Any]:
    """The first events of a reader."""
    events: list[Any] = []
    headers = asked.pop("headers", {})
    with http.stream("GET", "/events", params=asked, headers=headers, timeout=10) as stream:
        assert stream.status_code == 200, stream.read()
        for line in stream.iter_lines():
            if line.startswith("data: "):
                events.append(json.loads(line.removeprefix("data: ")))
                if len(events) == number:
                    break
    return events


def test_the_past_is_told_in_order_then_what_comes(cloud: RunningCloud, admin: httpx.Client, owner: Owner) -> None:
    owner.server()
    first = lines(admin, 5, after=0)
    assert [event["sequence"] for event in first] == [1, 2, 3, 4, 5]
    again = lines(admin, 3, headers={"Last-Event-ID": "2"})
    assert again == first[2:]
    assert lines(admin, 1, since="1h", service="compute")[0]["subject"].startswith("ev.compute.")


@pytest.mark.parametrize("asked", ["query", "header"])
def test_cloudevents_are_told_on_demand(admin: httpx.Client, owner: Owner, asked: str) -> None:
    owner.server()
    query = {"after": 0, "resource": "server", "type": "ServerRequested"}
    if asked == "query":
        (event,) = lines(admin, 1, format="cloudevents", **query)
    else:
        (event,) = lines(admin, 1, headers={"Accept": "application/cloudevents+json"}, **query)
    assert event["specversion"] == "1.0"
    assert event["type"] == "cumulog.compute.server.ServerRequested"
    assert event["source"] == "/cumulog/compute"
    assert event["project"] == event["data"]["owner"]
    assert event["request"].startswith("req-")
    assert all(name.isalnum() and name.islower() for name in event)


def test_a_tenants_past_is_their_own(cloud: RunningCloud, owner: Owner) -> None:
    owner.server()
    events = lines(owner.one.http, 5, after=0)
    assert {event["commit"]["owner"] for event in events} == {owner.one.project}
    assert owner.one.http.get("/events", params={"project": "2" * 32}).status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"after": "x"},
        {"after": "-1"},
        {"after": "99999999"},
        {"since": "nonsense"},
        {"since": "99999999999d"},
        {"service": "nosuch"},
        {"format": "xml"},
        {"servce": "compute"},
    ],
)
def test_what_cannot_be_told_is_refused(admin: httpx.Client, wrong: dict[str, str]) -> None:
    assert admin.get("/events", params=wrong).status_code == 400


@pytest.mark.parametrize("wrong", ["x", "-1", "99999999", "9" * 40, "１"])
def test_a_last_event_that_was_never_told_is_refused(admin: httpx.Client, wrong: str) -> None:
    headers = [(b"Last-Event-ID", wrong.encode())]
    assert admin.get("/events", headers=headers).status_code == 400


@pytest.mark.parametrize(
    "arguments", [("consumer",), ("consumer", "a.b"), ("consumer", "a", "--after", "99999999"), ("gateway", "--remove")]
)
def test_no_credentials_are_written_for_a_consumer_that_cannot_be(
    cloud: RunningCloud, arguments: tuple[str, ...]
) -> None:
    refused = cloud.run("credentials", *arguments)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr


def test_what_is_told_is_described_where_it_is_told(cloud: RunningCloud, tmp_path: Path) -> None:
    index = found(httpx.get(f"{cloud.url}/events/schemas"))
    schema = found(httpx.get(cloud.url + index["schemas"]["compute.server"]))
    assert schema["$id"] == "urn:cumulog:events:compute.server"
    assert httpx.get(f"{cloud.url}/events/schemas/nosuch").status_code == 404
    document = found(httpx.get(cloud.url + index["asyncapi"]))
    assert document["servers"]["events"]["host"] == cloud.url.removeprefix("http://")
    assert cloud.run("schemas", "-o", str(tmp_path)).returncode == 0
    assert json.loads((tmp_path / "compute.server.json").read_text()) == schema
    assert json.loads(cloud.run("schemas", "--format", "asyncapi").stdout)["asyncapi"] == "3.0.0"


def test_the_log_is_exported_as_audit_records(cloud: RunningCloud, owner: Owner) -> None:
    """Openly checked by the library that OpenStack's own audit middleware writes its records with."""
    owner.server()
    records = cloud.run("events", "--format", "cadf").stdout
    python = CLIENTS / "new" / "bin" / "python"
    script = Path(__file__).with_name("cadf_check.py")
    checked = subprocess.run([str(python), str(script)], input=records, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stderr
    assert len(records.splitlines()) > 50
    broken = records.splitlines()[0].replace('"action":"create"', '"action":"conjure"')
    checked = subprocess.run([str(python), str(script)], input=broken, capture_output=True, text=True, check=False)
    assert "action failed validation" in checked.stderr  # it holds its own rules too
