"""What can befall a journal on NATS: lost acknowledgements, killed servers, broken connections, a wrong stream."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from events.compute import flavor
from events.decider import Executor
from events.envelope import CLOUD
from events.fold import Fold
from events.journal import Entry, Stale, Unavailable
from events.nats.jetstream import STREAM, JetStreamJournal
from events.nats.server import MAX_PAYLOAD, NatsServer
from events.nats.streams import CONFIG, UnsafeJournal
from events.nats.tail import JetStreamTail
from events.nats.wire import Message, Wire
from events.refusals import Conflict, TooLarge
from tests.events.proxy import Proxy
from tests.waiting import until

A = "ev.compute.server.a"
Connect = Callable[..., Awaitable[Wire]]


async def kill(server: NatsServer) -> None:
    """As the machine's memory would end it; its watcher starts it again."""
    child = server._child
    assert child is not None
    os.kill(child.pid, signal.SIGKILL)
    await child.wait()


async def fill(journal: JetStreamJournal, subject: str, count: int) -> None:
    """Entries quickly, without acknowledgements: `{}` is replaced by a number."""
    before = await journal.last()
    for n in range(count):
        await journal.wire.client.publish(subject.format(n), b"%d" % n)
        if n % 1000 == 999:
            await journal.wire.client.flush()
    while await journal.last() < before + count:
        await asyncio.sleep(0.005)


@pytest.fixture
async def journal(wire: Wire) -> JetStreamJournal:
    return await JetStreamJournal.open(wire)


# Lost acknowledgements


@pytest.mark.parametrize("others", [0, 1, 3])
async def test_a_lost_acknowledgement_is_made_good(
    connect: Connect, journal: JetStreamJournal, proxy: Proxy, others: int
) -> None:
    far = JetStreamJournal(await connect(url=proxy.url))
    known = await journal.append(A, b"before", expected=0)
    proxy.deaf = True
    append = asyncio.create_task(far.append(A, b"mine", expected=known))
    while await journal.last() < 2:
        await asyncio.sleep(0.002)
    for n in range(others):
        await journal.append(A, b"other", expected=2 + n)
    assert not append.done()
    proxy.deaf = False
    await proxy.cut()
    assert await append == 2
    assert [entry.data for entry in await journal.of(A)] == [b"before", b"mine", *[b"other"] * others]


async def test_a_write_that_was_not_taken_is_stale_after_a_reconnect(
    connect: Connect, journal: JetStreamJournal, proxy: Proxy
) -> None:
    far = JetStreamJournal(await connect(url=proxy.url))
    await journal.append(A, b"other", expected=0)
    proxy.deaf = True
    append = asyncio.create_task(far.append(A, b"mine", expected=0))
    await asyncio.sleep(0.05)
    proxy.deaf = False
    await proxy.cut()
    with pytest.raises(Stale) as stale:
        await append
    assert stale.value.sequence == 1


async def test_an_append_outlasts_a_killed_server(server: NatsServer, journal: JetStreamJournal) -> None:
    await kill(server)
    assert await journal.append(A, b"1", expected=0) == 1
    await kill(server)
    assert await journal.append(A, b"2", expected=1) == 2
    assert await journal.last() == 2


async def test_nothing_acknowledged_is_lost_and_nothing_is_doubled_over_kills(
    server: NatsServer, connect: Connect, journal: JetStreamJournal
) -> None:
    dice = random.Random(7)
    heard: list[Entry] = []
    tail = await JetStreamJournal(await connect()).tail(0, heard.append)
    acknowledged: dict[int, bytes] = {}

    async def write(writer: int) -> None:
        subject, known = f"ev.compute.server.{writer}", 0
        for n in range(60):
            data = b"%d %d" % (writer, n)
            known = await journal.append(subject, data, expected=known)
            acknowledged[known] = data

    async def murder() -> None:
        for _ in range(3):
            await asyncio.sleep(0.01 + dice.random() / 20)
            await kill(server)
            await until(lambda: server._child and server._child.returncode is None and journal.wire.is_connected)

    await asyncio.gather(murder(), *(write(writer) for writer in range(8)))
    await until(lambda: len(heard) >= 480)
    await asyncio.sleep(0.05)
    assert [entry.sequence for entry in heard] == list(range(1, 481))
    assert {entry.sequence: entry.data for entry in heard} == acknowledged
    await tail.stop()


async def test_two_processes_share_the_one_door(connect: Connect, journal: JetStreamJournal) -> None:
    doors = []
    for _ in range(2):
        fold = Fold([flavor])
        own = JetStreamJournal(await connect())
        await fold.follow(own)
        doors.append(Executor(own, fold))
    for n in range(20):
        wish = flavor.CreateFlavor(id=str(n), name=f"f{n}", ram=64, vcpus=1, disk=1)
        outcomes = await asyncio.gather(*(door(flavor, wish, CLOUD) for door in doors), return_exceptions=True)
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "Outcome"]
    with pytest.raises(Conflict):
        await doors[0](flavor, wish, CLOUD)
    assert await journal.last() == 20
    assert doors[0].fold.all(flavor) == doors[1].fold.all(flavor)
    for door in doors:
        await door.fold.stop()


# Away and wrong


async def test_without_a_server_an_append_is_given_up_at_the_deadline(server: NatsServer, wire: Wire) -> None:
    journal = await JetStreamJournal.open(wire, deadline=0.2)
    await server.stop()
    with pytest.raises(Unavailable):
        await journal.append(A, b"1", expected=0)
    with pytest.raises(Unavailable):
        await journal.last()
    with pytest.raises(Unavailable):
        await journal.of(A)


async def test_a_stream_that_takes_nothing_is_unavailable(wire: Wire, journal: JetStreamJournal) -> None:
    await wire.api(f"STREAM.UPDATE.{STREAM}", {**CONFIG, "num_replicas": 1, "sealed": True})
    with pytest.raises(Unavailable, match="sealed"):
        await journal.append(A, b"1", expected=0)


async def test_what_is_too_large_is_refused(journal: JetStreamJournal) -> None:
    with pytest.raises(TooLarge):
        await journal.append(A, bytes(MAX_PAYLOAD + 1), expected=0)
    assert await journal.append(A, bytes(MAX_PAYLOAD - 1000), expected=0) == 1
    assert len((await journal.of(A))[0].data) == MAX_PAYLOAD - 1000


@pytest.mark.parametrize(
    "wrong", [{"max_age": 10**12}, {"deny_purge": False}, {"allow_msg_ttl": True}, {"max_msgs_per_subject": 5}]
)
async def test_a_stream_that_could_lose_entries_is_refused(wire: Wire, wrong: dict[str, Any]) -> None:
    await wire.api(f"STREAM.CREATE.{STREAM}", {**CONFIG, **wrong})
    with pytest.raises(UnsafeJournal, match=next(iter(wrong))):
        await JetStreamJournal.open(wire)


async def test_the_journal_is_opened_again_as_it_is(wire: Wire, journal: JetStreamJournal) -> None:
    await journal.append(A, b"1", expected=0)
    assert await (await JetStreamJournal.open(wire)).last() == 1


async def test_a_journal_that_was_there_is_not_begun_anew(wire: Wire) -> None:
    with pytest.raises(Unavailable, match="has had one"):
        await JetStreamJournal.open(wire, is_new=False)
    assert (await wire.api("STREAM.NAMES"))["streams"] is None
    await JetStreamJournal.open(wire)
    assert await (await JetStreamJournal.open(wire, is_new=False)).last() == 0


async def test_nothing_is_deleted(wire: Wire, journal: JetStreamJournal) -> None:
    await journal.append(A, b"1", expected=0)
    for verb, body in (("STREAM.PURGE", {}), ("STREAM.MSG.DELETE", {"seq": 1})):
        answer = msgspec.json.decode((await wire.request(f"$JS.API.{verb}.{STREAM}", msgspec.json.encode(body))).data)
        assert "error" in answer
    assert await journal.last() == 1


# Asking for the newest sequence


class Counting(JetStreamJournal):
    """Counts its questions, and keeps answers back while told to."""

    asked = 0

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self.gate = asyncio.Event()
        self.gate.set()

    async def _leader(self, subject: str) -> Message:
        self.asked += 1
        answer = await super()._leader(subject)
        await self.gate.wait()
        return answer


async def test_those_who_ask_at_once_share_a_question(wire: Wire, journal: JetStreamJournal) -> None:
    counting = Counting(wire)
    assert await asyncio.gather(*(counting.last() for _ in range(100))) == [0] * 100
    assert counting.asked == 1


async def test_nobody_gets_an_answer_to_a_question_older_than_his_own(wire: Wire, journal: JetStreamJournal) -> None:
    counting = Counting(wire)
    counting.gate.clear()
    early = asyncio.create_task(counting.last())
    await until(lambda: counting.asked == 1)
    await journal.append(A, b"1", expected=0)
    late = asyncio.create_task(counting.last())
    await asyncio.sleep(0.05)
    counting.gate.set()
    assert (await early, await late) == (0, 1)


async def test_a_question_outlives_one_who_asked(wire: Wire, journal: JetStreamJournal) -> None:
    counting = Counting(wire)
    counting.gate.clear()
    one, other = (asyncio.create_task(counting.last()) for _ in range(2))
    await until(lambda: counting.asked == 1)
    one.cancel()
    await asyncio.sleep(0)
    counting.gate.set()
    assert await other == 0
    with pytest.raises(asyncio.CancelledError):
        await one


# Entries of one subject


async def test_many_entries_of_one_subject_come_in_batches(wire: Wire, journal: JetStreamJournal) -> None:
    await fill(journal, A, 2500)
    await fill(journal, "ev.compute.server.other", 10)
    entries = await journal.of(A)
    assert [entry.sequence for entry in entries] == list(range(1, 2501))
    assert [entry.data for entry in entries] == [b"%d" % n for n in range(2500)]


async def test_what_a_lagging_replica_lacks_comes_from_the_leader(wire: Wire, journal: JetStreamJournal) -> None:
    class Lagging(JetStreamJournal):
        async def _batch(self, subject: str, after: int, epoch: int) -> list[Entry]:
            return [entry for entry in await super()._batch(subject, after, epoch) if entry.sequence <= 3]

    for n in range(6):
        await journal.append(A, b"%d" % n, expected=n)
    assert [entry.data for entry in await Lagging(wire).of(A)] == [b"0", b"1", b"2", b"3", b"4", b"5"]


# Tails


async def test_fifty_thousand_entries_are_replayed_in_order(wire: Wire, journal: JetStreamJournal) -> None:
    await fill(journal, "ev.compute.server.{}", 50_000)
    sequences: list[int] = []
    tail = await journal.tail(0, lambda entry: sequences.append(entry.sequence))
    await until(lambda: len(sequences) == 50_000)
    assert sequences == list(range(1, 50_001))
    assert tail.reader._generation == 1, "one consumer is enough, whatever its pulls end with"
    await tail.stop()


async def test_large_entries_do_not_cost_a_slow_reader_its_connection(
    connect: Connect, wire: Wire, journal: JetStreamJournal
) -> None:
    count = 160
    for n in range(count):  # more than NATS lets wait for one connection: 64 MiB
        await journal.append(f"ev.compute.server.{n}", b"x" * (500 << 10), expected=0)
    other = await connect()
    lost: list[None] = []
    other.listeners.append(lambda: lost.append(None))
    heard: list[int] = []

    def slowly(entry: Entry) -> None:
        time.sleep(0.005)
        heard.append(entry.sequence)

    tail = await JetStreamJournal(other).tail(0, slowly)
    await until(lambda: len(heard) == count)
    assert (heard, lost) == (list(range(1, count + 1)), [])
    assert tail.reader._generation == 1
    await tail.stop()


async def test_a_tail_survives_cut_connections(connect: Connect, journal: JetStreamJournal, proxy: Proxy) -> None:
    heard: list[Entry] = []
    tail = await JetStreamJournal(await connect(url=proxy.url)).tail(0, heard.append)
    for n in range(300):
        await journal.append(A, b"", expected=n)
        if n % 75 == 40:
            await proxy.cut()
    await until(lambda: len(heard) == 300)
    assert [entry.sequence for entry in heard] == list(range(1, 301))
    await tail.stop()


async def test_a_tail_survives_the_loss_of_its_consumer(wire: Wire, journal: JetStreamJournal) -> None:
    heard: list[Entry] = []
    tail = await journal.tail(0, heard.append)
    await journal.append(A, b"1", expected=0)
    await until(lambda: len(heard) == 1)
    await wire.api(f"CONSUMER.DELETE.{STREAM}.{tail.reader._name}")
    await journal.append(A, b"2", expected=1)
    await until(lambda: len(heard) == 2)
    await tail.stop()


async def test_a_tail_delivers_soon_and_nothing_twice_after_many_reconnects(
    server: NatsServer, journal: JetStreamJournal
) -> None:
    heard: list[Entry] = []
    tail = await journal.tail(0, heard.append)
    for n in range(5):
        await journal.append(A, b"", expected=n)
        async with asyncio.timeout(10.0):  # and not when it looks again by itself
            while len(heard) <= n:
                await asyncio.sleep(0.002)
        if n < 4:
            await kill(server)
    assert [entry.sequence for entry in heard] == [1, 2, 3, 4, 5]
    await tail.stop()


async def test_a_tail_whose_reader_fails_stops_there(
    wire: Wire, journal: JetStreamJournal, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[int] = []

    def deliver(entry: Entry) -> None:
        if entry.sequence == 2:
            raise ValueError("this entry is not understood")
        heard.append(entry.sequence)

    tail = await journal.tail(0, deliver)
    for n in range(4):
        await journal.append(A, b"", expected=n)
    await until(lambda: "not understood" in caplog.text)
    assert await journal.last() == 4  # the connection lives on
    assert heard == [1]  # what follows would be applied to a wrong state
    await tail.stop()


async def test_a_journal_that_ends_before_what_was_read_is_not_followed(journal: JetStreamJournal) -> None:
    await journal.append(A, b"1", expected=0)
    with pytest.raises(Unavailable, match="lost its end"):
        await journal.tail(2, lambda entry: None)


async def test_a_gap_is_not_delivered_over() -> None:
    heard: list[int] = []
    wire = Wire()
    tail = JetStreamTail(wire, JetStreamJournal(wire).epochs, 1, 5, lambda entry: heard.append(entry.sequence))
    assert tail.take(A, b"", {}, 6, 0)
    assert tail.take(A, b"", {}, 4, 0)
    assert tail.take(A, b"", {}, 6, 0)
    assert not tail.take(A, b"", {}, 8, 0)
    assert heard == [6]
