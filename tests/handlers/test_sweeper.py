"""What lies outside of the journal and is nobody's any more is taken away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from events.compute import server as servers
from events.compute.server import DeleteServer, ForgetServer, RequestServer
from events.decider import Executor
from events.envelope import CLOUD
from events.fold import Fold
from events.identity import credential as credentials
from events.identity.credential import CredentialCreated
from events.identity.record import Make
from events.journal import MemoryJournal
from events.nats.assignments import Assignments, MemoryAssignments
from events.nats.server import NatsServer
from events.nats.vault import MemoryVault, NatsVault
from events.nats.wire import Wire
from events.network import network as networks
from events.network import port as ports
from events.network import security_group as groups
from events.services import deciders
from handlers.network import groups as orders_of_groups
from handlers.orders import Orders
from handlers.sweeper import Sweeper
from tests.simulation.clouds import SMALL


@asynccontextmanager
async def cloud() -> AsyncIterator[tuple[Executor, MemoryVault, MemoryAssignments, Orders, Sweeper]]:
    journal, fold, vault = MemoryJournal(), Fold(deciders()), MemoryVault()
    await fold.follow(journal)
    execute, assignments = Executor(journal, fold), MemoryAssignments()
    orders = Orders(fold, assignments, [orders_of_groups])
    yield execute, vault, assignments, orders, Sweeper(execute, vault, orders)
    await fold.stop()


async def test_a_secret_of_nobody_is_deleted_at_the_second_look() -> None:
    async with cloud() as (execute, vault, _, _, sweeper):
        for name in ("user_data-s1", "user_data-s2", "other-s3", ("identity", "credential", "c1")):
            await vault.put(name, b"secret")
        await vault.put(("identity", "credential", "c2"), b"secret")
        ask = RequestServer(
            id="s1", project="p", user="u", name="s", hostname="s", size=SMALL, user_data="user_data-s1"
        )
        await execute(servers, ask, CLOUD)
        made = CredentialCreated(id="c", kind="cert", user="u", blob="c1")
        await execute(credentials, Make(id=made.id, made=made), CLOUD)
        await sweeper.look()
        assert len(await vault.keys()) == 5, "they may be put away for what is just being asked for"
        await sweeper.look()
        assert await vault.keys() == ["identity.credential.c1", "other-s3", "user_data-s1"]
        await execute(servers, DeleteServer(id="s1"), CLOUD)
        await execute(servers, ForgetServer(id="s1"), CLOUD)
        await sweeper.look()
        await sweeper.look()
        assert await vault.keys() == ["identity.credential.c1", "other-s3"]


async def test_a_groups_order_goes_when_no_port_of_the_host_needs_it_and_comes_again() -> None:
    async with cloud() as (execute, _, assignments, orders, sweeper):
        group = groups.CreateSecurityGroup(
            id="g",
            project="p",
            claim="c",
            name="web",
            description="",
            rules=(groups.Rule(id="r", project="p", claim="c", direction="ingress", remote_group_id="g"),),
        )
        await execute(groups, group, CLOUD)
        await execute(networks, networks.CreateNetwork(id="n", project="p", claim="c"), CLOUD)

        async def port(id: str, host: str) -> None:
            made = ports.CreatePort(
                id=id, project="p", claim="c", network="n", mac="fa:16:3e:00:00:01", host=host, security_groups=("g",)
            )
            await execute(ports, made, CLOUD)
            await orders._put_all(orders_of_groups, "g")

        await port("p1", "h1")
        await port("p2", "h2")
        await sweeper.look()
        assert sorted(await assignments.names("security_group")) == [("h1", "g"), ("h2", "g")]
        await execute(ports, ports.DeletePort(id="p1"), CLOUD)
        await orders._put_all(orders_of_groups, "g")
        await sweeper.look()
        assert await assignments.names("security_group") == [("h2", "g")]
        await port("p3", "h1")
        assert sorted(await assignments.names("security_group")) == [("h1", "g"), ("h2", "g")]


async def test_names_in_the_buckets_are_told(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "nats", sync="2m")
    await server.start()
    wire = await Wire.connect([server.url], server.cloud)
    assignments, vault = await Assignments.open(wire), await NatsVault.open(wire, tmp_path / "keys")
    await assignments.put("node.example.org", "security_group", "g 1", b"[]", 1)
    await assignments.put("node.example.org", "server", "s", msgspec.json.encode({}), 1)
    assert await assignments.names("security_group") == [("node.example.org", "g 1")]
    await vault.put(("identity", "credential", "c1"), b"secret")
    assert await vault.keys() == ["identity.credential.c1", "vault-canary"]
    await vault.delete_key("identity.credential.c1")
    assert await vault.get(("identity", "credential", "c1")) is None
    await wire.close()
    await server.stop()
