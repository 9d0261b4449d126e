"""Consumers of the feed: what they are told, in what order, and what they cannot do."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from events.chronicle import JournalChronicle
from events.cloudevents import Told, told
from events.compute import flavor
from events.compute.flavor import CreateFlavor
from events.decider import Executor
from events.envelope import CLOUD
from events.epochs import close
from events.fold import Fold
from events.following import Following
from events.nats.feed_stream import STREAM, Behind, FeedStream
from events.nats.jetstream import JetStreamJournal
from events.nats.server import NatsServer
from events.nats.wire import Message, NoAnswer, Wire
from events.settings import Feed
from handlers.filling import Filler
from tests.waiting import PATIENCE, until

SETTINGS = Feed()
NAMES = ("metering", "other", "tenants")


def commit(number: int, owner: str | None = None) -> bytes:
    body: dict[str, Any] = {"id": f"c{number}", "at": "2026-01-01T00:00:00Z", "events": [{"type": "Thing"}]}
    return msgspec.json.encode(body | ({"owner": owner} if owner else {}))


def one(sequence: int, owner: str | None = None) -> Told:
    return told(sequence, f"ev.sample.thing.t{sequence}", commit(sequence, owner))


class Consumer:
    """A program that is told."""

    def __init__(self, wire: Wire, name: str, acknowledges: bool = True) -> None:
        self.wire = wire
        self.name = name
        self.heard: list[Message] = []
        self.acknowledges = acknowledges

    async def hear(self, message: Message) -> None:
        self.heard.append(message)
        if self.acknowledges:
            await self.wire.client.publish(message.reply, b"+ACK")

    async def listen(self) -> Consumer:
        self.subscription = await self.wire.listen(f"fed.{self.name}", self.hear)
        return self

    async def leave(self) -> None:
        await self.wire.unlisten(self.subscription)

    @property
    def sequences(self) -> list[int]:
        return [int(msgspec.json.decode(message.data)["id"]) for message in self.heard]


Enter = Callable[[str], Awaitable[Wire]]


@pytest.fixture
async def enter(server: NatsServer) -> AsyncIterator[Enter]:
    """Connections of consumers."""
    wires: list[Wire] = []
    await server.admit((), NAMES)

    async def make(name: str) -> Wire:
        wires.append(await Wire.connect([server.url], server.access.consumer(name)))
        return wires[-1]

    yield make
    for wire in wires:
        await wire.close()


@pytest.fixture
async def stream(wire: Wire, enter: Enter) -> FeedStream:
    """A stream that begins after the fifth commit, for all of NAMES."""
    feed = FeedStream(wire)
    assert await feed.last() is None
    for name in NAMES:
        await feed.admit(name, "p" if name == "tenants" else None, 5, SETTINGS)
    return feed


async def test_a_message_has_its_commits_sequence(stream: FeedStream, enter: Enter) -> None:
    assert await stream.last() == 5
    await stream.fill([one(6), one(7, "p")], "/cumulog")
    assert await stream.last() == 7
    metering = await Consumer(await enter("metering"), "metering").listen()
    await until(lambda: len(metering.heard) == 2)
    event = msgspec.json.decode(metering.heard[1].data)
    assert (event["specversion"], event["id"], event["type"]) == ("1.0", "7", "cumulog.sample.thing.Thing")
    assert event["data"]["id"] == "c7"
    assert (metering.heard[1].headers or {})["Content-Type"] == "application/cloudevents+json"


async def test_nothing_is_told_twice_nor_left_out(stream: FeedStream) -> None:
    await stream.fill([one(n) for n in range(6, 10)], "/cumulog")
    for wrong in ([one(9)], [one(6)], [one(11)], [one(12), one(10)]):
        with pytest.raises(Behind):
            await stream.fill(wrong, "/cumulog")
    assert await stream.last() in (9, 10)


async def test_a_consumer_of_a_project_hears_of_no_other(stream: FeedStream, enter: Enter) -> None:
    owners = {6: "p", 7: "q", 8: None, 9: "p"}
    await stream.fill([one(n, owner) for n, owner in owners.items()], "/cumulog")
    tenants = await Consumer(await enter("tenants"), "tenants").listen()
    everybody = await Consumer(await enter("metering"), "metering").listen()
    await until(lambda: len(everybody.heard) == 4)
    await asyncio.sleep(0.05)
    assert tenants.sequences == [6, 9]


async def unacknowledged(wire: Wire, name: str) -> int:
    """How many messages JetStream will tell a consumer again."""
    told: int = (await wire.api(f"CONSUMER.INFO.{STREAM}.{name}"))["num_ack_pending"]
    return told


async def test_what_was_not_acknowledged_is_told_again(stream: FeedStream, wire: Wire, enter: Enter) -> None:
    await stream.dismiss("other")
    await stream.admit("other", None, 5, Feed(patience=1))
    await stream.fill([one(6), one(7)], "/cumulog")
    first = await Consumer(await enter("other"), "other", acknowledges=False).listen()
    await until(lambda: len(first.heard) == 2)
    await first.wire.client.publish(first.heard[0].reply, b"+ACK")
    await first.leave()
    await stream.fill([one(8)], "/cumulog")
    second = await Consumer(await enter("other"), "other").listen()
    await until(lambda: len(second.heard) == 2)
    assert sorted(second.sequences) == [7, 8]
    while await unacknowledged(wire, "other"):
        await asyncio.sleep(0.01)


async def test_without_consumers_there_is_no_stream(stream: FeedStream) -> None:
    for name in NAMES:
        assert await stream.last() is not None
        await stream.dismiss(name)
    assert await stream.last() is None
    await stream.dismiss("metering")


async def test_whoever_fills_goes_on_where_another_was_killed(wire: Wire) -> None:
    journal = await JetStreamJournal.open(wire)
    fold = Fold([flavor])
    await fold.follow(journal)
    execute = Executor(journal, fold)
    made: list[str] = []

    async def make(number: int) -> None:
        for _ in range(number):
            made.append(str(len(made)))
            await execute(flavor, CreateFlavor(id=made[-1], name=made[-1], ram=1, disk=1, vcpus=1), CLOUD)

    await make(30)
    stream = FeedStream(wire)
    await stream.admit("metering", None, 10, SETTINGS)
    fillers = [Filler(Following(fold, JournalChronicle(journal)), stream, "/cumulog", look=0.02) for _ in range(3)]
    tasks = [asyncio.create_task(filler.run()) for filler in fillers]
    for task in tasks:  # each is killed in its turn, the last one goes on
        await make(10)
        await close(journal, fold)
        await make(10)
        async with asyncio.timeout(PATIENCE):
            while await stream.last() != await journal.last():
                await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    stored = [await _stored(wire, n) for n in range(11, await journal.last() + 1)]
    assert [event["id"] for event in stored] == [str(n) for n in range(11, await journal.last() + 1)]
    flavors = [event for event in stored if event["type"] == "cumulog.compute.flavor.FlavorCreated"]
    assert [event["subject"] for event in flavors] == made[10:]
    await fold.stop()


async def _stored(wire: Wire, sequence: int) -> Any:
    answer = await wire.api("STREAM.MSG.GET.FEED", {"seq": sequence})
    return msgspec.json.decode(b64decode(answer["message"]["data"]))


# What a consumer may not


async def test_a_consumer_may_hear_nothing_else(stream: FeedStream, wire: Wire, enter: Enter) -> None:
    journal = await JetStreamJournal.open(wire)
    spy = Consumer(await enter("other"), "metering")
    for subject in ("fed.metering", "fed.>", "feed.>", "ev.>", ">", "$JS.>", "$KV.>", "_INBOX.>", "assigned.>"):
        await spy.wire.listen(subject, spy.hear)
    metering = await Consumer(await enter("metering"), "metering").listen()
    await journal.append("ev.sample.thing.a", commit(1), expected=0)
    await stream.fill([one(6)], "/cumulog")
    await until(lambda: metering.heard)
    await asyncio.sleep(0.1)
    assert spy.heard == []


async def test_a_consumer_may_neither_append_nor_speak_to_jetstream(
    stream: FeedStream, wire: Wire, enter: Enter
) -> None:
    journal = await JetStreamJournal.open(wire)
    consumer = await enter("metering")
    for subject in (
        "ev.compute.server.a",
        "feed.p.compute.server.a",
        "fed.other",
        "report.h1",
        "assignments.h1",
        "query",
        "$KV.vault.a",
        "$JS.API.INFO",
        "$JS.API.STREAM.MSG.GET.JOURNAL_0001",
        "$JS.API.CONSUMER.MSG.NEXT.FEED.metering",
        "$JS.API.CONSUMER.CREATE.FEED.mine",
        "$JS.API.DIRECT.GET.JOURNAL_0001",
        "$JS.ACK.FEED.other.1.6.1.1.0",
        "$JS.ACK.JOURNAL_0001.x.1.1.1.1.0",
    ):
        with pytest.raises(NoAnswer):
            await consumer.request(subject, b"", timeout=0.05)
    assert await journal.last() == 0
    assert await stream.last() == 5


HARMFUL = (b"", b"+ACK", b"+NXT", b'+NXT {"batch": 5}', b"-NAK", b"+WPI", b"+TERM", b"ev")


@pytest.mark.parametrize("target", ["ev.compute.server.a", "$KV.vault.a", "feed.p.x.y.z", "fed.other", "report.h1"])
async def test_no_answer_to_a_consumer_is_led_anywhere(
    stream: FeedStream, wire: Wire, enter: Enter, target: str
) -> None:
    """JetStream answers an acknowledgement where the asker says: here, only ever in the consumer's own account."""
    journal = await JetStreamJournal.open(wire)
    await stream.fill([one(n) for n in range(6, 20)], "/cumulog")
    heard: list[Message] = []

    async def hear(message: Message) -> None:
        heard.append(message)

    for subject in ("ev.>", "$KV.>", "fed.other", "report.>"):
        await wire.listen(subject, hear)
    consumer = await Consumer(await enter("metering"), "metering", acknowledges=False).listen()
    await until(lambda: len(consumer.heard) == 14)
    for message, payload in zip(consumer.heard, HARMFUL, strict=False):
        await consumer.wire.client.publish(message.reply, payload, reply=target)
    for payload in HARMFUL:  # acknowledgements of what it never heard
        await consumer.wire.client.publish("$JS.ACK.FEED.metering.1.999.999.1.0", payload, reply=target)
    await consumer.wire.client.flush()
    await asyncio.sleep(0.15)
    assert [message.data for message in heard if b"specversion" not in message.data] == []
    assert await journal.last() == 0
    assert await stream.last() == 19


async def test_the_hole_is_there_without_an_account_of_its_own(stream: FeedStream, wire: Wire) -> None:
    """Planted: in the cloud's own account the same acknowledgement writes into the journal."""
    journal = await JetStreamJournal.open(wire)
    await stream.fill([one(6)], "/cumulog")
    consumer = await Consumer(wire, "metering", acknowledges=False).listen()
    await until(lambda: consumer.heard)
    await wire.client.publish(consumer.heard[0].reply, b"+ACK", reply="ev.compute.server.a")
    async with asyncio.timeout(PATIENCE):
        while await journal.last() != 1:
            await asyncio.sleep(0.01)
