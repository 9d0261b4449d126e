"""One cloud that is watched in every way while it is used, and what was seen of it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest

from tests.contract.clouds import found, running
from tests.waiting import wait_until
from tests.watching.receiver import Receiver, receiving

PARENT = "0af7651916cd43dd8448eb211c80319c"  # the trace that a client began
SECRETS = {  # what nobody may find in a log or a trace
    "password": "Correct-Horse-1",
    "user_data": "#!/bin/sh\necho Battery-Staple-2\n",
    "admin_pass": "Tr0ub4dor-3",
    "blob": "hunter-4",
    "app_secret": "Open-Sesame-5",
}
JSON_LOG = ("--set", "log.format=json", "--set", "log.level=DEBUG", "--set", "log.access=true")


class Seen(NamedTuple):
    """What was seen of a cloud from its start to its end."""

    receiver: Receiver
    lines: list[dict[str, Any]]  # of its log
    text: str  # the same
    metrics: str  # as it was in the end
    health: dict[str, Any]
    token: str
    server: str
    request: str  # of the creation of the server
    project: str


@pytest.fixture(scope="session")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    state = tmp_path_factory.mktemp("watched") / "cloud"
    with receiving() as receiver:
        tracing = ("--set", "tracing.enabled=true", "--set", f"tracing.endpoint={receiver.url}")
        with running(state, hosts=2, arguments=(*JSON_LOG, *tracing)) as cloud, cloud.user() as http:
            project = _keep_secrets(http)
            server, request = _serve(http)
            http.get("/compute/v2.1/servers/no-such-server")
            metrics = httpx.get(f"{cloud.url}/metrics").text
            health = found(httpx.get(f"{cloud.url}/healthcheck?verbose"))
            token = http.headers["x-auth-token"]
        text = (state.parent / f"{state.name}.log").read_text()
        lines = [msgspec.json.decode(line) for line in text.splitlines()]
        yield Seen(receiver, lines, text, metrics, health, token, server, request, project)


def _keep_secrets(http: httpx.Client) -> str:
    """Log in with, store and change things that are secret; the project's id."""
    user = {"name": "keeper", "password": SECRETS["password"], "domain_id": "default"}
    id = found(http.post("/identity/v3/users", json={"user": user}), 201)["user"]["id"]
    project = found(http.get("/identity/v3/projects?name=admin"))["projects"][0]["id"]
    credential = {"type": "totp", "blob": SECRETS["blob"], "user_id": id, "project_id": project}
    found(http.post("/identity/v3/credentials", json={"credential": credential}), 201)
    me = found(http.get("/identity/v3/users?name=admin"))["users"][0]["id"]
    application = {"application_credential": {"name": "robot", "secret": SECRETS["app_secret"]}}
    found(http.post(f"/identity/v3/users/{me}/application_credentials", json=application), 201)
    for tried, status in ((SECRETS["password"], 201), (SECRETS["admin_pass"], 401)):
        auth = {"methods": ["password"], "password": {"user": {"id": id, "password": tried}}}
        assert http.post("/identity/v3/auth/tokens", json={"auth": {"identity": auth}}).status_code == status
    return str(project)


def _serve(http: httpx.Client) -> tuple[str, str]:
    """A server that runs, asked for by a client that traces; its id, and the id of the request."""
    flavor = {"name": "small", "ram": 64, "vcpus": 1, "disk": 1}
    made = found(http.post("/compute/v2.1/flavors", json={"flavor": flavor}))["flavor"]
    image = found(
        http.post("/image/v2/images", json={"name": "i", "disk_format": "raw", "container_format": "bare"}), 201
    )
    data = {"Content-Type": "application/octet-stream"}
    assert http.put(f"/image/v2/images/{image['id']}/file", content=b"bytes", headers=data).status_code == 204
    network = found(http.post("/network/v2.0/networks", json={"network": {"name": "n"}}), 201)["network"]
    subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "10.0.0.0/24"}
    found(http.post("/network/v2.0/subnets", json={"subnet": subnet}), 201)
    wish = {
        "name": "one",
        "flavorRef": made["id"],
        "imageRef": image["id"],
        "networks": [{"uuid": network["id"]}],
        "user_data": b64encode(SECRETS["user_data"].encode()).decode(),
        "adminPass": SECRETS["admin_pass"],
    }
    traced = {"traceparent": f"00-{PARENT}-b7ad6b7169203331-01"}
    answer = http.post("/compute/v2.1/servers", json={"server": wish}, headers=traced)
    id = found(answer, 202)["server"]["id"]
    wait_until(lambda: found(http.get(f"/compute/v2.1/servers/{id}"))["server"]["status"] == "ACTIVE")
    return id, answer.headers["x-openstack-request-id"]
