"""People who use a cloud while it breaks, and who remember what it told them had been done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import httpx

from tests.faults.running import Running

REST = 60.0  # seconds in which every server rests
AUTH = {"methods": ["password"], "password": {"user": {"name": "admin", "domain": {"id": "default"}}}}
SCOPE = {"project": {"name": "admin", "domain": {"id": "default"}}}


class Promises:
    """What was acknowledged."""

    def __init__(self) -> None:
        self.made: dict[str, int] = {}  # URL -> revision of the cloud's life in which it was acknowledged
        self.going: set[str] = set()  # URLs whose deletion was asked for, acknowledged or not
        self.gone: set[str] = set()  # whose deletion was acknowledged
        self.refused: dict[int, int] = {}  # status -> how often


class Person:
    """One admin with one connection."""

    def __init__(self, cloud: Running, promises: Promises, random: Random) -> None:
        self._cloud = cloud
        self._random = random
        self._http = httpx.AsyncClient(timeout=30)
        self._token = ""
        self.promises = promises
        self.done = False

    async def close(self) -> None:
        await self._http.aclose()

    async def call(self, method: str, path: str, body: Any = None) -> httpx.Response | None:
        """The answer; None if there was none."""
        try:
            if not self._token:
                await self._log_in()
            headers = {"X-Auth-Token": self._token}
            answer = await self._http.request(method, self._cloud.url + path, json=body, headers=headers)
        except httpx.HTTPError:
            await asyncio.sleep(0.05)
            return None
        if answer.status_code == 401:
            self._token = ""
        assert answer.status_code < 500 or answer.status_code == 503, f"{method} {path}: {answer.text}"
        if answer.status_code == 503:
            assert "retry-after" in answer.headers, answer.text
        if answer.status_code >= 400:
            self.promises.refused[answer.status_code] = self.promises.refused.get(answer.status_code, 0) + 1
        return answer

    async def _log_in(self) -> None:
        auth = {**AUTH, "password": {"user": {**AUTH["password"]["user"], "password": self._cloud.password}}}  # type: ignore[index]
        body = {"auth": {"identity": auth, "scope": SCOPE}}
        answer = await self._http.post(self._cloud.url + "/identity/v3/auth/tokens", json=body)
        self._token = answer.headers.get("x-subject-token", "")

    async def make(self, path: str, name: str, body: Any) -> str | None:
        """Its URL, if it was acknowledged."""
        answer = await self.call("POST", path, {name: body} if name else body)
        if answer is None or answer.status_code >= 300:
            return None
        made = answer.json()
        url = f"{path}/{(made[name] if name else made)['id']}"
        self.promises.made[url] = self._cloud.starts
        return url

    async def delete(self, url: str) -> None:
        self.promises.going.add(url)
        answer = await self.call("DELETE", url)
        if answer is not None and answer.status_code in (202, 204):
            self.promises.gone.add(url)

    # What they do

    async def prepare(self) -> None:
        """What servers need: made while nothing breaks."""
        flavor = {"name": "small", "ram": 64, "vcpus": 1, "disk": 1}
        self.flavor = await self.make("/compute/v2.1/flavors", "flavor", flavor)
        image = {"name": "guest", "disk_format": "raw", "container_format": "bare"}
        self.image = await self.make("/image/v2/images", "", image)
        await self.upload(b"bytes" * 1000)
        self.network = await self.make("/network/v2.0/networks", "network", {"name": "net"})
        assert self.flavor
        assert self.image
        assert self.network
        subnet = {"network_id": _id(self.network), "ip_version": 4, "cidr": "10.0.0.0/24"}
        assert await self.make("/network/v2.0/subnets", "subnet", subnet)

    async def upload(self, data: bytes) -> None:
        headers = {"X-Auth-Token": self._token, "Content-Type": "application/octet-stream"}
        answer = await self._http.put(f"{self._cloud.url}{self.image}/file", content=data, headers=headers)
        assert answer.status_code == 204, answer.text

    async def live(self) -> None:
        """Do this and that until `done`."""
        number = 0
        while not self.done:
            number += 1
            await self._something(f"{self._random.getrandbits(32):x}-{number}")
            await asyncio.sleep(self._random.random() * 0.05)

    async def _something(self, name: str) -> None:
        servers = [u for u in self.promises.made if "/servers/" in u and u not in self.promises.going]
        one = self._random.choice(servers) if servers else ""
        match self._random.randrange(10):
            case 0 | 1 | 2:
                await self.make("/compute/v2.1/servers", "server", self.server(name))
            case 3 if one:
                await self.delete(one)
            case 4 if one:
                await self.call("POST", f"{one}/action", {"os-stop": None})
            case 5 if one:
                await self.call("POST", f"{one}/action", {"os-start": None})
            case 6 if one:
                await self.call("POST", f"{one}/action", {"reboot": {"type": "HARD"}})
            case 7:
                await self.make("/identity/v3/projects", "project", {"name": name})
            case 8:
                await self.make("/network/v2.0/ports", "port", {"network_id": _id(self.network or "")})
            case 9:
                made = [u for u in self.promises.made if "/ports/" in u and u not in self.promises.going]
                if made:
                    await self.delete(self._random.choice(made))

    def server(self, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "flavorRef": _id(self.flavor or ""),
            "imageRef": _id(self.image or ""),
            "networks": [{"uuid": _id(self.network or "")}],
        }

    # What they find

    async def rest(self) -> list[dict[str, Any]]:
        """The servers, once all of them rest."""
        end = time.monotonic() + REST
        while True:
            answer = await self.call("GET", "/compute/v2.1/servers/detail")
            servers: list[dict[str, Any]] = answer.json()["servers"] if answer and answer.status_code == 200 else []
            busy = [one for one in servers if one["OS-EXT-STS:task_state"] or one["status"] == "BUILD"]
            if answer and answer.status_code == 200 and not busy:
                return servers
            assert time.monotonic() < end, f"servers do not rest: {busy}"
            await asyncio.sleep(0.2)

    async def broken(self) -> list[str]:
        """The promises that were not kept."""
        found = []
        for url, life in self.promises.made.items():
            answer = await self.call("GET", url)
            status = answer.status_code if answer else 0
            if url in self.promises.gone and status != 404:
                found.append(f"{url} was deleted, and answers {status}")
            if url not in self.promises.going and status != 200:
                found.append(f"{url} was made in life {life}, and answers {status}")
        return found


def _id(url: str) -> str:
    return url.rpartition("/")[2]


async def crowd(cloud: Running, random: Random, size: int) -> list[Person]:
    """Several people who know of each other's doings."""
    promises = Promises()
    people = [Person(cloud, promises, Random(random.getrandbits(32))) for _ in range(size)]
    await people[0].prepare()
    for person in people[1:]:
        person.flavor, person.image, person.network = people[0].flavor, people[0].image, people[0].network
    quotas = {"quota_set": {"instances": 1000, "cores": 1000}}
    project = await people[0].call("GET", "/identity/v3/projects?name=admin")
    assert project is not None
    path = f"/compute/v2.1/os-quota-sets/{project.json()['projects'][0]['id']}"
    await people[0].call("PUT", path, quotas)
    return people


def names(servers: list[dict[str, Any]]) -> Iterator[str]:
    yield from (f"{one['id']} {one['status']} {one.get('fault')}" for one in servers)
