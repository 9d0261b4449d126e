"""A disk that is full: who asks for a change is told so at once, reading goes on, and all recovers without a hand."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest

from tests.contract.clouds import RunningCloud, found, running
from tests.faults.surroundings import Volume, need
from tests.waiting import wait_until

WAIT = 20.0  # seconds in which everything must have been noticed


class Disks(NamedTuple):
    """A cloud whose journal, images and tables are on small disks of their own."""

    cloud: RunningCloud
    http: httpx.Client
    journal: Volume
    images: Volume
    tables: Volume

    def health(self) -> dict[str, object]:
        answer = httpx.get(f"{self.cloud.url}/healthcheck")
        assert answer.status_code == 200, answer.text  # it can still be read: no reason to go elsewhere
        return dict(answer.json())


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disks]:
    need("mount", "umount")
    state = tmp_path_factory.mktemp("disks") / "cloud"
    volumes: list[Volume] = []
    try:
        for path, mib in ((state, 24), (state / "journal", 48), (state / "images", 16)):
            volumes.append(Volume(path, mib))
        with (
            running(state, hosts=1, arguments=("--set", "journal.deadline=3")) as cloud,
            cloud.user() as http,
        ):
            yield Disks(cloud, http, volumes[1], volumes[2], volumes[0])
    finally:
        for volume in reversed(volumes):
            volume.remove()


def make(http: httpx.Client, name: str) -> httpx.Response:
    return http.post("/network/v2.0/networks", json={"network": {"name": name}})


def test_a_full_journal_refuses_at_once_can_be_read_and_goes_on_by_itself(disks: Disks) -> None:
    http = disks.http
    id = found(make(http, "before"), 201)["network"]["id"]
    disks.journal.fill()
    wait_until(lambda: "writes" in str(disks.health()))
    began = time.monotonic()
    answer = make(http, "refused")
    assert time.monotonic() - began < 2
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "disk is full" in answer.json()["NeutronError"]["message"]
    assert http.get(f"/network/v2.0/networks/{id}").status_code == 200
    assert [one["name"] for one in found(http.get("/network/v2.0/networks"))["networks"]] == ["before"]
    assert disks.health()["status"] == "degraded"
    disks.journal.free()
    wait_until(lambda: make(http, "after").status_code == 201)
    wait_until(lambda: disks.health()["status"] == "ok")
    assert "refused" not in [one["name"] for one in found(http.get("/network/v2.0/networks"))["networks"]]


def test_a_full_image_store_refuses_the_bytes_and_keeps_nothing_half_done(disks: Disks) -> None:
    http, store = disks.http, disks.images.path
    wish = {"name": "i", "disk_format": "raw", "container_format": "bare"}
    id = found(http.post("/image/v2/images", json=wish), 201)["id"]
    headers = {"Content-Type": "application/octet-stream"}
    answer = http.put(f"/image/v2/images/{id}/file", content=bytes(20 << 20), headers=headers)
    assert answer.status_code == 413
    assert "storage media is full" in answer.text
    image = found(http.get(f"/image/v2/images/{id}"))
    assert (image["status"], image["size"]) == ("queued", None)
    assert [*(store / "uploads").iterdir(), *(store / "images").iterdir()] == []
    assert http.put(f"/image/v2/images/{id}/file", content=b"few", headers=headers).status_code == 204
    assert found(http.get(f"/image/v2/images/{id}"))["status"] == "active"


def test_when_the_tables_cannot_be_written_only_questions_to_them_wait(disks: Disks) -> None:
    http = disks.http
    wide = "/compute/v2.1/os-simple-tenant-usage"  # lists come from the fold, usage from the tables
    assert http.get(wide).status_code == 200
    refused: list[httpx.Response] = []

    def is_refused() -> bool:
        disks.tables.fill()  # what DuckDB gave back, too
        image = {f"p{n}": os.urandom(100).hex() for n in range(100)}
        assert http.post("/image/v2/images", json=image).status_code == 201  # changes go on
        answer = http.get(wide)
        refused.append(answer)
        return answer.status_code != 200 and "tables" in str(disks.health())

    wait_until(is_refused)
    assert (refused[-1].status_code, refused[-1].headers["retry-after"]) == (503, "5")
    id = found(make(http, "shown"), 201)["network"]["id"]
    assert http.get(f"/network/v2.0/networks/{id}").status_code == 200
    disks.tables.free()
    wait_until(lambda: http.get(wide).status_code == 200)
    wait_until(lambda: disks.health()["status"] == "ok")
