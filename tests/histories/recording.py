"""Clients who write and read a few resources through whichever gateway, and remember what they were told, and when."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from random import Random
from typing import Any

import httpx

from tests.histories.checker import NEVER, Operation, violation
from tests.histories.checker import Kind as Operations
from tests.histories.gateways import Gateway, Gateways, wanted
from tests.waiting import until

LONGEST = 60.0  # seconds that a history takes at most


class Kind:
    """How one kind of resource is made, changed, shown, deleted and listed over HTTP; its name is the register."""

    headers: dict[str, str] = {}
    changes: Operations = "update"
    deletes: Operations = "delete"

    def __init__(self, name: str, path: str, body: dict[str, Any], change: str, made: int) -> None:
        self.name = name
        self.path = path
        self.body = body
        self.change = change  # the method
        self.made = made  # the status

    def wish(self, value: str) -> dict[str, Any]:
        """The body that has it bear this name."""
        return {self.name: {"name": value}}

    def list_of(self, id: str) -> str:
        """The path of the list in which it is."""
        return self.path

    def place(self, id: str) -> str:
        return f"{self.path}/{id}"

    def listed(self, answer: dict[str, Any], id: str) -> str | None:
        """What a list says of it; None if it is not there."""
        found = next((one for one in answer[f"{self.name}s"] if one["id"] == id), None)
        return self.shown({self.name: found}) if found else None

    def shown(self, answer: dict[str, Any]) -> str | None:
        return str(answer[self.name]["name"])


class Servers(Kind):
    """One that is being deleted counts as gone: its host takes a moment, and a second deletion is answered alike."""

    headers = {"X-OpenStack-Nova-API-Version": "2.100"}
    deletes: Operations = "write"

    def __init__(self, flavor: str, image: str) -> None:
        body = {"flavorRef": flavor, "imageRef": image, "networks": "none"}
        super().__init__("server", "/compute/v2.1/servers", body, "PUT", 202)

    def list_of(self, id: str) -> str:
        return f"{self.path}/detail"

    def shown(self, answer: dict[str, Any]) -> str | None:
        server = answer["server"]
        return None if server["OS-EXT-STS:task_state"] == "deleting" else str(server["name"])


class Metadata(Kind):
    """An item of a server's metadata: who sets it makes it."""

    changes: Operations = "write"

    def __init__(self) -> None:
        super().__init__("metadata", "/compute/v2.1/servers", {}, "PUT", 200)

    def wish(self, value: str) -> dict[str, Any]:
        return {"meta": {"register": value}}

    def list_of(self, id: str) -> str:
        return f"{self.path}/{id}/metadata"

    def place(self, id: str) -> str:
        return f"{self.path}/{id}/metadata/register"

    def listed(self, answer: dict[str, Any], id: str) -> str | None:
        value: str | None = answer["metadata"].get("register")
        return value

    def shown(self, answer: dict[str, Any]) -> str | None:
        return str(answer["meta"]["register"])


def kinds(network: str, flavor: str, image: str) -> list[Kind]:
    return [
        Kind("project", "/identity/v3/projects", {"domain_id": "default"}, "PATCH", 201),
        Kind("port", "/network/v2.0/ports", {"network_id": network}, "PUT", 201),
        Kind("network", "/network/v2.0/networks", {}, "PUT", 201),
        Kind("security_group", "/network/v2.0/security-groups", {}, "PUT", 201),
        Servers(flavor, image),
    ]


class Register:
    """One resource, and what everybody was told of it."""

    def __init__(self, kind: Kind, id: str, first: str | None) -> None:
        self.kind = kind
        self.id = id
        self.path = kind.place(id)
        self.first = first  # its value when the history begins
        self.history: list[Operation] = []


class Recording:
    """One history."""

    def __init__(self, cloud: Gateways, token: str, seed: int) -> None:
        self.cloud = cloud
        self.headers = {"X-Auth-Token": token}
        self.random = Random(seed)
        self.seed = seed
        self.kinds: list[Kind] = []
        self.registers: list[Register] = []
        self.told: Counter[str] = Counter()
        self.over = False
        self._count = 0

    async def prepare(self, each: int) -> None:
        """`each` resources of each kind."""
        http = self.cloud.all[0].http
        wish = await wanted(http, self.headers)
        self.kinds = kinds(wish["networks"][0]["uuid"], wish["flavorRef"], wish["imageRef"])
        for kind in self.kinds:
            for n in range(each):
                first = f"{kind.name}-{n}-of-{self.seed}"
                self.registers.append(Register(kind, await self._made(kind, first), first))
        for _ in range(each):
            id = await self._made(self.kinds[-1], "of the metadata")
            await self._active(id)
            self.registers.append(Register(Metadata(), id, None))

    async def _made(self, kind: Kind, name: str) -> str:
        body = {kind.name: {**kind.body, "name": name}}
        answer = await self.cloud.all[0].http.post(kind.path, json=body, headers={**self.headers, **kind.headers})
        assert answer.status_code == kind.made, answer.text
        return str(answer.json()[kind.name]["id"])

    async def _active(self, server: str) -> None:
        async with asyncio.timeout(LONGEST):
            while True:
                answer = await self.cloud.all[0].http.get(f"/compute/v2.1/servers/{server}", headers=self.headers)
                if answer.json()["server"]["status"] == "ACTIVE":
                    return
                await asyncio.sleep(0.05)

    async def client(self) -> None:
        """Does one thing after the other until it is over."""
        while not self.over:
            register, gateway = self.random.choice(self.registers), self.random.choice(self.cloud.all)
            dice = self.random.random()
            call = time.monotonic()
            try:
                if dice < 0.35:
                    if dice < 0.02:
                        register = await self._create(register.kind, gateway, call) or register
                    else:
                        await self._change(register, gateway, call)
                    other = self.random.choice(self.cloud.all)  # whoever has written looks for it elsewhere
                    await self._show(register, other, time.monotonic(), listed=dice > 0.25)
                elif dice < 0.36:
                    await self._delete(register, gateway, call)
                else:
                    await self._show(register, gateway, call, listed=dice > 0.85)
            except httpx.TransportError as fault:
                self.told[type(fault).__name__] += 1
            await asyncio.sleep(self.random.random() * 0.02)

    async def _create(self, kind: Kind, gateway: Gateway, call: float) -> Register | None:
        """Another of a kind; None if it is not known whether it was made."""
        if isinstance(kind, Metadata):
            return None
        value = self._value(kind, gateway)
        body = {kind.name: {**kind.body, "name": value}}
        answer = await gateway.http.post(kind.path, json=body, headers={**self.headers, **kind.headers})
        self.told[f"POST {answer.status_code}"] += 1
        assert answer.status_code in (kind.made, 503), answer.text
        if answer.status_code == 503:
            return None
        register = Register(kind, answer.json()[kind.name]["id"], None)
        register.history.append(Operation("create", value, True, call, time.monotonic(), gateway.name))
        self.registers.append(register)
        return register

    def _value(self, kind: Kind, gateway: Gateway) -> str:
        """A name that nothing else has, in no history of this cloud."""
        self._count += 1
        return f"{kind.name}-{self._count}-of-{self.seed}-by-{gateway.name}"

    async def _change(self, register: Register, gateway: Gateway, call: float) -> None:
        kind, value = register.kind, self._value(register.kind, gateway)
        place = len(register.history)
        register.history.append(Operation(kind.changes, value, True, call, NEVER, gateway.name))  # until it is known
        headers = {**self.headers, **kind.headers}
        answer = await gateway.http.request(kind.change, register.path, json=kind.wish(value), headers=headers)
        self._note(register, place, answer, answer.status_code == 200 and kind.shown(answer.json()) is not None)

    async def _delete(self, register: Register, gateway: Gateway, call: float) -> None:
        place = len(register.history)
        register.history.append(Operation(register.kind.deletes, None, True, call, NEVER, gateway.name))
        answer = await gateway.http.delete(register.path, headers=self.headers)
        self._note(register, place, answer, answer.status_code == 204)

    def _note(self, register: Register, place: int, answer: httpx.Response, done: bool) -> None:
        self.told[f"{answer.request.method} {answer.status_code}"] += 1
        assert answer.status_code in (200, 204, 404, 503, 409), answer.text
        if answer.status_code in (200, 204, 404):
            old = register.history[place]
            register.history[place] = old._replace(answer=time.monotonic(), done=done)

    async def _show(self, register: Register, gateway: Gateway, call: float, *, listed: bool) -> None:
        kind = register.kind
        path = kind.list_of(register.id) if listed else register.path
        answer = await gateway.http.get(path, headers={**self.headers, **kind.headers})
        now = time.monotonic()
        self.told[f"{'list' if listed else 'show'} {answer.status_code}"] += 1
        if answer.status_code == 503:
            return
        assert answer.status_code in (200, 404), answer.text
        value: str | None = None
        if answer.status_code == 200:
            value = kind.listed(answer.json(), register.id) if listed else kind.shown(answer.json())
        register.history.append(Operation("show", value, True, call, now, gateway.name))

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
    async with asyncio.TaskGroup() as group:  # what one finds ends the others too
        for _ in range(clients):
            group.create_task(recording.client())
        group.create_task(trouble(recording, seed))
        end = time.monotonic() + LONGEST
        await until(lambda: recording.told.total() >= answers or time.monotonic() > end, LONGEST + 1)
        recording.over = True
    return recording
