"""GETs as of former moments: what there was to see then, for who may see it now."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from events.chronicle import JournalChronicle, Snapshot
from events.clock import ManualClock
from events.compute import flavor as flavors
from events.compute import server as servers
from events.compute.flavor import CreateFlavor, GrantFlavorAccess, RevokeFlavorAccess
from events.compute.server import ChangeServer
from events.envelope import CLOUD
from events.refusals import Invalid
from events.services import deciders
from events.settings import Gateway, Settings
from gateway.consoles import Consoles
from gateway.identity.tokens import Tokens
from gateway.image.store import ImageStore
from gateway.past import PLACE, Past, answer
from projections.projector import Projector
from tests.events.test_moments import told
from tests.gateway.compute.clouds import IMAGE, SERVERS, boot, bury, furnish, run
from tests.gateway.network.calls import a_network
from tests.worlds import FOREIGN, PROJECT, World, faces, world

AS_OF = "X-Cumulog-As-Of"


async def then(w: World, moment: object, path: str, *, as_: str = "member", method: str = "GET") -> httpx.Response:
    return await w.call(method, path, as_=as_, version="2.100", **{AS_OF: str(moment)})


async def test_a_server_is_shown_as_it_was() -> None:
    async with world() as w:
        await furnish(w)
        id = await boot(w)
        asked = w.fold.position
        await run(w, id)
        await w.call("PUT", f"{SERVERS}/{id}", {"server": {"name": "renamed"}}, as_="member", version="2.100")
        before = await then(w, asked, f"{SERVERS}/{id}")
        assert before.status_code == 200
        assert before.headers[AS_OF] == str(asked)
        assert (before.json()["server"]["status"], before.json()["server"]["name"]) == ("BUILD", "web")
        ran = await then(w, asked + 2, f"{SERVERS}/{id}")
        assert (ran.json()["server"]["status"], ran.json()["server"]["name"]) == ("ACTIVE", "web")
        present = await w.call("GET", f"{SERVERS}/{id}", as_="member", version="2.100")
        assert present.json()["server"]["name"] == "renamed"
        assert AS_OF not in present.headers
        flavor = await then(w, asked, "/compute/v2.1/flavors/1", method="HEAD")
        assert (flavor.status_code, flavor.headers[AS_OF], flavor.content) == (200, str(asked), b"")
        missing = await then(w, asked - 1, f"{SERVERS}/{id}")
        assert missing.status_code == 404
        assert missing.headers[AS_OF] == str(asked - 1)


async def test_lists_and_what_is_deleted_by_now_are_as_they_were() -> None:
    async with world() as w:
        await furnish(w)
        first, second = await boot(w, name="first"), await boot(w, name="second")
        both = w.fold.position
        await w.call("DELETE", f"{SERVERS}/{first}", as_="member")
        await bury(w, first)
        listed = await then(w, both, f"{SERVERS}/detail")
        assert [server["name"] for server in listed.json()["servers"]] == ["second", "first"]
        assert [server["id"] for server in (await then(w, w.fold.position, SERVERS)).json()["servers"]] == [second]


async def test_a_time_and_an_age_name_a_moment_too() -> None:
    clock = ManualClock()
    async with world(clock=clock) as w:
        await furnish(w)
        clock.advance(100)
        id = await boot(w)
        asked = w.fold.position
        clock.advance(100)
        await run(w, id)
        clock.advance(10)
        when = clock.now() - timedelta(seconds=60)
        for moment in (when.isoformat(), "60s", asked):
            shown = await then(w, moment, f"{SERVERS}/{id}")
            assert shown.json()["server"]["status"] == "BUILD"
            assert shown.headers[AS_OF] == str(asked)


@pytest.mark.parametrize("moment", ["tomorrow", "", "0", "99999", "9999-01-01T00:00:00Z", "1970-01-01", "90000d"])
async def test_what_is_no_moment_of_the_cloud_is_refused(moment: str) -> None:
    async with world() as w:
        await furnish(w)
        assert (await then(w, moment, SERVERS)).status_code == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_the_past_cannot_be_changed(method: str) -> None:
    async with world() as w:
        await furnish(w)
        before = w.fold.position
        for path in (SERVERS, "/network/v2.0/networks", f"/image/v2/images/{IMAGE}", "/identity/v3/users"):
            refused = await w.call(method, path, {}, **{AS_OF: "1"})
            assert refused.status_code == 400
            assert "The past cannot be changed" in refused.text
        assert w.fold.position == before


async def test_rights_are_those_of_the_present() -> None:
    async with world() as w:
        await furnish(w)
        id = await boot(w)
        now = w.fold.position
        assert (await then(w, now, f"{SERVERS}/{id}", as_="foreign")).status_code == 404
        assert (await then(w, now, SERVERS, as_="foreign")).json()["servers"] == []
        assert (await then(w, now, f"{SERVERS}/{id}", as_="foreign-admin")).status_code == 200
        assert (await then(w, now, "/compute/v2.1/os-hypervisors", as_="member")).status_code == 403
        assert (await then(w, now, SERVERS, as_="stolen")).status_code == 401
        assert (await then(w, now, "/compute/v2.1/os-simple-tenant-usage", as_="reader")).status_code == 403


def _list(listed: dict[str, Any]) -> list[dict[str, Any]]:
    return next(value for value in listed.values() if isinstance(value, list))


async def publish(w: World, visibility: str) -> None:
    change = {"op": "replace", "path": "/visibility", "value": visibility}
    media = "application/openstack-images-v2.1-json-patch"
    changed = await w.call("PATCH", f"/image/v2/images/{IMAGE}", [change], **{"Content-Type": media})
    assert changed.status_code == 200, changed.text


async def test_what_is_not_shared_any_more_is_not_shown() -> None:
    async with world() as w:
        await furnish(w)
        id, subnet = await a_network(w, as_="admin", shared=True)
        await w.execute(flavors, CreateFlavor(id="private", name="p", ram=64, vcpus=1, disk=1, public=False), CLOUD)
        await w.execute(flavors, GrantFlavorAccess(id="private", project=FOREIGN), CLOUD)
        await publish(w, "public")
        shared = w.fold.position
        paths = [f"/network/v2.0/networks/{id}", f"/network/v2.0/subnets/{subnet}", f"/image/v2/images/{IMAGE}"]
        paths.append("/compute/v2.1/flavors/private")
        lists = [path.rpartition("/")[0] for path in paths]

        async def seen() -> list[list[int]]:
            shown = [(await then(w, shared, path, as_="foreign")).status_code for path in paths]
            found = [(await then(w, shared, path, as_="foreign")).json() for path in lists]
            ids = {path.rpartition("/")[2] for path in paths}
            return [shown, [sum(one["id"] in ids for one in _list(listed)) for listed in found]]

        assert await seen() == [[200] * 4, [1] * 4]
        await w.call("PUT", f"/network/v2.0/networks/{id}", {"network": {"shared": False}})
        await w.execute(flavors, RevokeFlavorAccess(id="private", project=FOREIGN), CLOUD)
        await publish(w, "private")
        assert await seen() == [[404] * 4, [0] * 4]
        assert [(await then(w, shared, path, as_="admin")).status_code for path in paths] == [200] * 4


async def test_a_secret_does_not_come_back() -> None:
    """User data of a server that is gone is gone from the vault: the past tells of it no more."""
    async with world() as w:
        await furnish(w)
        id = await boot(w, user_data="c2VjcmV0")
        there = w.fold.position
        name = "OS-EXT-SRV-ATTR:user_data"
        assert (await then(w, there, f"{SERVERS}/{id}", as_="admin")).json()["server"][name] == "c2VjcmV0"
        assert name not in (await then(w, there, f"{SERVERS}/{id}")).json()["server"]
        await w.call("DELETE", f"{SERVERS}/{id}", as_="member")
        await w.cloud.vault.delete(f"user_data-{id}")
        assert not (await then(w, there, f"{SERVERS}/{id}", as_="admin")).json()["server"][name]


async def test_the_histories_end_then() -> None:
    async with world() as w:
        await furnish(w)
        id = await boot(w)
        await run(w, id)
        ran = w.fold.position
        await w.call("DELETE", f"{SERVERS}/{id}", as_="member")
        await bury(w, id)

        async def actions(moment: int) -> list[str]:
            found = await then(w, moment, f"{SERVERS}/{id}/os-instance-actions")
            return [one["action"] for one in found.json()["instanceActions"]]

        assert await actions(ran) == ["create"]
        assert await actions(w.fold.position) == ["delete", "create"]


async def test_sql_is_answered_as_of_a_moment() -> None:
    async with world() as w:
        await furnish(w)
        await boot(w)
        one = w.fold.position
        await boot(w)
        chronicle, now, kinds = JournalChronicle(w.execute.journal), w.cloud.clock.now(), deciders()
        for moment, count in ((one, 1), (w.fold.position, 2), (2, 0)):
            sequence, found = await answer(chronicle, str(moment), now, kinds, "SELECT count(*) FROM compute_server")
            assert (sequence, found.rows) == (moment, [(count,)])
        with pytest.raises(Invalid, match="A single SELECT"):
            await answer(chronicle, "2", now, kinds, "DROP TABLE compute_server")


# Every service


def paths_of(w: World) -> list[tuple[str, bool]]:
    """Every GET of every service, of something that there is, and whether it has a past."""
    ids = {"project": PROJECT, "resource": "networks"}
    own = {kind: next(iter(w.fold.shelves[f"ev.{kind}"].live)) for kind in ("compute.server", "network.network")}
    found = []
    for face in faces():
        id = {"compute": own["compute.server"], "network": own["network.network"], "image": IMAGE}.get(
            face.name, PROJECT
        )
        for route in face.routes:
            if route.method == "GET":
                named = {**dict.fromkeys(re.findall(r"{(\w+)", route.path), id), **ids}
                path = route.path.replace(":path", "").format(**named)
                found.append((face.path + path, route.past and not route.public))
    return found


@pytest.fixture
async def full(tmp_path: Path) -> Any:
    """A cloud with something of everything that these tests make."""
    store = ImageStore(tmp_path / "images")
    async with world(parts=[store]) as w:
        w.cloud.parts.update({Tokens: object(), Consoles: object()})
        await furnish(w)
        await a_network(w)
        await run(w, await boot(w))
        yield w
    store.close()


@pytest.mark.parametrize("as_", ["admin", "member", "foreign", "unscoped"])
async def test_every_get_of_every_service_can_be_asked_of_the_past(full: World, as_: str) -> None:
    for path, has_past in paths_of(full):
        for moment in (full.fold.position, 2):
            past = await then(full, moment, path, as_=as_)
            assert past.status_code not in (500, 503), (path, past.text)
            if not has_past and past.status_code not in (401, 403):
                assert past.status_code == 400, path
                assert "has no past" in past.text


async def test_the_present_as_a_past_is_the_present(full: World) -> None:
    """As of the newest commit, every GET answers what it answers without the header, but for what the clock says."""
    await full.call("GET", "/network/v2.0/security-groups")  # which makes the default one
    now = str(full.fold.position)
    compared = 0
    for path, has_past in paths_of(full):
        if has_past and "usage" not in path and "actions" not in path:  # which ask tables; the present has none here
            present = await full.call("GET", path, as_="admin", version="2.100")
            past = await then(full, now, path, as_="admin")
            assert past.status_code == present.status_code, path
            if present.status_code == 200:
                compared += 1
                assert past.content == present.content, path
    assert compared > 50


# How worlds are made and kept


async def test_a_world_is_what_the_live_fold_was_and_shares_what_is_still_so() -> None:
    async with world() as w:
        dice = Random(5)
        await furnish(w)
        live: dict[int, tuple[datetime, str]] = {}
        ids: list[str] = []
        for _ in range(60):
            match dice.randrange(4):
                case 0 if len(w.fold.shelf(servers).known) < 9:
                    ids.append(await boot(w))
                case 1 if ids:
                    await run(w, ids[-1])
                case 2 if ids:
                    await w.execute(servers, ChangeServer(id=dice.choice(ids), name=f"n{dice.random()}"), CLOUD)
                case 3 if len(ids) > 2:
                    gone = ids.pop(0)
                    await w.call("DELETE", f"{SERVERS}/{gone}", as_="member")
                    await bury(w, gone)
            now = w.cloud.clock.now()
            live[w.fold.position] = (now, told(w.fold, now))
        past = w.cloud.part(Past)
        for sequence in dice.sample(sorted(live), 20):
            at, expected = live[sequence]
            async with past.cloud(str(sequence)) as then_:
                assert told(then_.fold, at) == expected
        async with past.cloud(str(w.fold.position)) as then_:
            for prefix, shelf in then_.fold.shelves.items():
                assert all(known is w.fold.shelves[prefix].known[key] for key, known in shelf.known.items())


async def test_worlds_are_made_one_at_a_time_and_too_many_may_not_wait() -> None:
    making, most = 0, 0

    class Slow(JournalChronicle):
        async def entries(self, after: int = 0, until: int | None = None, subject: str | None = None) -> Any:
            nonlocal making, most
            making, most = making + 1, max(most, making + 1)
            await asyncio.sleep(0.01)
            async for entry in super().entries(after, until, subject):
                yield entry
            making -= 1

    async with world(settings=Settings(gateway=Gateway(past_waiting=3))) as w:
        await furnish(w)
        w.cloud.put(Past(w.cloud, Slow(w.execute.journal)))
        asked = [then(w, moment, SERVERS) for moment in (1, 2, 3, 4, 5, 5, 5)]
        answers = await asyncio.gather(*asked)
        assert [answer.status_code for answer in answers].count(200) == 4
        refused = [answer for answer in answers if answer.status_code == 503]
        assert len(refused) == 3
        assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
        assert most == 1
        assert (await then(w, 5, SERVERS)).status_code == 200


async def test_the_worlds_that_are_kept_take_no_more_memory_than_set() -> None:
    async with world(settings=Settings(gateway=Gateway(past_memory=12 * PLACE))) as w:
        await furnish(w)
        for moment in range(1, w.fold.position + 1):
            assert (await then(w, moment, "/compute/v2.1/flavors")).status_code == 200
        past = w.cloud.part(Past)
        held = sum(len(shelf.known) for one in past._worlds.values() for shelf in one.fold.shelves.values())
        assert 1 < len(past._worlds) < w.fold.position
        assert held <= 12


async def test_a_world_made_from_a_snapshot_has_not_the_long_dead_whom_it_holds() -> None:
    clock = ManualClock()

    class Kept(JournalChronicle):
        """Has the states of all that ever was at one moment, as an archive does."""

        async def snapshot(self, at: int) -> Snapshot | None:
            return Snapshot(taken, [("ev.compute.server", known) for known in states]) if at >= taken else None

    async with world(clock=clock) as w:
        await furnish(w)
        dead, alive = await boot(w), await boot(w)
        await w.call("DELETE", f"{SERVERS}/{dead}", as_="member")
        await bury(w, dead)
        taken, states = w.fold.position, list(w.fold.shelf(servers).known.values())
        clock.advance(7200)
        await w.execute(servers, ChangeServer(id=alive, name="later"), CLOUD)
        past = Past(w.cloud, Kept(w.execute.journal))
        async with past.cloud(str(w.fold.position)) as then_:
            assert list(then_.fold.shelf(servers).known) == [alive]
            assert then_.fold.all(servers)[0].name == "later"
        async with past.cloud(str(taken)) as then_:
            assert set(then_.fold.shelf(servers).known) == {alive, dead}
        await past.stop()


async def test_a_world_that_is_too_large_is_refused() -> None:
    async with world(settings=Settings(gateway=Gateway(past_memory=PLACE))) as w:
        await furnish(w)
        refused = await then(w, w.fold.position, SERVERS)
        assert refused.status_code == 503
        assert "past_memory" in refused.text
        assert (await then(w, 1, SERVERS)).status_code == 200


async def test_others_are_answered_while_a_world_is_made() -> None:
    """It is made some milliseconds at a time."""
    async with world() as w:
        await furnish(w)
        id = await boot(w)
        for number in range(2_000):
            await w.execute(servers, ChangeServer(id=id, name=f"name-{number}"), CLOUD)
        making = asyncio.create_task(then(w, w.fold.position, SERVERS))
        answered = 0
        while not making.done():
            assert (await w.call("GET", f"{SERVERS}/{id}")).status_code == 200
            answered += 1
            await asyncio.sleep(0)
        assert making.result().status_code == 200
        assert answered > 5


async def test_tables_of_worlds_leave_nothing_behind(tmp_path: Path) -> None:
    async with world() as w:
        await furnish(w)
        past = Past(w.cloud, JournalChronicle(w.execute.journal), tmp_path)
        async with past.cloud("3") as cloud:
            assert await cloud.part(Projector).ask("SELECT count(*) FROM compute_flavor") == [(1,)]
            assert list(tmp_path.iterdir()) != []
        await past.stop()
        assert list(tmp_path.iterdir()) == []
