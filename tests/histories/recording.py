"""Clients who write and read a few resources through whichever gateway, and remember what they were told, and when."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from random import Random
from typing import Any

import httpx

from tests.histories.checker import NEVER, Operation, violation
from tests.histories.gateways import Gateways

LONGEST = 60.0  # seconds that a history takes at most


class Kind:
    """How one kind of resource is made, changed, shown, deleted and listed over HTTP; its name is the register."""

    def __init__(self, name: str, path: str, body: dict[str, Any], change: str, made: int) -> None:
        self.name = name
        self.path = path
        self.body = body
        self.change = change  # the method
        self.made = made  # the status
        self.plural = name + "s"


def kinds(network: str) -> list[Kind]:
    return [
        Kind("project", "/identity/v3/projects", {"domain_id": "default"}, "PATCH", 201),
        Kind("port", "/network/v2.0/ports", {"network_id": network}, "PUT", 201),
        Kind("network", "/network/v2.0/networks", {}, "PUT", 201),
        Kind("security_group", "/network/v2.0/security-groups", {}, "PUT", 201),
    ]


class Register:
    """One resource, and what everybody was told of it."""

    def __init__(self, kind: Kind, id: str, first: str) -> None:
        self.kind = kind
        self.path = f"{kind.path}/{id}"
        self.id = id
        self.first = first
        self.history: list[Operation] = []


class Recording:
    """One history."""

    def __init__(self, cloud: Gateways, token: str, seed: int) -> None:
        self.cloud = cloud
        self.headers = {"X-Auth-Token": token}
        self.random = Random(seed)
        self.registers: list[Register] = []
        self.told: Counter[str] = Counter()
        self.over = False
        self._count = 0

    async def prepare(self, each: int) -> None:
        """`each` resources of each kind."""
        http = self.cloud.all[0].http
        made = await http.post("/network/v2.0/networks", json={"network": {}}, headers=self.headers)
        for kind in kinds(made.json()["network"]["id"]):
            for n in range(each):
                first = f"{kind.name}-{n}"
                body = {kind.name: {**kind.body, "name": first}}
                answer = await http.post(kind.path, json=body, headers=self.headers)
                assert answer.status_code == kind.made, answer.text
                self.registers.append(Register(kind, answer.json()[kind.name]["id"], first))

    async def client(self) -> None:
        """Does one thing after the other until it is over."""
        while not self.over:
            register, gateway = self.random.choice(self.registers), self.random.choice(self.cloud.all)
            dice = self.random.random()
            call = time.monotonic()
            try:
                if dice < 0.35:
                    await self._change(register, gateway.http, gateway.name, call)
                    other = self.random.choice(self.cloud.all)  # whoever has written looks for it elsewhere
                    await self._show(register, other.http, other.name, time.monotonic(), listed=dice > 0.25)
                elif dice < 0.36:
                    await self._delete(register, gateway.http, gateway.name, call)
                else:
                    await self._show(register, gateway.http, gateway.name, call, listed=dice > 0.85)
            except httpx.TransportError as fault:
                self.told[type(fault).__name__] += 1
            await asyncio.sleep(self.random.random() * 0.02)

    async def _change(self, register: Register, http: httpx.AsyncClient, by: str, call: float) -> None:
        self._count += 1
        value = f"{register.kind.name}-{self._count}-by-{by}"
        place = len(register.history)
        register.history.append(Operation("update", value, True, call, NEVER, by))  # until it is known
        body = {register.kind.name: {"name": value}}
        answer = await http.request(register.kind.change, register.path, json=body, headers=self.headers)
        self._note(register, place, answer, 200)

    async def _delete(self, register: Register, http: httpx.AsyncClient, by: str, call: float) -> None:
        place = len(register.history)
        register.history.append(Operation("delete", None, True, call, NEVER, by))
        self._note(register, place, await http.delete(register.path, headers=self.headers), 204)

    def _note(self, register: Register, place: int, answer: httpx.Response, done: int) -> None:
        self.told[f"{answer.request.method} {answer.status_code}"] += 1
        assert answer.status_code in (done, 404, 503, 409), answer.text
        if answer.status_code in (done, 404):
            old = register.history[place]
            register.history[place] = old._replace(answer=time.monotonic(), done=answer.status_code == done)

    async def _show(self, register: Register, http: httpx.AsyncClient, by: str, call: float, *, listed: bool) -> None:
        answer = await http.get(register.kind.path if listed else register.path, headers=self.headers)
        now = time.monotonic()
        self.told[f"{'list' if listed else 'show'} {answer.status_code}"] += 1
        if answer.status_code == 503:
            return
        assert answer.status_code in (200, 404), answer.text
        found: dict[str, Any] | None = None
        if listed:
            found = next((one for one in answer.json()[register.kind.plural] if one["id"] == register.id), None)
        elif answer.status_code == 200:
            found = answer.json()[register.kind.name]
        register.history.append(Operation("show", found["name"] if found else None, True, call, now, by))

    def violations(self) -> list[str]:
        """What is not linearizable."""
        found = []
        for one in self.registers:
            if (told := violation(one.history, one.first)) is not None:
                found.append(f"{one.kind.name} {one.id}: {told}")
        return found


async def trouble(recording: Recording, seed: int) -> None:
    """Gateways and NATS servers stand still for a while, too short to be deposed; and the journal's leader changes."""
    random, cloud = Random(seed), recording.cloud
    while not recording.over:
        await asyncio.sleep(random.uniform(0.05, 0.3))
        dice = random.random()
        if dice < 0.2:
            await cloud.step_down()
        elif dice < 0.7:
            await cloud.pause_node(random.randrange(3), random.uniform(0.1, 1.0))
        else:
            await random.choice(cloud.all).pause(random.uniform(0.02, 0.4))


async def record(cloud: Gateways, *, seed: int, answers: int, clients: int = 24, each: int = 1) -> Recording:
    """A history of so many answers, or of a minute."""
    recording = Recording(cloud, await cloud.login(), seed)
    await recording.prepare(each)
    tasks = [asyncio.create_task(recording.client()) for _ in range(clients)]
    tasks.append(asyncio.create_task(trouble(recording, seed)))
    end = time.monotonic() + LONGEST
    while recording.told.total() < answers and time.monotonic() < end and not any(task.done() for task in tasks):
        await asyncio.sleep(0.05)
    recording.over = True
    await asyncio.gather(*tasks)
    return recording
