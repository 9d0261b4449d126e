"""What NATS lets agents, gateways and handlers do, and what not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from events.journal import Unavailable
from events.nats.access import OTHERS, ROLES
from events.nats.assignments import Assignments, OwnAssignments
from events.nats.feed_stream import FeedStream
from events.nats.gateways import Gateways
from events.nats.jetstream import STREAM, JetStreamJournal
from events.nats.server import NatsServer
from events.nats.vault import NatsVault
from events.nats.wire import NoAnswer, Wire
from events.settings import Feed
from tests.events.conftest import on_one_and_on_three
from tests.events.test_assignments import WEB, Host
from tests.waiting import until

Connect = Callable[..., Awaitable[Wire]]


@on_one_and_on_three
async def test_an_agent_may_report_for_its_own_host_only(wire: Wire, connect: Connect) -> None:
    served: list[str] = []

    async def serve(subject: str, payload: bytes) -> bytes:
        served.append(subject)
        return b"taken"

    service = await wire.serve("report.*", "reports", serve)
    agent = await connect("h1")
    assert await agent.call("report.h1", b"") == b"taken"
    for subject in ("report.h2", "report.h1.more", "heartbeat.h2", "report.*"):
        with pytest.raises(NoAnswer):
            await agent.request(subject, b"", timeout=0.1)
    assert served == ["report.h1"]
    await service.stop()


@on_one_and_on_three
async def test_an_agent_may_read_its_own_assignments_only(connect: Connect, assignments: Assignments) -> None:
    await assignments.put("h2", "server", "secret", b"1", 1)
    agent, host = await connect("h1"), Host()
    own = await OwnAssignments.watch(agent, "h2", host.deliver)
    listening = [await agent.listen(subject, own._hear) for subject in ("assigned.>", "$KV.>", ">", "_INBOX.>")]
    owner = Host()
    other = await OwnAssignments.watch(await connect("h2"), "h2", owner.deliver)
    await other.caught_up()
    await assignments.put("h2", "server", "secret", b"2", 2)
    await until(lambda: owner.holds[("h2", "server", "secret")] == (2, b"2"))
    await agent.client.flush()  # what was said before has come as far as it comes
    assert host.heard == []
    for subscription in listening:
        await agent.unlisten(subscription)
    await own.stop()
    await other.stop()


@on_one_and_on_three
async def test_an_agent_may_not_speak_to_jetstream_nor_append(wire: Wire, connect: Connect) -> None:
    journal = await JetStreamJournal.open(wire)
    await Assignments.open(wire)
    agent = await connect("h1")
    for subject in ("ev.compute.server.a", "$JS.API.INFO", "$JS.API.STREAM.NAMES", "$KV.assignments.h1.server.a"):
        with pytest.raises(NoAnswer):
            await agent.request(subject, b"", timeout=0.1)
    assert await journal.last() == 0


@on_one_and_on_three
async def test_no_answer_to_an_agent_is_led_into_the_journal(wire: Wire, connect: Connect) -> None:
    """An answer goes wherever a question says. An agent's question comes from another account, which has no journal."""
    journal = await JetStreamJournal.open(wire)
    answered = asyncio.Event()

    async def serve(subject: str, payload: bytes) -> bytes:
        answered.set()
        return b"poison"

    service = await wire.serve("report.*", "reports", serve)
    agent = await connect("h1")
    for target in ("ev.compute.server.a", "$KV.vault.a", "report.h2"):
        answered.clear()
        await agent.client.publish("report.h1", b"", reply=target)
        async with asyncio.timeout(10.0):
            await answered.wait()
    await wire.client.flush()  # the answers have gone where they go
    assert await journal.last() == 0
    await service.stop()


async def may(wire: Wire, subject: str, data: bytes = b"{}") -> bool:
    """Whether anybody hears what is asked on a subject, or NATS keeps it from them."""
    try:
        await wire.request(subject, data, timeout=0.1)
    except NoAnswer:
        return False
    return True


async def test_gateways_and_handlers_may_append_but_take_no_stream_down(
    server: NatsServer, wire: Wire, assignments: Assignments, tmp_path: Path
) -> None:
    await NatsVault.open(wire, tmp_path)
    await Gateways.open(wire)
    await FeedStream(wire).admit("metering", None, 0, Feed())
    await JetStreamJournal.open(wire)
    assert set((await wire.api("STREAM.NAMES"))["streams"]) == {STREAM, *OTHERS}
    for role in ROLES:
        mine = await Wire.connect(server.urls, server.access.role(role))
        journal = await JetStreamJournal.open(mine)
        await journal.append("ev.compute.server.a", b"1", expected=await journal.last())
        for verb in ("DELETE", "PURGE", "UPDATE", "MSG.DELETE"):
            for name in OTHERS:
                assert not await may(mine, f"$JS.API.STREAM.{verb}.{name}")
            if role == "gateway" or verb in ("PURGE", "MSG.DELETE"):  # handlers end and drop epochs
                assert not await may(mine, f"$JS.API.STREAM.{verb}.{STREAM}")
        await mine.close()
    assert await may(wire, f"$JS.API.STREAM.UPDATE.{STREAM}")  # an operator's command may


async def test_a_gateway_may_neither_give_orders_nor_take_reports(
    server: NatsServer, connect: Connect, assignments: Assignments
) -> None:
    taken: list[str] = []

    async def take(subject: str, payload: bytes) -> bytes:
        taken.append(subject)
        return b""

    mine = await Wire.connect(server.urls, server.access.role("gateway"))
    orders = await Assignments.open(mine, deadline=0.3)
    with pytest.raises(Unavailable):
        await orders.put(*WEB, b"mine", 1)
    service = await mine.serve("report.*", "reports", take)
    assert not await may(await connect("h1"), "report.h1")
    assert taken == []
    await service.stop()
    await mine.close()
    theirs = await Wire.connect(server.urls, server.access.role("handlers"))
    assert await (await Assignments.open(theirs)).put(*WEB, b"theirs", 1)
    await theirs.close()
