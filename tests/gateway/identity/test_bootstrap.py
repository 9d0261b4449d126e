"""What a cloud begins with, and how a locked-out one is mended."""

from __future__ import annotations

import asyncio
from pathlib import Path

from events.decider import Executor
from events.fold import Fold
from events.identity import role as roles
from events.nats.jetstream import JetStreamJournal
from events.nats.server import NatsServer
from events.nats.wire import Wire
from events.services import SERVICES, deciders
from gateway.identity.bootstrap import bootstrap
from tests.gateway.identity.people import PASSWORD, SETTINGS, people
from tests.worlds import world


async def test_a_second_bootstrap_asks_nothing_of_the_journal() -> None:
    async with world() as w:
        assert await bootstrap(w.execute, SETTINGS, PASSWORD)
        before = await w.execute.journal.last()
        assert not await bootstrap(w.execute, SETTINGS, "another")
        assert await w.execute.journal.last() == before


async def test_several_gateways_may_begin_a_cloud_at_once(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "nats", sync="2m")
    await server.start()
    wires = [await Wire.connect([server.url], server.cloud) for _ in range(3)]
    doors = [Executor(await JetStreamJournal.open(wire), Fold(deciders())) for wire in wires]
    for door in doors:
        await door.fold.follow(door.journal)
    await asyncio.gather(*(bootstrap(door, SETTINGS, PASSWORD) for door in doors))
    last = await doors[0].journal.last()
    for door, wire in zip(doors, wires, strict=True):
        await door.fold.reach(last)
        names = {role.name for role in door.fold.all(roles)}
        assert names == {"admin", "manager", "member", "reader", "service"}
        await door.fold.stop()
        await wire.close()
    await server.stop()


async def test_a_cloud_begins_with_what_clients_expect(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        shown = (await them.call("GET", "/domains/default")).json()["domain"]
        assert (shown["name"], shown["description"]) == ("Default", "The default domain")
        names = {role.name: role for role in them.fold.all(roles)}
        assert set(names) == {"admin", "manager", "member", "reader", "service"}
        assert all(role.options == {"immutable": True} for role in names.values())
        assert names["admin"].implies == (names["manager"].id,)
        assert names["service"].implies == ()
        projects = (await them.call("GET", "/projects")).json()["projects"]
        assert {project["name"] for project in projects} == {"admin", "service"}
        services = (await them.call("GET", "/services")).json()["services"]
        assert {service["type"] for service in services} == {service.type for service in SERVICES}
        assert (await them.call("GET", "/auth/system")).json()["system"] == [{"all": True}]


async def test_a_locked_out_cloud_is_mended(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        admin = (await them.call("GET", "/users?name=admin")).json()["users"][0]["id"]
        project = (await them.call("GET", "/projects?name=admin")).json()["projects"][0]["id"]
        scope = {"project": {"id": project}}
        role = await them.role("admin")
        await them.call("DELETE", f"/system/users/{admin}/roles/{role}")
        await them.call("PATCH", f"/projects/{project}", {"project": {"enabled": False}})
        assert (await them.ask(admin, PASSWORD, scope)).status_code == 401
        await bootstrap(them.world.execute, SETTINGS, "new password")
        assert (await them.ask(admin, "new password", scope)).status_code == 401  # only what is missing
        await bootstrap(them.world.execute, SETTINGS, "new password", mend=True)
        assert (await them.ask(admin, PASSWORD, scope)).status_code == 401
        assert (await them.ask(admin, "new password", scope)).status_code == 201
        assert (await them.ask(admin, "new password", {"system": {"all": True}})).status_code == 201
