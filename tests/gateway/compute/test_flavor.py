"""Flavors as a client sees them."""

from __future__ import annotations

from tests.worlds import world

TINY = {"name": "m1.tiny", "ram": 512, "vcpus": 1, "disk": 1}


async def test_a_flavor_is_shaped_by_microversion() -> None:
    async with world() as w:
        made = await w.call("POST", "/compute/v2.1/flavors", {"flavor": TINY | {"id": None}}, version="2.61")
        assert made.status_code == 200, made.text
        id = made.json()["flavor"]["id"]
        assert made.json()["flavor"]["extra_specs"] == {}
        old = (await w.call("GET", f"/compute/v2.1/flavors/{id}")).json()["flavor"]
        assert "description" not in old
        assert old["swap"] == ""


async def test_a_flavor_of_an_old_version_has_no_description() -> None:
    async with world() as w:
        answer = await w.call("POST", "/compute/v2.1/flavors", {"flavor": TINY | {"description": "x"}}, version="2.54")
        assert answer.status_code == 400
        assert "description" in answer.json()["badRequest"]["message"]


async def test_refusals_are_in_the_services_own_format() -> None:
    async with world() as w:
        assert (await w.call("GET", "/compute/v2.1/flavors/nosuch")).json() == {
            "itemNotFound": {"code": 404, "message": "Flavor nosuch could not be found."}
        }
        assert (await w.call("POST", "/compute/v2.1/flavors", {"flavor": TINY}, as_="member")).status_code == 403
        assert (await w.call("GET", "/compute/v2.1/flavors/x", as_="nonsense")).status_code == 401
        assert (await w.call("PATCH", "/compute/v2.1/flavors/x")).status_code == 405
        assert (await w.call("GET", "/compute/v2.1/flavors/x", version="2.101")).status_code == 406
        assert (await w.call("GET", "/compute/nosuch")).status_code == 404
