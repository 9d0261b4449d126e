"""Somebody who uses a cloud as clients do: makes what servers need, makes servers, waits for them, deletes them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from benchmarks.clouds import Client

T = TypeVar("T")


class Person:
    """An admin without quotas."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.flavor = ""
        self.image = ""
        self.network = ""
        self.group = ""  # of servers, if not the project's default one

    async def begin(self) -> None:
        """Log in; flavors, an image and a network with 65 000 addresses."""
        await self.client.login()
        call = self.client.call
        quotas = {"instances": -1, "cores": -1, "ram": -1}
        await call("PUT", f"/compute/v2.1/os-quota-sets/{self.client.project}", {"quota_set": quotas})
        await call("PUT", f"/network/v2.0/quotas/{self.client.project}", {"quota": {"port": -1}})
        for i in range(10):
            flavor = {"name": f"bench-{i}", "ram": 64, "vcpus": 1, "disk": 0}
            made = await call("POST", "/compute/v2.1/flavors", {"flavor": flavor})
        self.flavor = made["flavor"]["id"]
        image = {"name": "bench", "disk_format": "raw", "container_format": "bare"}
        self.image = (await call("POST", "/image/v2/images", image))["id"]
        headers = {"Content-Type": "application/octet-stream"}
        await call("PUT", f"/image/v2/images/{self.image}/file", data=b"\0" * 4096, headers=headers)
        self.network = (await call("POST", "/network/v2.0/networks", {"network": {"name": "bench"}}))["network"]["id"]
        subnet = {"network_id": self.network, "ip_version": 4, "cidr": "10.32.0.0/16"}
        await call("POST", "/network/v2.0/subnets", {"subnet": subnet})

    async def open_up(self) -> None:
        """From now on have servers in a group whose rules name no group.

        The members of a group that names itself, as the default one does, are told to each host of each of them: no
        project of a large cloud has all of its servers, but these people are of one project.
        """
        group = {"security_group": {"name": "open"}}
        self.group = (await self.client.call("POST", "/network/v2.0/security-groups", group))["security_group"]["id"]
        rule = {"security_group_id": self.group, "direction": "ingress", "ethertype": "IPv4"}
        await self.client.call("POST", "/network/v2.0/security-group-rules", {"security_group_rule": rule})

    async def create(self, name: str, count: int = 1) -> str:
        """Ask for servers; the id of the first."""
        server: dict[str, Any] = {
            "name": name,
            "imageRef": self.image,
            "flavorRef": self.flavor,
            "networks": [{"uuid": self.network}],
            "min_count": count,
            "max_count": count,
        }
        if self.group:
            server["security_groups"] = [{"name": self.group}]
        made = await self.client.call("POST", "/compute/v2.1/servers", {"server": server})
        return str(made["server"]["id"])

    async def active(self, id: str, poll: float = 0.002) -> None:
        """Return once it is ACTIVE; `poll`: seconds between two looks. Raises RuntimeError if it fails."""
        while True:
            await asyncio.sleep(poll)
            server = (await self.client.call("GET", f"/compute/v2.1/servers/{id}"))["server"]
            if server["status"] == "ACTIVE":
                return
            if server["status"] == "ERROR":
                raise RuntimeError(server["fault"])

    async def one(self, name: str) -> tuple[float, float]:
        """Make one: ms until the answer, and until it is ACTIVE."""
        began = time.perf_counter()
        id = await self.create(name)
        answered = (time.perf_counter() - began) * 1000
        await self.active(id)
        return answered, (time.perf_counter() - began) * 1000

    async def many(self, count: int, at_once: int, poll: float = 0.002) -> list[str]:
        """Make many, each waited for; their ids."""

        async def one(number: int) -> str:
            id = await self.create(f"bulk-{number}")
            await self.active(id, poll)
            return id

        return await _crowd(one, range(count), at_once)

    async def delete(self, ids: list[str], at_once: int) -> None:
        """Delete them, each until it is gone."""

        async def one(id: str) -> None:
            await self.client.call("DELETE", f"/compute/v2.1/servers/{id}")
            await until(lambda: self.client.exists(f"/compute/v2.1/servers/{id}"), 0.02)

        await _crowd(one, ids, at_once)

    async def hosts(self) -> int:
        """How many hosts there are."""
        found = await self.client.call("GET", "/compute/v2.1/os-hypervisors/statistics")
        return int(found["hypervisor_statistics"]["count"])

    async def settled(self) -> None:
        """Return once nothing is being built."""
        await until(self._building, 0.1)

    async def _building(self) -> bool:
        return bool((await self.client.call("GET", "/compute/v2.1/servers?status=BUILD&limit=1"))["servers"])


async def until(more: Callable[[], Awaitable[bool]], pause: float) -> None:
    """Look again and again, as long as there is more to wait for."""
    while True:
        if not await more():
            return
        await asyncio.sleep(pause)


async def _crowd(work: Callable[[Any], Awaitable[T]], things: Iterable[Any], at_once: int) -> list[T]:
    room = asyncio.Semaphore(at_once)

    async def one(thing: Any) -> T:
        async with room:
            return await work(thing)

    return await asyncio.gather(*map(one, things))
