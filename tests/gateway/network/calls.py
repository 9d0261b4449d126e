"""Short calls of the network service."""

from __future__ import annotations

from typing import Any

import httpx

from tests.worlds import World

NOWHERE = "00000000-0000-0000-0000-000000000000"


async def ask(w: World, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
    return await w.call(method, f"/network/v2.0{path}", body, **more)


async def make(w: World, kind: str, /, *, as_: str = "member", **values: Any) -> dict[str, Any]:
    """A new resource; its kind in the singular."""
    answer = await ask(w, "POST", f"/{kind.replace('_', '-')}s", {kind: values}, as_=as_)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()[kind]
    return made


async def a_network(w: World, *, as_: str = "member", cidr: str = "10.0.0.0/24", **values: Any) -> tuple[str, str]:
    """The ids of a new network and of its subnet."""
    network = await make(w, "network", as_=as_, **values)
    subnet = await make(w, "subnet", as_=as_, network_id=network["id"], ip_version=4, cidr=cidr)
    return network["id"], subnet["id"]


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, type and message of a refusal in the service's own form."""
    fault = answer.json()["NeutronError"]
    assert fault["detail"] == ""
    return answer.status_code, fault["type"], fault["message"]
