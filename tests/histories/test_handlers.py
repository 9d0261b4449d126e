"""Five processes of handlers that race: none doubles what another has done."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from events.compute import host_room
from events.compute import server as servers
from events.fold import Change, Fold
from events.nats.jetstream import JetStreamJournal
from events.network import port as ports
from events.services import deciders
from tests.histories.gateways import Gateways, gateways, wanted

HOSTS = ("a", "b", "c")
LARGE = 100  # processors: a simulated host has room for 256, which are two such servers
ASKED = 9
REST = 90.0  # seconds


class Laws:
    """What must be so after each commit, of whomever."""

    def __init__(self) -> None:
        self.fold = Fold(deciders())
        self.fold.listeners.append(self._look)
        self.broken: list[str] = []

    def _look(self, change: Change) -> None:
        _, service, resource, key = change.subject.split(".", 3)
        before = change.before.state if change.before else None
        after = change.after.state
        if (service, resource) == ("compute", "host_room") and after.used.get("vcpus", 0) > 256:
            self.broken.append(f"host {key} is overfull: {after.used}")
        if (service, resource) == ("compute", "server") and before and before.host not in (None, after.host):
            self.broken.append(f"server {key} was on {before.host} and is on {after.host}")
        if (service, resource) == ("network", "port") and not after.deleted:
            for ip in after.ips:
                if len(self.fold.by(ports, "ips", ip)) > 1:
                    self.broken.append(f"{ip} is held by two ports")


async def settled(cloud: Gateways, headers: dict[str, str]) -> list[dict[str, Any]]:
    """All servers, once none of them is being built."""
    end = time.monotonic() + REST
    while True:
        answer = await cloud.all[0].http.get("/compute/v2.1/servers/detail", headers=headers)
        found: list[dict[str, Any]] = answer.json()["servers"]
        if all(one["status"] != "BUILD" for one in found) or time.monotonic() > end:
            return found
        await asyncio.sleep(0.1)


async def test_five_handlers_place_each_server_once_and_overfill_no_host(tmp_path: Path) -> None:
    async with gateways(tmp_path / "cloud", 1, handlers=5, hosts=HOSTS) as cloud:
        headers = {"X-Auth-Token": await cloud.login()}
        body = {"server": await wanted(cloud.all[0].http, headers, vcpus=LARGE)}
        http = cloud.all[0].http
        asked = [http.post("/compute/v2.1/servers", json=body, headers=headers) for _ in range(ASKED)]
        assert {answer.status_code for answer in await asyncio.gather(*asked)} == {202}
        found = await settled(cloud, headers)
        faults = [one["fault"]["message"] for one in found if "fault" in one]
        assert Counter(one["status"] for one in found) == {"ACTIVE": 6, "ERROR": 3}, faults
        assert all(fault.startswith("No valid host was found.") for fault in faults)
        laws = Laws()
        journal = await JetStreamJournal.open(cloud.wire, replicas=3)
        await laws.fold.follow(journal)
        assert laws.broken == []
        placed = {one.id: one.host for one in laws.fold.all(servers) if one.status == "ACTIVE"}
        assert Counter(placed.values()) == dict.fromkeys(HOSTS, 2)
        assert len([ip for port in laws.fold.all(ports) for ip in port.ips]) == 6
        assert sorted(name for room in laws.fold.all(host_room) for name in room.shares) == sorted(placed)
        await laws.fold.stop()
    (file,) = tmp_path.rglob("simulated.db")
    with closing(sqlite3.connect(file)) as database:
        guests = database.execute("SELECT server, host FROM guest").fetchall()
    assert sorted(guests) == sorted(placed.items())
