"""Changes of images as JSON patches."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.image.store import ImageStore
from tests.gateway.image.calls import PATCH, Images, said
from tests.worlds import FOREIGN, world

OLD = "application/openstack-images-v2.0-json-patch"


def op(op: str, path: Any, *value: Any) -> dict[str, Any]:
    return {"op": op, "path": path, **({"value": value[0]} if value else {})}


async def test_a_patch_changes_fields_and_properties(images: Images) -> None:
    id = await images.make("member", a="1", b="2")
    answer = await images.patch(
        id,
        op("replace", "/name", "new"),
        op("remove", "/a"),
        op("add", "/a~1c", "3"),
        op("add", "/b", "4"),
        op("replace", "/tags", ["x", "y", "x"]),
        op("replace", "/os_hidden", True),
        as_="member",
    )
    assert answer.status_code == 200
    image = answer.json()
    assert (image["name"], image["b"], image["a/c"], image["tags"]) == ("new", "4", "3", ["x", "y"])
    assert "a" not in image
    assert image["os_hidden"] is True
    assert image == await images.show(id)


async def test_a_patch_of_version_2_0(images: Images) -> None:
    id = await images.make("member")
    data = json.dumps([{"replace": "/name", "value": "z"}, {"add": "/x", "value": "1"}, {"remove": "/x"}])
    answer = await images.send("PATCH", f"/images/{id}", data, "member", Content_Type=OLD)
    assert answer.status_code == 200
    assert answer.json()["name"] == "z"
    mixed = await images.send("PATCH", f"/images/{id}", '[{"op": "remove"}]', "member", Content_Type=OLD)
    assert 'exactly one member named "add", "remove", or "replace"' in said(mixed)


async def test_a_patch_of_another_media_type(images: Images) -> None:
    id = await images.make("member")
    answer = await images.send("PATCH", f"/images/{id}", b"[]", Content_Type="application/json")
    assert answer.status_code == 415
    assert answer.headers["accept-patch"] == f"{OLD}, {PATCH}"
    assert "The request media type application/json is not supported by this server." in said(answer)


@pytest.mark.parametrize(
    ("patch", "status", "words"),
    [
        ({}, 400, "must be a JSON array of operation objects"),
        ([5], 400, "Operations must be JSON objects."),
        ([{}], 400, "Unable to find `op`"),
        ([{"op": "add"}], 400, "Unable to find 'path'"),
        ([op("add", "/x")], 400, 'Operation "add" requires a member named "value".'),
        ([op("explode", "/x", 1)], 400, "Invalid operation: `explode`."),
        ([op("add", 5, "x")], 400, "Invalid JSON pointer"),
        ([op("add", "x", "x")], 400, 'Pointer `x` does not start with "/".'),
        ([op("add", "/x/", "x")], 400, 'Pointer `/x/` end with "/".'),
        ([op("add", "/x/y", "x")], 400, "Invalid JSON pointer for this resource: '/x/y'"),
        ([op("add", "/x~2", "x")], 400, "not part of a recognized escape sequence"),
        ([op("add", "/tags/-", "x")], 400, "Invalid JSON pointer"),
        ([op("add", "/x", 5)], 400, "5 is not of type 'string'"),
        ([op("add", "/x", None)], 400, "None is not of type 'string'"),
        ([op("replace", "/min_ram", -1)], 400, "Cannot be a negative value"),
        ([op("replace", "/visibility", "x")], 400, "'x' is not one of"),
        ([op("replace", "/visibility", "public")], 403, "publicize_image"),
        ([op("replace", "/owner", FOREIGN)], 403, "Owner can't be updated by non admin."),
        ([op("replace", "/status", "queued")], 403, "Attribute 'status' is read-only."),
        ([op("replace", "/id", "x")], 403, "Attribute 'id' is read-only."),
        ([op("replace", "/os_glance_x", "x")], 403, "Attribute 'os_glance_x' is reserved."),
        ([op("remove", "/name")], 403, "Property name may not be removed."),
        ([op("add", "/locations/-", {"url": "file:///etc/passwd", "metadata": {}})], 403, "locations are invisible"),
        ([op("remove", "/locations/0")], 403, "delete_image_location"),
        ([op("replace", "/nosuch", "x")], 409, "Property nosuch does not exist."),
        ([op("add", f"/p{n}", "x") for n in range(129)], 413, "image properties. Attempted: 129"),
        ([op("add", "/p", "x")] * 1001, 400, "1000 operation objects"),
    ],
)
async def test_a_patch_that_is_refused_changes_nothing(images: Images, patch: Any, status: int, words: str) -> None:
    id = await images.make("member")
    before = await images.show(id)
    answer = await images.call("PATCH", f"/images/{id}", patch, "member", Content_Type=PATCH)
    assert answer.status_code == status
    assert words in said(answer)
    assert await images.show(id) == before


async def test_an_admin_gives_an_image_away(images: Images) -> None:
    id = await images.make("member")
    assert (await images.patch(id, op("replace", "/owner", FOREIGN))).json()["owner"] == FOREIGN
    assert (await images.call("GET", f"/images/{id}", as_="member")).status_code == 404
    assert (await images.show(id, "foreign"))["owner"] == FOREIGN


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
PATHS = st.sampled_from(["/name", "/tags", "/min_ram", "/x", "/locations", "/locations/0", "/", "/owner", "/protected"])
OPERATIONS = st.fixed_dictionaries(
    {},
    optional={
        "op": st.sampled_from(["add", "replace", "remove", "test"]) | JSON,
        "path": PATHS | st.text(max_size=6).map(lambda text: "/" + text) | JSON,
        "value": JSON,
        "add": PATHS | JSON,
    },
)


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(OPERATIONS, max_size=3) | JSON, min_size=30, max_size=30), st.sampled_from([PATCH, OLD]))
async def test_whatever_a_patch_holds_it_is_done_or_refused(patches: list[Any], media_type: str) -> None:
    with TemporaryDirectory() as folder:
        store = ImageStore(Path(folder))
        async with world(parts=[store]) as w:
            images = Images(w, store)
            id = await images.make("member")
            for patch in patches:
                data = json.dumps(patch)
                answer = await images.send("PATCH", f"/images/{id}", data, "member", Content_Type=media_type)
                assert answer.status_code in (200, 400, 403, 409, 413), (patch, answer.text)
                assert (await images.call("GET", f"/images/{id}", as_="member")).status_code == 200
        store.close()
