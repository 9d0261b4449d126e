"""Which endpoints a project is given, and which policy document an endpoint has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.gateway.identity.people import People, demanding, people


async def place(them: People) -> tuple[str, str, str]:
    """A service with a public and an admin endpoint, in a region within another."""
    await them.make("region", id="above")
    await them.make("region", id="below", parent_region_id="above")
    service = (await them.make("service", type="thing"))["id"]
    ends = [
        (await them.make("endpoint", service_id=service, interface=kind, region_id="below", url="http://e/"))["id"]
        for kind in ("public", "admin")
    ]
    return service, ends[0], ends[1]


async def catalog(them: People, token: str) -> dict[str, list[str]]:
    found = (await them.call("GET", "/auth/catalog", token=token)).json()["catalog"]
    return {entry["type"]: [end["id"] for end in entry["endpoints"]] for entry in found}


async def test_the_catalog_of_a_project_has_what_it_was_given_or_all(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        service, public, admin = await place(them)
        _, project, token = await them.member()
        everything = await catalog(them, token)
        assert len(everything) > 1
        assert everything["thing"] == [public, admin]
        given = f"/OS-EP-FILTER/projects/{project['id']}"
        assert (await them.call("PUT", f"{given}/endpoints/{public}")).status_code == 204
        assert (await them.call("PUT", f"{given}/endpoints/{public}")).status_code == 409
        assert await catalog(them, token) == {"thing": [public]}
        wish = {"name": "admins", "filters": {"interface": "admin", "service_id": service}}
        group = (await them.call("POST", "/OS-EP-FILTER/endpoint_groups", {"endpoint_group": wish})).json()
        path = f"/OS-EP-FILTER/endpoint_groups/{group['endpoint_group']['id']}"
        assert (await them.call("PUT", f"{path}/projects/{project['id']}")).status_code == 204
        assert await catalog(them, token) == {"thing": [public, admin]}
        listed = (await them.call("GET", f"{given}/endpoints")).json()["endpoints"]
        assert [end["id"] for end in listed] == [public, admin]
        assert (await them.call("DELETE", f"{given}/endpoints/{public}")).status_code == 204
        assert await catalog(them, token) == {"thing": [admin]}
        assert (await them.call("DELETE", path)).status_code == 204
        assert await catalog(them, token) == everything
        assert (await them.call("PUT", f"{given}/endpoints/{public}", token=token)).status_code == 403


async def test_what_is_deleted_is_given_to_nobody_any_more(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        _, public, admin = await place(them)
        _, project, token = await them.member()
        for end in (public, admin):
            await them.call("PUT", f"/OS-EP-FILTER/projects/{project['id']}/endpoints/{end}")
        await them.call("DELETE", f"/endpoints/{public}")
        assert await catalog(them, token) == {"thing": [admin]}
        await them.call("DELETE", f"/endpoints/{admin}")
        assert len(await catalog(them, token)) > 1


async def test_the_nearest_policy_of_an_endpoint_holds(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        service, public, admin = await place(them)
        path = f"/endpoints/{public}/OS-ENDPOINT-POLICY/policy"
        assert (await them.call("GET", path)).status_code == 404
        near: list[str] = []
        for where in (
            f"services/{service}",
            f"services/{service}/regions/above",
            f"services/{service}/regions/below",
            f"endpoints/{public}",
        ):
            body: dict[str, Any] = {"policy": {"type": "text/plain", "blob": where}}
            made = (await them.call("POST", "/policies", body)).json()["policy"]["id"]
            association = f"/policies/{made}/OS-ENDPOINT-POLICY/{where}"
            assert (await them.call("GET", association)).status_code == 404
            assert (await them.call("PUT", association)).status_code == 204
            assert (await them.call("GET", association)).status_code == 204
            assert (await them.call("GET", path)).json()["policy"]["blob"] == where
            near.append(made)
            ends = (await them.call("GET", f"/policies/{made}/OS-ENDPOINT-POLICY/endpoints")).json()["endpoints"]
            assert [end["id"] for end in ends] == ([public] if where.startswith("endpoints") else [public, admin])
        assert (await them.call("DELETE", f"/policies/{near.pop()}")).status_code == 204
        assert (await them.call("GET", path)).json()["policy"]["id"] == near[-1]
        gone = f"/policies/{near[-1]}/OS-ENDPOINT-POLICY/services/{service}/regions/below"
        assert (await them.call("DELETE", gone)).status_code == 204
        assert (await them.call("GET", path)).json()["policy"]["id"] == near[-2]


async def test_who_was_given_no_endpoints_has_none_if_the_settings_say_so(tmp_path: Path) -> None:
    async with people(tmp_path, settings=demanding(return_all_endpoints_if_no_filter=False)) as them:
        _, public, _ = await place(them)
        _, project, token = await them.member()
        assert await catalog(them, token) == {}
        await them.call("PUT", f"/OS-EP-FILTER/projects/{project['id']}/endpoints/{public}")
        assert await catalog(them, token) == {"thing": [public]}
