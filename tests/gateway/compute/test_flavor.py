"""Flavors as a client sees them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.worlds import FOREIGN, PROJECT, World, world

TINY = {"name": "m1.tiny", "ram": 512, "vcpus": 1, "disk": 1}
FLAVORS = "/compute/v2.1/flavors"


async def made(w: World, version: str = "2.100", **changes: Any) -> str:
    answer = await w.call("POST", FLAVORS, {"flavor": {**TINY, **changes}}, version=version)
    assert answer.status_code == 200, answer.text
    id: str = answer.json()["flavor"]["id"]
    return id


async def test_a_flavor_is_shaped_by_microversion() -> None:
    async with world() as w:
        id = await made(w, "2.61", id=None)
        assert (await w.call("GET", f"{FLAVORS}/{id}", version="2.61")).json()["flavor"]["extra_specs"] == {}
        old = (await w.call("GET", f"{FLAVORS}/{id}")).json()["flavor"]
        assert "description" not in old
        assert old["swap"] == ""
        assert (await w.call("GET", f"{FLAVORS}/{id}", version="2.75")).json()["flavor"]["swap"] == 0


async def test_a_flavor_of_an_old_version_has_no_description() -> None:
    async with world() as w:
        answer = await w.call("POST", FLAVORS, {"flavor": TINY | {"description": "x"}}, version="2.54")
        assert answer.status_code == 400
        assert "description" in answer.json()["badRequest"]["message"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ram": 0}, "0 is less than the minimum of 1"),
        ({"ram": "x"}, "'x' does not match '^[0-9]+$'"),
        ({"ram": 2147483648}, "is greater than the maximum of 2147483647"),
        ({"ram": 1.5}, "1.5 is not of type 'integer', 'string'"),
        ({"disk": -1}, "-1 is less than the minimum of 0"),
        ({"id": " a"}, "' a' does not match"),
        ({"name": " a"}, "Can not start or end with whitespace"),
        ({"os-flavor-access:is_public": "x"}, "'x' is not one of [True"),
        ({"bogus": 1}, "Additional properties are not allowed ('bogus' was unexpected)"),
    ],
)
async def test_a_flavor_that_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    async with world() as w:
        answer = await w.call("POST", FLAVORS, {"flavor": {**TINY, **changes}})
        assert answer.status_code == 400
        assert message in answer.json()["badRequest"]["message"]


async def test_numbers_may_be_text() -> None:
    async with world() as w:
        id = await made(w, ram="64", rxtx_factor="2.0")
        flavor = (await w.call("GET", f"{FLAVORS}/{id}")).json()["flavor"]
        assert (flavor["ram"], flavor["rxtx_factor"]) == (64, 2.0)


async def test_names_and_ids_are_unique() -> None:
    async with world() as w:
        await made(w, id="1")
        again = await w.call("POST", FLAVORS, {"flavor": TINY})
        assert again.json()["conflictingRequest"]["message"] == "Flavor with name m1.tiny already exists."
        again = await w.call("POST", FLAVORS, {"flavor": TINY | {"id": "1", "name": "other"}})
        assert again.json()["conflictingRequest"]["message"] == "Flavor with ID 1 already exists."


async def test_flavors_are_listed_by_id_and_page_by_page() -> None:
    async with world() as w:
        for number in (3, 1, 2):
            await made(w, id=str(number), name=f"f{number}", ram=number * 100)
        assert await ids(w, "") == ["1", "2", "3"]
        assert await ids(w, "minRam=200") == ["2", "3"]
        assert await ids(w, "sort_key=memory_mb&sort_dir=desc") == ["3", "2", "1"]
        page = (await w.call("GET", f"{FLAVORS}/detail?limit=2")).json()
        assert page["flavors_links"][0]["href"] == f"http://cloud.test{FLAVORS}/detail?limit=2&marker=2"
        assert await ids(w, "limit=2&marker=2") == ["3"]
        for wrong in ("minRam=x", "is_public=x", "limit=x", "marker=nosuch", "sort_key=ram", "sort_dir=x", "bogus=1"):
            assert (await w.call("GET", f"{FLAVORS}?{wrong}", version="2.75")).status_code == 400, wrong


async def ids(w: World, query: str, as_: str = "admin") -> list[str]:
    return [one["id"] for one in (await w.call("GET", f"{FLAVORS}?{query}", as_=as_)).json()["flavors"]]


async def test_a_private_flavor_is_for_those_who_have_access() -> None:
    async with world() as w:
        private: dict[str, Any] = {"os-flavor-access:is_public": False}
        id = await made(w, **private)
        assert await ids(w, "is_public=None") == [id]
        assert await ids(w, "") == []
        assert await ids(w, "", "member") == []
        assert (await w.call("GET", f"{FLAVORS}/{id}", as_="member")).status_code == 404
        grant = {"addTenantAccess": {"tenant": PROJECT}}
        answer = await w.call("POST", f"{FLAVORS}/{id}/action", grant)
        assert answer.json() == {"flavor_access": [{"flavor_id": id, "tenant_id": PROJECT}]}
        assert (await w.call("POST", f"{FLAVORS}/{id}/action", grant)).status_code == 409
        assert await ids(w, "", "member") == [id]
        assert await ids(w, "", "foreign") == []
        nobody = await w.call("POST", f"{FLAVORS}/{id}/action", {"addTenantAccess": {"tenant": FOREIGN}})
        assert nobody.json()["badRequest"]["message"] == f"Project ID {FOREIGN} is not a valid project."
        revoke = {"removeTenantAccess": {"tenant": PROJECT}}
        assert (await w.call("POST", f"{FLAVORS}/{id}/action", revoke)).json() == {"flavor_access": []}
        assert (await w.call("POST", f"{FLAVORS}/{id}/action", revoke)).status_code == 404
        wrong: Any
        for wrong in ({}, {"x": {}}, {"addTenantAccess": {}}, {"addTenantAccess": None}):
            assert (await w.call("POST", f"{FLAVORS}/{id}/action", wrong)).status_code == 400


async def test_extra_specs_are_read_and_changed() -> None:
    async with world() as w:
        here = f"{FLAVORS}/{await made(w)}/os-extra_specs"
        assert (await w.call("POST", here, {"extra_specs": {"a": "b"}})).json() == {"extra_specs": {"a": "b"}}
        assert (await w.call("PUT", f"{here}/a", {"a": "c"})).json() == {"a": "c"}
        assert (await w.call("PUT", f"{here}/a", {"b": "c"})).status_code == 400
        assert (await w.call("PUT", f"{here}/a", {})).status_code == 400
        assert (await w.call("GET", f"{here}/a", as_="member")).json() == {"a": "c"}
        assert (await w.call("POST", here, {"extra_specs": {"a/b": "1"}})).status_code == 400
        assert (await w.call("DELETE", f"{here}/a")).status_code == 200
        assert (await w.call("DELETE", f"{here}/a")).status_code == 404
        wrong = {"extra_specs": {"hw:cpu_policy": "nonsense"}}
        answer = await w.call("POST", here, wrong, version="2.86")
        assert answer.json()["badRequest"]["message"] == (
            "Validation failed; 'nonsense' is not one of: dedicated, shared, mixed."
        )
        assert (await w.call("POST", here, wrong, version="2.85")).status_code == 200


async def test_a_description_is_changed() -> None:
    async with world() as w:
        id = await made(w)
        changed = await w.call("PUT", f"{FLAVORS}/{id}", {"flavor": {"description": "x"}}, version="2.55")
        assert changed.json()["flavor"]["description"] == "x"
        assert (await w.call("PUT", f"{FLAVORS}/{id}", {"flavor": {}}, version="2.55")).status_code == 400
        assert (await w.call("PUT", f"{FLAVORS}/{id}", {"flavor": {}}, version="2.54")).status_code == 404


async def test_refusals_are_in_the_services_own_format() -> None:
    async with world() as w:
        assert (await w.call("GET", f"{FLAVORS}/nosuch")).json() == {
            "itemNotFound": {"code": 404, "message": "Flavor nosuch could not be found."}
        }
        assert (await w.call("POST", FLAVORS, {"flavor": TINY}, as_="member")).status_code == 403
        assert (await w.call("GET", f"{FLAVORS}/x", as_="nonsense")).status_code == 401
        assert (await w.call("PATCH", f"{FLAVORS}/x")).status_code == 405
        assert (await w.call("GET", f"{FLAVORS}/x", version="2.101")).status_code == 406
        assert (await w.call("GET", "/compute/nosuch")).status_code == 404
