"""Sharing as a client sees it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.image.calls import Images, said
from tests.worlds import FOREIGN


async def test_an_image_is_shared_and_accepted(images: Images) -> None:
    id = await images.make("member", b"data")
    added = await images.call("POST", f"/images/{id}/members", {"member": FOREIGN}, "member")
    assert added.status_code == 200
    member = added.json()
    assert (member["member_id"], member["image_id"], member["status"]) == (FOREIGN, id, "pending")
    assert member["schema"] == "/v2/schemas/member"
    assert (await images.show(id, "foreign"))["id"] == id
    assert (await images.call("GET", f"/images/{id}/file", as_="foreign")).content == b"data"
    refused = await images.call("PUT", f"/images/{id}/members/{FOREIGN}", {"status": "accepted"}, "member")
    assert refused.status_code == 403
    assert "You are not authorized to complete modify_member action." in said(refused)
    accepted = await images.call("PUT", f"/images/{id}/members/{FOREIGN}", {"status": "accepted"}, "foreign")
    assert accepted.json()["status"] == "accepted"
    assert (await images.call("GET", f"/images/{id}/members", as_="member")).json() == {
        "members": [accepted.json()],
        "schema": "/v2/schemas/members",
    }
    assert (await images.call("GET", f"/images/{id}/members/{FOREIGN}", as_="foreign")).json() == accepted.json()
    assert (await images.call("DELETE", f"/images/{id}/members/{FOREIGN}", as_="foreign")).status_code == 403
    assert (await images.call("DELETE", f"/images/{id}/members/{FOREIGN}", as_="member")).status_code == 204
    assert (await images.call("GET", f"/images/{id}", as_="foreign")).status_code == 404
    again = await images.call("DELETE", f"/images/{id}/members/{FOREIGN}", as_="member")
    assert again.status_code == 404
    assert f"{FOREIGN} not found in the member list of the image {id}." in said(again)


async def test_a_member_sees_no_other(images: Images) -> None:
    id = await images.make("member")
    for member in (FOREIGN, "other"):
        await images.call("POST", f"/images/{id}/members", {"member": member}, "member")
    listed = (await images.call("GET", f"/images/{id}/members", as_="foreign")).json()["members"]
    assert [member["member_id"] for member in listed] == [FOREIGN]
    assert (await images.call("GET", f"/images/{id}/members/other", as_="foreign")).status_code == 404
    assert (await images.call("POST", f"/images/{id}/members", {"member": "x"}, "foreign")).status_code == 403


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "Member to be added not specified"),
        ({"member": ""}, "Member can't be empty"),
        ({"member": None}, "Member can't be empty"),
        ({"member": 5}, "Member must be a string"),
        ({"member": "x" * 256}, "Member must be a string"),
        ([], 'Expected a member in the form: {"member": "image_id"}'),
        (5, "Unexpected body type."),
    ],
)
async def test_a_body_that_names_no_member(images: Images, body: Any, words: str) -> None:
    id = await images.make("member")
    answer = await images.call("POST", f"/images/{id}/members", body, "member")
    assert answer.status_code == 400
    assert words in said(answer)


@pytest.mark.parametrize("body", [{}, {"status": 5}, {"status": None}, {"status": "maybe"}, {"status": []}, [], "x"])
async def test_a_body_that_answers_nothing(images: Images, body: Any) -> None:
    id = await images.make("member")
    await images.call("POST", f"/images/{id}/members", {"member": FOREIGN}, "member")
    answer = await images.call("PUT", f"/images/{id}/members/{FOREIGN}", body, "foreign")
    assert answer.status_code == 400


@pytest.mark.parametrize("visibility", ["public", "private", "community"])
async def test_only_shared_images_have_members(images: Images, visibility: str) -> None:
    id = await images.make("admin", visibility=visibility)
    for method, path, body, doing in (
        ("POST", "", {"member": "x"}, "create"),
        ("PUT", "/x", {"status": "accepted"}, "update"),
        ("DELETE", "/x", None, "delete"),
        ("GET", "", None, "list"),
    ):
        answer = await images.call(method, f"/images/{id}/members{path}", body)
        assert answer.status_code == 403
        assert f"Not allowed to {doing} members for image {id}" in said(answer)
    assert (await images.call("GET", f"/images/{id}/members/x")).status_code == 404


async def test_twice_is_a_conflict_and_129_are_too_many(images: Images) -> None:
    id = await images.make("member")
    for number in range(128):
        await images.call("POST", f"/images/{id}/members", {"member": f"m{number}"}, "member")
    twice = await images.call("POST", f"/images/{id}/members", {"member": "m1"}, "member")
    assert twice.status_code == 409
    assert f"Member m1 is duplicated for image {id}" in said(twice)
    more = await images.call("POST", f"/images/{id}/members", {"member": "m128"}, "member")
    assert more.status_code == 413
    assert "Attempted: 129, Maximum: 128" in said(more)
