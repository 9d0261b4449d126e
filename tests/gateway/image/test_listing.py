"""Lists of images: who sees what, filters, order, pages."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.gateway.image.calls import Images, said
from tests.worlds import FOREIGN, PROJECT


async def some(images: Images) -> dict[str, str]:
    """Six images of PROJECT and others; their ids by name."""
    return {
        "a,1": await images.make("member", b"0123456789", name="a,1", tags=["x", "y"], own="bar", min_ram=5),
        "b": await images.make("member", name="b", visibility="private", tags=["x"], own="baz", disk_format="qcow2"),
        "c": await images.make("member", name="c", visibility="community"),
        "d": await images.make("foreign-admin", b"012", name="d", visibility="public"),
        "h": await images.make("member", name="h", os_hidden=True, protected=True),
        "t": await images.make("foreign", name="t", visibility="private"),
    }


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["d", "c", "b", "a,1"]),
        ("?name=b", ["b"]),
        ('?name=in:"a,1",b', ["b", "a,1"]),
        ("?name=in:a,b", ["b"]),
        ("?name=in:", []),
        ("?id=in:nosuch", []),
        ("?status=active", ["d", "a,1"]),
        ("?status=in:active,queued", ["d", "c", "b", "a,1"]),
        ("?status=bogus", []),
        ("?visibility=private", ["b"]),
        ("?visibility=community", ["c"]),
        ("?visibility=public", ["d"]),
        ("?visibility=shared", ["a,1"]),
        ("?visibility=all", ["d", "c", "b", "a,1"]),
        ("?visibility=", []),
        (f"?owner={PROJECT}", ["c", "b", "a,1"]),
        (f"?owner={FOREIGN}", ["d"]),
        ("?os_hidden=true", ["h"]),
        ("?os_hidden=True&protected=true", ["h"]),
        ("?protected=true", []),
        ("?tag=x", ["b", "a,1"]),
        ("?tag=x&tag=y", ["a,1"]),
        ("?size_min=4", ["a,1"]),
        ("?size_max=4", ["d"]),
        ("?size=10", ["a,1"]),
        ("?size=x", []),
        ("?min_ram=5", ["a,1"]),
        ("?disk_format=in:qcow2,iso", ["b"]),
        ("?container_format=bare&name=c", ["c"]),
        ("?checksum=781e5e245d69b566979b86e28d23f2c7", ["a,1"]),
        ("?os_hash_algo=sha512", ["d", "a,1"]),
        ("?virtual_size=3", ["d"]),
        ("?own=bar", ["a,1"]),
        ("?own=in:bar,baz", []),
        ("?nosuch=x", []),
        ("?deleted=true", ["d", "c", "b", "a,1"]),
        ("?created_at=gt:2020-01-01T00:00:00Z", ["d", "c", "b", "a,1"]),
        ("?created_at=lte:2020-01-01", []),
        ("?updated_at=neq:2020-01-01T00:00:00%2B01:00", ["d", "c", "b", "a,1"]),
        ("?created_at=2020-01-01T00:00:00Z", []),
        ("?sort=name", ["d", "c", "b", "a,1"]),
        ("?sort=name:asc", ["a,1", "b", "c", "d"]),
        ("?sort=size:desc,name:asc", ["a,1", "d", "b", "c"]),
        ("?sort_key=size&sort_key=name&sort_dir=asc&sort_dir=desc", ["c", "b", "d", "a,1"]),
        ("?sort_dir=asc", ["a,1", "b", "c", "d"]),
        ("?limit=2", ["d", "c"]),
        ("?limit=0", []),
        ("?limit=100000", ["d", "c", "b", "a,1"]),
    ],
)
async def test_a_list_holds_what_was_asked_for(images: Images, query: str, names: list[str]) -> None:
    await some(images)
    assert await images.names(query) == names


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("visibility=secret", "Invalid visibility value: secret"),
        ("member_status=x", "Invalid status: x"),
        ("os_hidden=x", "Invalid value 'x' for 'os_hidden' filter. Valid values are 'true' or 'false'."),
        ("protected=", "Invalid value '' for 'protected' filter."),
        ("size_min=x", "Unable to filter on a range with a non-numeric value."),
        ("created_at=xx:2020-01-01", "Unable to filter on a unknown operator."),
        ("updated_at=gt:nonsense", 'Bad "updated_at" query filter format. Use ISO 8601 DateTime notation.'),
        ("changes-since=2020-01-01", 'The "changes-since" filter is no longer available on v2.'),
        ('name=in:"a', "The quote is not closed."),
        ("limit=lots", "limit param must be an integer"),
        ("limit=-1", "limit param must be positive"),
        ("marker=nosuch", "No image found with ID nosuch"),
        ("sort_key=nosuch", "Invalid sort key: nosuch. It must be one of the following: name, status,"),
        ("sort=name:up", "Invalid sort direction: up"),
        ("sort=", "Invalid sort key: ."),
        ("sort=name:asc&sort_key=name", "Old and new sorting syntax cannot be combined"),
        ("sort_key=name&sort_dir=asc&sort_dir=desc", "Number of sort dirs does not match the number of sort keys"),
    ],
)
async def test_a_question_without_sense(images: Images, query: str, words: str) -> None:
    answer = await images.call("GET", f"/images?{query}", as_="member")
    assert answer.status_code == 400
    assert words in said(answer)


async def test_everyone_sees_their_own_and_the_public_ones(images: Images) -> None:
    await some(images)
    assert await images.names(as_="foreign") == ["t", "d"]
    assert await images.names("?visibility=community", "foreign") == ["c"]
    assert await images.names("?visibility=all", "foreign") == ["t", "d", "c"]
    assert await images.names(f"?visibility=private&owner={PROJECT}", "foreign") == []
    assert await images.names("?name=c", "foreign") == []
    assert await images.names(as_="foreign-admin") == ["t", "d", "b", "a,1"]
    assert await images.names("?visibility=private", "admin") == ["t", "b"]


async def test_shared_images_are_listed_once_accepted(images: Images) -> None:
    id = (await some(images))["a,1"]
    await images.call("POST", f"/images/{id}/members", {"member": FOREIGN}, "member")
    assert await images.names(as_="foreign") == ["t", "d"]
    assert await images.names("?member_status=pending", "foreign") == ["t", "d", "a,1"]
    assert await images.names("?member_status=all&visibility=shared", "foreign") == ["a,1"]
    await images.call("PUT", f"/images/{id}/members/{FOREIGN}", {"status": "accepted"}, "foreign")
    assert await images.names(as_="foreign") == ["t", "d", "a,1"]
    await images.patch(id, {"op": "replace", "path": "/visibility", "value": "private"}, as_="member")
    assert await images.names(as_="foreign") == ["t", "d"]


@pytest.mark.parametrize("as_", ["member", "admin"])
@pytest.mark.parametrize("order", ["", "&sort=name:asc", "&sort=status:asc,id:desc", "&sort_key=updated_at"])
async def test_pages_hold_every_image_once(images: Images, as_: str, order: str) -> None:
    for number in range(7):
        await images.make("member", name=f"i{number % 3}")
    whole = (await images.call("GET", f"/images?limit=1000{order}", as_=as_)).json()["images"]
    pages, url = [], f"/images?limit=3{order}"
    while url:
        answer = (await images.call("GET", url, as_=as_)).json()
        assert answer["first"] == "/v2/images?limit=3" + order.replace(":", "%3A").replace(",", "%2C")
        pages.append(answer["images"])
        url = answer.get("next", "").removeprefix("/v2")
    assert [image for page in pages for image in page] == whole
    assert [len(page) for page in pages] == [3, 3, 1]


async def test_a_marker_need_not_be_in_the_list(images: Images) -> None:
    ids = await some(images)
    assert await images.names(f"?sort=name:asc&status=active&marker={ids['b']}") == ["d"]
    forbidden = await images.call("GET", f"/images?marker={ids['t']}", as_="member")
    assert forbidden.status_code == 403
    assert f"Forbidding request, image {ids['t']} not visible" in said(forbidden)


async def test_a_page_has_25_images_unless_said_otherwise(images: Images) -> None:
    for _ in range(26):
        await images.make("member", name="n")
    answer = (await images.call("GET", f"/images?name={quote('n')}", as_="member")).json()
    assert len(answer["images"]) == 25
    assert answer["next"] == f"/v2/images?name=n&marker={answer['images'][-1]['id']}"
