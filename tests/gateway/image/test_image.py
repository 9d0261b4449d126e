"""Images as a client sees them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.image.calls import RAW, Images, said
from tests.worlds import FOREIGN, PROJECT

NOWHERE = "00000000-0000-0000-0000-000000000000"


async def test_a_new_image_is_queued_and_shared(images: Images) -> None:
    made = await images.call("POST", "/images", {"name": "n", "os_distro": "none", "tags": ["a", "a"]}, "member")
    assert made.status_code == 201
    image = made.json()
    assert made.headers["location"] == f"http://cloud.test/image/v2/images/{image['id']}"
    assert made.headers["openstack-image-import-methods"] == "glance-direct"
    assert made.headers["openstack-image-store-ids"] == "local"
    known = {name: image[name] for name in ("name", "os_distro", "tags", "status", "visibility", "owner", "size")}
    assert known == {
        "name": "n",
        "os_distro": "none",
        "tags": ["a"],
        "status": "queued",
        "visibility": "shared",
        "owner": PROJECT,
        "size": None,
    }
    assert image["file"] == f"/v2/images/{image['id']}/file"
    assert "stores" not in image
    assert (await images.call("GET", f"/images/{image['id']}", as_="reader")).json() == image


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"disk_format": "floppy"}, 400, "does not match schema 'image': 'floppy' is not one of [None, 'ami'"),
        ({"name": 5}, 400, "5 is not of type 'null', 'string'"),
        ({"name": "x" * 256}, 400, "is too long"),
        ({"id": "seven"}, 400, "'seven' does not match '^("),
        ({"min_ram": True}, 400, "True is not of type 'integer'"),
        ({"min_ram": -1}, 400, "Invalid value '-1' for parameter 'min_ram': Cannot be a negative value"),
        ({"min_disk": 2**31}, 400, "'min_disk' value out of range, must not exceed 2147483647."),
        ({"own": 5}, 400, "5 is not of type 'string'"),
        ({"own": "x" * 70_000}, 400, "65535 bytes"),
        ({"x" * 256: "y"}, 400, "Custom property should not be greater than 255 characters."),
        ({"tags": [5]}, 400, "5 is not of type 'string'"),
        ({"visibility": None}, 400, "None is not of type 'string'"),
        ({"status": "active"}, 403, "Attribute 'status' is read-only."),
        ({"size": 5}, 403, "Attribute 'size' is read-only."),
        ({"deleted": "x"}, 403, "Access was denied to this resource. Attribute 'deleted' is reserved."),
        ({"os_glance_x": "x"}, 403, "Attribute 'os_glance_x' is reserved."),
        ({"locations": []}, 403, "Attribute 'locations' is reserved."),
        ({"visibility": "public"}, 403, "You are not authorized to complete publicize_image action."),
        ({"owner": FOREIGN}, 403, f"You are not permitted to create images owned by '{FOREIGN}'"),
        ({f"p{n}": "v" for n in range(129)}, 413, "image properties. Attempted: 129, Maximum: 128"),
        ({"tags": [str(n) for n in range(129)]}, 413, "image tags. Attempted: 129, Maximum: 128"),
        ([], 400, "Unexpected body type."),
        (5, 400, "Unexpected body type. Expected list/dict."),
    ],
)
async def test_a_body_that_makes_no_image(images: Images, body: Any, status: int, words: str) -> None:
    answer = await images.call("POST", "/images", body, "member")
    assert answer.status_code == status
    assert words in said(answer)


async def test_a_body_that_is_no_json(images: Images) -> None:
    for data, words in ((b"nonsense", "Malformed JSON in request body."), (b"", "Body expected in request.")):
        answer = await images.send("POST", "/images", data, Content_Type="application/json")
        assert answer.status_code == 400
        assert words in said(answer)
    deep = await images.send("POST", "/images", b"[" * 100_000, Content_Type="application/json")
    assert deep.status_code == 400
    large = await images.send("POST", "/images", b'"' + b"x" * (1 << 20) + b'"', Content_Type="application/json")
    assert large.status_code == 413


async def test_errors_come_as_the_caller_reads_them(images: Images) -> None:
    page = await images.call("GET", f"/images/{NOWHERE}", Accept="*/*")
    assert page.headers["content-type"] == "text/html; charset=UTF-8"
    assert f"  No image found with ID {NOWHERE}<br /><br />" in page.text
    plain = await images.call("GET", f"/images/{NOWHERE}", Accept="")
    assert plain.headers["content-type"] == "text/plain; charset=UTF-8"
    assert plain.text.startswith("404 Not Found\n\nNo image found with ID")
    json = await images.call("GET", f"/images/{NOWHERE}", Accept="application/json")
    assert json.json()["code"] == "404 Not Found"
    unsafe = await images.call("GET", "/images/<b>x</b>", Accept="*/*")
    assert "<b>" not in unsafe.text


async def test_an_id_is_never_used_again(images: Images) -> None:
    id = await images.make(id=NOWHERE)
    assert id == NOWHERE
    assert (await images.call("DELETE", f"/images/{id}")).status_code == 204
    again = await images.call("POST", "/images", {"id": id})
    assert again.status_code == 409
    assert f"Image ID {id} already exists!" in said(again)


@pytest.mark.parametrize("visibility", ["private", "shared"])
async def test_the_image_of_another_project_is_not_there(images: Images, visibility: str) -> None:
    id = await images.make("member", b"data", visibility=visibility)
    for method, path, body in (
        ("GET", "", None),
        ("GET", "/file", None),
        ("DELETE", "", None),
        ("PUT", "/tags/x", None),
        ("DELETE", "/tags/x", None),
        ("GET", "/members", None),
        ("POST", "/members", {"member": FOREIGN}),
        ("PUT", f"/members/{FOREIGN}", {"status": "accepted"}),
        ("DELETE", f"/members/{FOREIGN}", None),
        ("POST", "/actions/deactivate", None),
        ("POST", "/actions/reactivate", None),
        ("POST", "/import", {"method": {"name": "glance-direct"}}),
        ("GET", "/tasks", None),
    ):
        answer = await images.call(method, f"/images/{id}{path}", body, "foreign")
        assert answer.status_code == 404, (method, path)
    for part in ("file", "stage"):
        assert (await images.send("PUT", f"/images/{id}/{part}", b"x", "foreign")).status_code == 404
    assert (await images.patch(id, as_="foreign")).status_code == 404


@pytest.mark.parametrize("visibility", ["public", "community"])
async def test_the_open_image_of_another_project_is_read_only(images: Images, visibility: str) -> None:
    id = await images.make("admin", b"data", visibility=visibility)
    assert (await images.show(id, "foreign"))["status"] == "active"
    assert (await images.call("GET", f"/images/{id}/file", as_="foreign")).content == b"data"
    rename = {"op": "replace", "path": "/name", "value": "mine"}
    refused = [
        await images.patch(id, rename, as_="foreign"),
        await images.call("DELETE", f"/images/{id}", as_="foreign"),
        await images.call("PUT", f"/images/{id}/tags/x", as_="foreign"),
        await images.send("PUT", f"/images/{id}/file", b"x", "foreign"),
        await images.call("POST", f"/images/{id}/actions/deactivate", as_="foreign"),
    ]
    assert [answer.status_code for answer in refused] == [403] * 5
    assert "You are not authorized to complete modify_image action." in said(refused[0])


async def test_a_reader_only_looks(images: Images) -> None:
    id = await images.make("member", b"data")
    refused = await images.call("POST", "/images", RAW, "reader")
    assert refused.status_code == 403
    assert "You are not authorized to complete add_image action." in said(refused)
    assert (await images.call("DELETE", f"/images/{id}", as_="reader")).status_code == 403
    assert (await images.call("GET", f"/images/{id}/file", as_="reader")).status_code == 403
    assert (await images.show(id, "reader"))["id"] == id
    assert (await images.call("GET", "/images", as_="unscoped")).status_code == 403
    assert (await images.call("GET", "/images", as_="nonsense")).status_code == 401


async def test_a_protected_image_stays(images: Images) -> None:
    id = await images.make("member", protected=True)
    refused = await images.call("DELETE", f"/images/{id}", as_="member")
    assert refused.status_code == 403
    assert f"Image {id} is protected and cannot be deleted." in said(refused)
    await images.patch(id, {"op": "replace", "path": "/protected", "value": False}, as_="member")
    assert (await images.call("DELETE", f"/images/{id}", as_="member")).status_code == 204
    again = await images.call("DELETE", f"/images/{id}", as_="member")
    assert again.status_code == 404
    assert f"Failed to find image {id} to delete" in said(again)


async def test_the_bytes_go_with_the_image(images: Images) -> None:
    id = await images.make("member", b"data")
    assert images.store.path(id) is not None
    await images.call("DELETE", f"/images/{id}", as_="member")
    assert images.store.path(id) is None
    assert images.store.listing() == ([], [])


async def test_tags_come_and_go(images: Images) -> None:
    id = await images.make("member", tags=["one"])
    for tag in ("two", "a b", "ü"):
        assert (await images.call("PUT", f"/images/{id}/tags/{tag}", as_="member")).status_code == 204
    assert (await images.call("DELETE", f"/images/{id}/tags/one", as_="member")).status_code == 204
    assert (await images.show(id))["tags"] == ["two", "a b", "ü"]
    assert (await images.call("DELETE", f"/images/{id}/tags/nine", as_="member")).status_code == 404
    assert (await images.call("PUT", f"/images/{id}/tags/{'x' * 256}", as_="member")).status_code == 400
    assert f"Image {NOWHERE} not found." in said(await images.call("PUT", f"/images/{NOWHERE}/tags/x"))


async def test_a_deactivated_image_is_read_by_admins_only(images: Images) -> None:
    id = await images.make("member", b"data")
    assert (await images.call("POST", f"/images/{id}/actions/deactivate", as_="member")).status_code == 204
    assert (await images.call("POST", f"/images/{id}/actions/deactivate", as_="member")).status_code == 204
    refused = await images.call("GET", f"/images/{id}/file", as_="member")
    assert refused.status_code == 403
    assert "The requested image has been deactivated." in said(refused)
    assert (await images.call("GET", f"/images/{id}/file")).content == b"data"
    assert (await images.call("POST", f"/images/{id}/actions/reactivate", as_="member")).status_code == 204
    assert (await images.call("GET", f"/images/{id}/file", as_="member")).content == b"data"
    queued = await images.make("member")
    refused = await images.call("POST", f"/images/{queued}/actions/deactivate", as_="member")
    assert refused.status_code == 403
    assert "Not allowed to deactivate image in status 'queued'" in said(refused)
    assert (await images.call("POST", f"/images/{id}/actions/deactivate", {"x": 1})).status_code == 400


async def test_discovery_needs_no_token(images: Images) -> None:
    http = images.world.http
    for path, status in (("/image", 300), ("/image/", 300), ("/image/versions", 200), ("/image/v9/images", 300)):
        answer = await http.get(path)
        assert answer.status_code == status
        current = [v for v in answer.json()["versions"] if v["status"] == "CURRENT"]
        assert current == [
            {
                "id": "v2.17",
                "status": "CURRENT",
                "links": [{"rel": "self", "href": "http://cloud.test/image/v2/"}],
            }
        ]
    assert (await http.get("/image/v2/images")).status_code == 401
    assert (await images.call("GET", "")).headers["location"] == "http://cloud.test/image/v2/"


async def test_what_there_is_not_is_said_clearly(images: Images) -> None:
    wrong = await images.call("DELETE", "/images")
    assert wrong.status_code == 405
    assert wrong.headers["allow"] == "GET, POST"
    assert "The method DELETE is not allowed for this resource." in said(wrong)
    assert (await images.call("GET", "/nosuch")).status_code == 404
    assert (await images.call("GET", "/schemas/nosuch")).status_code == 404


async def test_the_service_tells_of_itself(images: Images) -> None:
    methods = (await images.call("GET", "/info/import")).json()["import-methods"]
    assert methods["value"] == ["glance-direct"]
    assert (await images.call("GET", "/info/stores")).json() == {"stores": [{"id": "local", "default": "true"}]}
    assert (await images.call("GET", "/info/stores/detail", as_="member")).status_code == 403
    assert (await images.call("GET", "/info/stores/detail")).json()["stores"][0]["type"] == "file"
    assert (await images.call("GET", "/info/usage")).json() == {"usage": {}}
    for name in ("image", "images", "member", "members", "task", "tasks"):
        assert (await images.call("GET", f"/schemas/{name}")).json()["name"] == name
    assert (await images.call("GET", "/tasks")).json()["tasks"] == []
    assert (await images.call("GET", "/metadefs/namespaces")).json()["namespaces"] == []
    assert (await images.call("GET", "/cache")).status_code == 404
    id = await images.make(data=b"x")
    assert (await images.call("GET", f"/images/{id}/locations", as_="member")).status_code == 403
    assert (await images.call("GET", f"/images/{id}/locations")).json()[0]["metadata"] == {"store": "local"}
    location = {"url": "http://x/", "validation_data": {}}
    assert (await images.call("POST", f"/images/{id}/locations", location)).status_code == 403
    assert (await images.call("DELETE", f"/stores/local/{id}")).status_code == 403
    assert (await images.call("DELETE", f"/stores/other/{id}")).status_code == 409
