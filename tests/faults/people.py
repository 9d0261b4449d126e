"""People who use a cloud while it breaks, and who remember what it told them had been done."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from random import Random
from typing import Any, Protocol

import httpx

from tests.faults.promises import Promises, Thing

PATIENCE = 45.0  # seconds for one answer: more than any deadline of the cloud and any pause of its parts together
AUTH = {"methods": ["password"], "password": {"user": {"name": "admin", "domain": {"id": "default"}}}}
SCOPE = {"project": {"name": "admin", "domain": {"id": "default"}}}
COLLECTIONS = {
    "server": "/compute/v2.1/servers",
    "flavor": "/compute/v2.1/flavors",
    "project": "/identity/v3/projects",
    "network": "/network/v2.0/networks",
    "subnet": "/network/v2.0/subnets",
    "port": "/network/v2.0/ports",
    "image": "/image/v2/images",
}
NOW = ("project", "port", "image")  # kinds whose deletion is done when it is answered


class Place(Protocol):
    """Where a cloud answers."""

    @property
    def starts(self) -> int: ...

    @property
    def password(self) -> str: ...

    def address(self, random: Random) -> str:
        """The URL of one of its gateways."""


class Person:
    """One admin."""

    def __init__(self, cloud: Place, promises: Promises, random: Random, *, forgetful: bool = False) -> None:
        self._cloud = cloud
        self._random = random
        self._http = httpx.AsyncClient(timeout=PATIENCE)
        self._token = ""
        self._forgetful = forgetful  # tokens may be refused, for clocks jump
        self.promises = promises
        self.done = False
        self.flavor = self.image = self.network = ""

    async def close(self) -> None:
        await self._http.aclose()

    # Questions

    async def call(
        self, method: str, path: str, body: Any = None, content: bytes | None = None
    ) -> httpx.Response | None:
        """The answer; None if there was none."""
        try:
            if not self._token and not await self._log_in():
                return None
            headers = {"X-Auth-Token": self._token}
            if content is not None:
                headers["Content-Type"] = "application/octet-stream"
            url = self._cloud.address(self._random) + path
            answer = await self._http.request(method, url, json=body, content=content, headers=headers)
        except httpx.HTTPError as fault:
            self._broken(fault, f"{method} {path}")
            await asyncio.sleep(0.05)
            return None
        self._note(answer, f"{method} {path}")
        if answer.status_code == 401:
            self._token = ""
        return answer

    async def _log_in(self) -> bool:
        auth = {**AUTH, "password": {"user": {**AUTH["password"]["user"], "password": self._cloud.password}}}  # type: ignore[index]
        url = self._cloud.address(self._random) + "/identity/v3/auth/tokens"
        answer = await self._http.post(url, json={"auth": {"identity": auth, "scope": SCOPE}})
        self._note(answer, "POST /identity/v3/auth/tokens")
        self._token = answer.headers.get("x-subject-token", "")
        return bool(self._token)

    def _broken(self, fault: httpx.HTTPError, what: str) -> None:
        self.promises.answers[f"{what.split()[0]} {type(fault).__name__}"] += 1
        if isinstance(fault, httpx.ReadTimeout | httpx.WriteTimeout | httpx.PoolTimeout):
            self.promises.lie(f"{what} was not answered within {PATIENCE} s")

    def _note(self, answer: httpx.Response, what: str) -> None:
        status = answer.status_code
        self.promises.answers[f"{what.split()[0]} {status}"] += 1
        if status >= 500 and status != 503:
            self.promises.lie(f"{what} was answered {status}: {answer.text[:500]}")
        elif status in (429, 503) and "retry-after" not in answer.headers:
            self.promises.lie(f"{what} was answered {status} without Retry-After: {answer.text[:500]}")
        elif status in (400, 403, 405, 406, 415, 422) or (status == 401 and not self._forgetful):
            self.promises.lie(f"{what} was answered {status}: {answer.text[:500]}")

    def _expect(self, answer: httpx.Response, honest: tuple[int, ...], what: str) -> None:
        if answer.status_code not in (*honest, 401, 429, 503) and answer.status_code < 500:
            self.promises.lie(f"{what} was answered {answer.status_code}: {answer.text[:500]}")

    # Writes

    async def make(self, path: str, name: str, body: Any) -> str:
        """Its URL, if it was acknowledged. `name` is what the answer stands under; empty: nothing."""
        answer = await self.call("POST", path, {name: body} if name else body)
        if answer is None:
            return ""
        self._expect(answer, (200, 201, 202), f"POST {path}")
        if answer.status_code >= 300:
            return ""
        made = answer.json()
        url = f"{path}/{(made[name] if name else made)['id']}"
        kind = next(kind for kind, one in COLLECTIONS.items() if one == path)
        self.promises.made(url, kind, body.get("name", ""), self._cloud.starts)
        return url

    async def delete(self, url: str) -> None:
        thing = self.promises.things[url]
        again, thing.going = thing.going, True
        answer = await self.call("DELETE", url)
        if answer is None:
            return
        self._expect(answer, (202, 204, 404) if again else (202, 204), f"DELETE {url}")
        thing.gone |= answer.status_code in (202, 204)

    async def rename(self, thing: Thing, name: str) -> None:
        """Give a thing another name; one person at a time does."""
        if thing.writer:
            return
        thing.writer = True
        thing.unsure.add(name)
        answer = await self._say_name(thing, name)
        if answer is not None and answer.status_code == 200:
            thing.names = {name}
            thing.unsure.discard(name)
        elif answer is not None:
            self._expect(answer, (404, 409) if thing.going else (), f"renaming {thing.url}")
            if answer.status_code != 503:
                thing.unsure.discard(name)
        thing.writer = False

    async def _say_name(self, thing: Thing, name: str) -> httpx.Response | None:
        match thing.kind:
            case "project":
                return await self.call("PATCH", thing.url, {"project": {"name": name}})
            case "server" | "port":
                return await self.call("PUT", thing.url, {thing.kind: {"name": name}})
        raise AssertionError(thing.kind)

    async def act(self, thing: Thing, action: dict[str, Any]) -> None:
        answer = await self.call("POST", f"{thing.url}/action", action)
        if answer is not None:
            honest = (202, 409, 404) if thing.going else (202, 409)
            self._expect(answer, honest, f"POST {thing.url}/action {action}")

    async def upload(self, data: bytes, url: str = "") -> bool:
        """Bytes for an image that has none; whether that was acknowledged."""
        thing = self.promises.things[url or self.image]
        thing.digests.add(digest := hashlib.sha256(data).hexdigest())
        answer = await self.call("PUT", f"{thing.url}/file", content=data)
        if answer is None:
            return False
        self._expect(answer, (204, 404, 409, 410, 413) if thing.going else (204, 413), f"PUT {thing.url}/file")
        if answer.status_code == 204:
            thing.digest = digest
        return answer.status_code == 204

    # Reads

    async def look(self, thing: Thing) -> str | None:
        """What is wrong with a thing as it is now; None if it does not say."""
        names, gone = thing.names | thing.unsure, thing.gone and thing.kind in NOW
        answer = await self.call("GET", thing.url)
        if answer is None or answer.status_code not in (200, 404):
            return None
        found = answer.json() if answer.status_code == 200 else None
        if found is not None and thing.kind != "image":
            found = found[thing.kind]
        return self.promises.judge(thing, answer.status_code, found, names, gone)

    async def look_at_all(self, kind: str) -> None:
        """A list holds all that was acknowledged before it was asked for."""
        before = [thing.url.rpartition("/")[2] for thing in self.promises.living(kind)]
        answer = await self.call("GET", COLLECTIONS[kind])
        if answer is None or answer.status_code != 200:
            return
        listed = {one["id"] for one in answer.json()[f"{kind}s"]}
        still = {thing.url.rpartition("/")[2] for thing in self.promises.living(kind)}
        for id in before:
            if id in still and id not in listed:
                self.promises.lie(f"{COLLECTIONS[kind]}/{id} was made, and is not in the list")

    # A life

    async def prepare(self) -> None:
        """What servers need: made while nothing breaks."""
        flavor = {"name": "small", "ram": 64, "vcpus": 1, "disk": 1}
        self.flavor = await self.make(COLLECTIONS["flavor"], "flavor", flavor)
        self.image = await self.make_image("guest")
        self.network = await self.make(COLLECTIONS["network"], "network", {"name": "net"})
        assert self.flavor
        assert self.network
        assert await self.upload(b"bytes" * 1000)
        subnet = {"name": "sub", "network_id": _id(self.network), "ip_version": 4, "cidr": "10.0.0.0/16"}
        assert await self.make(COLLECTIONS["subnet"], "subnet", subnet)

    async def make_image(self, name: str) -> str:
        return await self.make(
            COLLECTIONS["image"], "", {"name": name, "disk_format": "raw", "container_format": "bare"}
        )

    def server(self, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "flavorRef": _id(self.flavor),
            "imageRef": _id(self.image),
            "networks": [{"uuid": _id(self.network)}],
        }

    async def live(self) -> None:
        """Do this and that until `done`."""
        number = 0
        while not self.done:
            number += 1
            await self._something(f"{self._random.getrandbits(32):x}-{number}")
            await asyncio.sleep(self._random.random() * 0.05)

    async def _something(self, name: str) -> None:
        match self._random.randrange(20):
            case 0 | 1 | 2 | 3:
                await self.make(COLLECTIONS["server"], "server", self.server(name))
            case 4 | 5:
                await self.make(COLLECTIONS["project"], "project", {"name": name})
            case 6 | 7:
                await self.make(COLLECTIONS["port"], "port", {"network_id": _id(self.network), "name": name})
            case 8:
                if url := await self.make_image(name):
                    await self.upload(self._random.randbytes(self._random.choice((0, 1, 70_000, 2_000_000))), url)
            case 9 | 10:
                if thing := self._one("server", "project", "port", "image"):
                    await self.delete(thing.url)
            case 11 | 12:
                if thing := self._one("server", "project", "port"):
                    await self.rename(thing, name)
            case 13 | 14 | 15:
                if thing := self._one("server"):
                    action = self._random.choice(({"os-stop": None}, {"os-start": None}, {"reboot": {"type": "HARD"}}))
                    await self.act(thing, action)
            case 16:
                await self.look_at_all(self._random.choice(("server", "port", "project")))
            case _:
                if thing := self._one("server", "project", "port", "image", living=False):
                    self._say_lie(await self.look(thing))

    def _say_lie(self, wrong: str | None) -> None:
        if wrong:
            self.promises.lie(wrong)

    def _one(self, *kinds: str, living: bool = True) -> Thing | None:
        kind = self._random.choice(kinds)
        things = [
            thing
            for thing in self.promises.things.values()
            if thing.kind == kind and not (living and thing.going) and thing.url != self.image
        ]
        return self._random.choice(things) if things else None


def _id(url: str) -> str:
    return url.rpartition("/")[2]


async def crowd(
    cloud: Place, random: Random, size: int, *, forgetful: bool = False, kind: Callable[..., Person] = Person
) -> list[Person]:
    """Several people who know of each other's doings."""
    promises = Promises()
    people = [kind(cloud, promises, Random(random.getrandbits(32)), forgetful=forgetful) for _ in range(size)]
    await people[0].prepare()
    for person in people[1:]:
        person.flavor, person.image, person.network = people[0].flavor, people[0].image, people[0].network
    project = await people[0].call("GET", "/identity/v3/projects?name=admin")
    assert project is not None
    id = project.json()["projects"][0]["id"]
    many = dict.fromkeys(("instances", "cores", "ram"), -1)
    answer = await people[0].call("PUT", f"/compute/v2.1/os-quota-sets/{id}", {"quota_set": many})
    assert answer is not None
    assert answer.status_code == 200, answer.text
    answer = await people[0].call("PUT", f"/network/v2.0/quotas/{id}", {"quota": {"port": -1}})
    assert answer is not None
    assert answer.status_code == 200, answer.text
    return people
