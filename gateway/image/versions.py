"""The versions of the service: a list without microversions. Source: Image API reference, "API versions"."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from gateway.links import Link
from gateway.serving import Answer, Call

CURRENT = "v2.17"
_OLDER = (15, 13, 12, 11, 10, 9, 8)  # 14 and 16 are of a cache, which this cloud has not
_OLDEST = (7, 6, 5, 4, 3, 2, 1, 0)


class VersionView(Struct):
    id: str
    status: Literal["CURRENT", "SUPPORTED"]
    links: list[Link]


class VersionsAnswer(Struct):
    versions: list[VersionView]


async def show(call: Call) -> VersionsAnswer:
    """All versions."""
    link = Link("self", f"{call.root}/v2/")
    ids = [*(f"v2.{minor}" for minor in _OLDER), CURRENT, *(f"v2.{minor}" for minor in _OLDEST)]
    return VersionsAnswer([VersionView(id, "CURRENT" if id == CURRENT else "SUPPORTED", [link]) for id in ids])


async def forward(call: Call) -> Answer:
    """The version alone is a folder."""
    return Answer(status=302, headers={"location": f"{call.root}/v2/"}, media_type="text/plain; charset=utf8")
