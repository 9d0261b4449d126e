"""Shorthands for calls of the image service."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import httpx

from gateway.image.store import ImageStore
from tests.worlds import World

PATCH = "application/openstack-images-v2.1-json-patch"
OCTETS = "application/octet-stream"
RAW = {"disk_format": "raw", "container_format": "bare"}


def said(answer: httpx.Response) -> str:
    """The words of an error page."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())


class Images:
    """One cloud's image service, as an admin or one of TOKENS."""

    def __init__(self, world: World, store: ImageStore) -> None:
        self.world = world
        self.store = store

    async def call(self, method: str, path: str, body: Any = None, as_: str = "admin", **more: str) -> httpx.Response:
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        return await self.world.call(method, f"/image/v2{path}", body, as_=as_, **headers)

    async def send(self, method: str, path: str, data: Any, as_: str = "admin", **more: str) -> httpx.Response:
        """A request with a body of bytes."""
        headers = {"X-Auth-Token": as_, "Content-Type": OCTETS}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        return await self.world.http.request(method, f"/image/v2{path}", content=data, headers=headers)

    async def make(self, as_: str = "admin", data: bytes | None = None, **body: Any) -> str:
        """The id of a new image, active if it has `data`."""
        made = await self.call("POST", "/images", {**RAW, **body}, as_)
        assert made.status_code == 201, made.text
        id = str(made.json()["id"])
        if data is not None:
            put = await self.send("PUT", f"/images/{id}/file", data, as_)
            assert put.status_code == 204, put.text
        return id

    async def show(self, id: str, as_: str = "admin") -> Any:
        answer = await self.call("GET", f"/images/{id}", as_=as_)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def patch(self, id: str, *operations: Any, as_: str = "admin") -> httpx.Response:
        return await self.call("PATCH", f"/images/{id}", list(operations), as_, Content_Type=PATCH)

    async def names(self, query: str = "", as_: str = "member") -> list[str | None]:
        answer = await self.call("GET", f"/images{query}", as_=as_)
        assert answer.status_code == 200, answer.text
        return [image["name"] for image in answer.json()["images"]]
