"""Lists in pages: whoever follows the links meets everything once, in order; filters and sorting hold across pages."""

from __future__ import annotations

from secrets import token_hex
from typing import Any

import httpx
import pytest
from msgspec import Struct

from tests.contract.clouds import found
from tests.waiting import wait_until

COUNT = 5


class Collection(Struct, frozen=True):
    """A list, and how its members are made."""

    path: str
    key: str
    one: str  # what a body wraps a member in, if anything
    wish: dict[str, Any]
    status: int
    query: str  # the sorted list of those whose description or name holds `{name}`
    descending: str
    deleted: int = 204


COLLECTIONS = (
    Collection(
        "/network/v2.0/networks",
        "networks",
        "network",
        {"description": "{name}"},
        201,
        "description={name}&sort_key=name&sort_dir=asc",
        "description={name}&sort_key=name&sort_dir=desc",
    ),
    Collection(
        "/network/v2.0/security-groups",
        "security_groups",
        "security_group",
        {"description": "{name}"},
        201,
        "description={name}&sort_key=name&sort_dir=asc",
        "description={name}&sort_key=name&sort_dir=desc",
    ),
    Collection(
        "/image/v2/images",
        "images",
        "",
        {"kind": "{name}"},
        201,
        "kind={name}&sort=name:asc",
        "kind={name}&sort=name:desc",
    ),
    Collection(
        "/compute/v2.1/servers",
        "servers",
        "server",
        {"imageRef": "{image}", "flavorRef": "{flavor}", "networks": "none"},
        202,
        "name={name}&sort_key=display_name&sort_dir=asc",
        "name={name}&sort_key=display_name&sort_dir=desc",
    ),
    Collection(
        "/compute/v2.1/flavors",
        "flavors",
        "flavor",
        {"ram": 123456789, "vcpus": 1, "disk": 1},
        200,
        "minRam=123456789&sort_key=name&sort_dir=asc",
        "minRam=123456789&sort_key=name&sort_dir=desc",
        202,
    ),
)


@pytest.fixture(scope="module")
def parts(admin: httpx.Client) -> dict[str, str]:
    """What servers are made of."""
    name = f"p{token_hex(4)}"
    wish = {"name": name, "disk_format": "raw", "container_format": "bare"}
    image = found(admin.post("/image/v2/images", json=wish), 201)["id"]
    octets = {"Content-Type": "application/octet-stream"}
    found(admin.put(f"/image/v2/images/{image}/file", content=b"x" * 512, headers=octets), 204)
    flavor = {"name": name, "id": name, "ram": 64, "vcpus": 1, "disk": 1}
    found(admin.post("/compute/v2.1/flavors", json={"flavor": flavor}))
    return {"{image}": image, "{flavor}": name}


def following(answer: dict[str, Any], key: str) -> str | None:
    """The link to the next page, in whatever way the service gives it."""
    if "next" in answer:
        return f"/image{answer['next']}" if answer["next"].startswith("/v2/") else str(answer["next"])
    links = answer.get(f"{key}_links", [])
    return next((link["href"] for link in links if link["rel"] == "next"), None)


def walk(http: httpx.Client, collection: Collection, query: str) -> list[list[str]]:
    """The names on each page."""
    pages, url = [], f"{collection.path}?{query}"
    headers = {"OpenStack-API-Version": "compute 2.100"}
    while url:
        answer = found(http.get(url, headers=headers))
        pages.append([member["name"] for member in answer[collection.key]])
        url = following(answer, collection.key) or ""
        assert len(pages) < 20, "the pages have no end"
    return pages


@pytest.mark.parametrize("collection", COLLECTIONS, ids=lambda c: c.key)
def test_pages_hold_everything_once(
    admin: httpx.Client, parts: dict[str, str], name: str, collection: Collection
) -> None:
    names = [f"{name}-{number}" for number in range(COUNT)]
    headers = {"OpenStack-API-Version": "compute 2.100"}
    ids = []
    for one in names:
        wish = {key: {"{name}": name, **parts}.get(value, value) for key, value in collection.wish.items()}
        body = {"name": one, **wish}
        answer = admin.post(collection.path, json={collection.one: body} if collection.one else body, headers=headers)
        made = found(answer, collection.status)
        ids.append(made[collection.one]["id"] if collection.one else made["id"])
    ascending, descending = (query.format(name=name) for query in (collection.query, collection.descending))
    assert [one for page in walk(admin, collection, ascending) for one in page] == names
    pages = walk(admin, collection, f"{ascending}&limit=2")
    assert [one for page in pages for one in page] == names
    assert [len(page) for page in pages if page] == [2, 2, 1]
    assert [one for page in walk(admin, collection, f"{descending}&limit=2") for one in page] == names[::-1]
    after = walk(admin, collection, f"{ascending}&limit=2&marker={ids[2]}")
    assert [one for page in after for one in page] == names[3:]
    for id in ids:
        assert admin.delete(f"{collection.path}/{id}").status_code == collection.deleted
    wait_until(lambda: admin.get(f"{collection.path}/{ids[-1]}").status_code == 404)
    assert [one for page in walk(admin, collection, ascending) for one in page if one.startswith(name)] == []
