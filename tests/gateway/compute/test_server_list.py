"""Lists of servers: filters, order, pages."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.compute.clouds import HOST, IMAGE, NOBODY, SERVERS, boot, bury, furnish, run
from tests.worlds import World, world


async def names(w: World, query: str, *, as_: str = "member", version: str = "2.100", path: str = SERVERS) -> list[str]:
    answer = await w.call("GET", f"{path}?{query}", as_=as_, version=version)
    assert answer.status_code == 200, answer.text
    return [one["name"] for one in answer.json()["servers"]]


async def three(w: World) -> list[str]:
    await furnish(w)
    return [await boot(w, name=name, tags=[name, "all"]) for name in ("one", "two", "three")]


async def test_the_newest_come_first() -> None:
    async with world() as w:
        await three(w)
        assert await names(w, "") == ["three", "two", "one"]
        assert await names(w, "sort_key=display_name&sort_dir=asc") == ["one", "three", "two"]
        assert await names(w, "sort_key=created_at&sort_dir=asc") == ["one", "two", "three"]


async def test_a_page_leads_to_the_next() -> None:
    async with world() as w:
        await three(w)
        answer = (await w.call("GET", f"{SERVERS}/detail?limit=2", as_="member")).json()
        assert [one["name"] for one in answer["servers"]] == ["three", "two"]
        following = (await w.call("GET", answer["servers_links"][0]["href"], as_="member")).json()
        assert [one["name"] for one in following["servers"]] == ["one"]
        assert "servers_links" not in following
        assert (await w.call("GET", f"{SERVERS}?limit=0", as_="member")).json() == {"servers": []}


async def test_filters_narrow() -> None:
    async with world() as w:
        ids = await three(w)
        await run(w, ids[0])
        assert await names(w, "name=t") == ["three", "two"]
        assert await names(w, "name=^t.*o$") == ["two"]
        assert await names(w, "status=ACTIVE") == ["one"]
        assert await names(w, "status=active&status=BUILD") == ["three", "two", "one"]
        assert await names(w, "tags=all,two") == ["two"]
        assert await names(w, "tags-any=one,two") == ["two", "one"]
        assert await names(w, "not-tags=two") == ["three", "one"]
        assert await names(w, "not-tags-any=one,two") == ["three"]
        assert await names(w, f"image={IMAGE}&flavor=1&name=one") == ["one"]
        assert await names(w, f"image={NOBODY}") == []
        assert await names(w, "changes-since=2026-01-01T00:00:00Z") == ["three", "two", "one"]
        assert await names(w, "changes-since=2100-01-01T00:00:00Z") == []
        assert await names(w, "locked=false") == ["three", "two", "one"]
        assert await names(w, f"host={HOST}", as_="admin") == ["one"]
        assert await names(w, "host=nosuch") == ["three", "two", "one"]
        assert await names(w, f"uuid={ids[1]}", as_="admin") == ["two"]


async def test_admins_see_all_projects_if_they_ask() -> None:
    async with world() as w:
        await three(w)
        assert await names(w, "", as_="foreign") == []
        assert await names(w, "", as_="foreign-admin") == []
        assert len(await names(w, "all_tenants=1", as_="foreign-admin")) == 3
        assert len(await names(w, "all_tenants", as_="foreign-admin")) == 3
        assert (await w.call("GET", f"{SERVERS}?all_tenants=1", as_="foreign")).status_code == 403


async def test_a_list_shows_what_has_changed_since_it_was_asked_for() -> None:
    async with world() as w:
        ids = await three(w)
        path = f"{SERVERS}/detail"
        first = (await w.call("GET", path, as_="member", version="2.100")).json()["servers"]
        assert first == (await w.call("GET", path, as_="member", version="2.100")).json()["servers"]
        await run(w, ids[0])
        assert [one["status"] for one in await _details(w, "member")] == ["BUILD", "BUILD", "ACTIVE"]
        assert "OS-EXT-SRV-ATTR:host" not in (await _details(w, "member"))[2]
        assert (await _details(w, "admin"))[2]["OS-EXT-SRV-ATTR:host"] == HOST
        old = (await w.call("GET", path, as_="member")).json()["servers"][2]
        assert old["flavor"]["id"] == "1"
        assert "server_groups" not in first[0]


async def _details(w: World, as_: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await w.call("GET", f"{SERVERS}/detail", as_=as_, version="2.100")).json()["servers"]
    return found


async def test_the_dead_are_not_listed() -> None:
    async with world() as w:
        ids = await three(w)
        await run(w, ids[0])
        await w.call("DELETE", f"{SERVERS}/{ids[0]}", as_="member")
        await bury(w, ids[0])
        assert await names(w, "") == ["three", "two"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("bogus=1", "'bogus' does not match any of the regexes: '^_'"),
        ("limit=-1", "'-1' does not match '^[0-9]*$'"),
        ("limit=x", "'x' does not match '^[0-9]*$'"),
        ("marker=nosuch", "marker [nosuch] not found"),
        ("sort_key=bogus", "'bogus' is not one of"),
        ("sort_key=created_at&sort_dir=x", "Unknown sort direction, must be 'desc' or 'asc'"),
        ("name=(", "'(' is not a 'regex'"),
        ("changes-since=x", "'x' is not a 'date-time'"),
        ("status=bogus", "Invalid status value"),
        ("all_tenants=xx", "Unrecognized value 'xx'"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(query: str, message: str) -> None:
    async with world() as w:
        answer = await w.call("GET", f"{SERVERS}?{query}", version="2.100")
        assert answer.status_code == 400
        assert message in answer.json()["badRequest"]["message"]


async def test_old_versions_overlook_what_they_do_not_know() -> None:
    async with world() as w:
        await three(w)
        assert await names(w, "bogus=1", version="2.74") == ["three", "two", "one"]
        assert await names(w, "status=bogus", version="2.37") == []
