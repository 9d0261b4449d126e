"""What hosts are to hold: who may replace what, and who hears of it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import pytest

from events.journal import Stale
from events.nats.assignments import Assignment, Assignments, OwnAssignments
from events.nats.bucket import MOST, Bucket, Item
from events.nats.server import NatsServer
from events.nats.wire import Wire
from tests.events.conftest import on_one_and_on_three
from tests.waiting import PATIENCE, until

Connect = Callable[..., Awaitable[Wire]]
WEB = ("h1", "server", "web")


class Host:
    """What somebody who watches believes a host is to hold."""

    def __init__(self) -> None:
        self.holds: dict[tuple[str, str, str], tuple[int, bytes]] = {}
        self.heard: list[Assignment] = []

    def deliver(self, one: Assignment) -> None:
        self.heard.append(one)
        if one.data is None:
            del self.holds[one.host, one.kind, one.id]
        else:
            self.holds[one.host, one.kind, one.id] = (one.sequence, one.data)


async def test_only_a_higher_sequence_replaces(wire: Wire, assignments: Assignments) -> None:
    other = await Assignments.open(wire)  # another process, that remembers nothing
    assert await assignments.put(*WEB, b"5", 5)
    assert not any([await other.put(*WEB, b"late", late) for late in (4, 5)])
    assert await other.put(*WEB, b"7", 7)
    assert not await assignments.put(*WEB, b"6", 6)
    host = Host()
    watch = await assignments.watch("h1", host.deliver)
    await watch.caught_up()
    assert host.holds == {WEB: (7, b"7")}
    await watch.stop()


async def test_of_many_that_were_put_the_oldest_are_forgotten_and_guarded_all_the_same(
    assignments: Assignments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("events.nats.assignments.REMEMBERED", 2)
    for n in range(5):
        assert await assignments.put("h1", "server", f"s{n}", b"", 5)
    assert len(assignments._known) == 2
    assert not await assignments.put("h1", "server", "s0", b"late", 4)
    assert await assignments.put("h1", "server", "s0", b"new", 6)


async def test_racing_handlers_leave_the_highest(wire: Wire) -> None:
    processes = [await Assignments.open(wire) for _ in range(5)]
    await asyncio.gather(
        *(process.put(*WEB, b"%d" % n, n) for n in range(1, 41) for process in processes if (n + id(process)) % 3)
    )
    host = Host()
    watch = await processes[0].watch(None, host.deliver)
    await watch.caught_up()
    assert host.holds[WEB] in ((40, b"40"), (39, b"39"))
    await watch.stop()


async def test_what_is_purged_does_not_come_back_by_a_late_put(wire: Wire, assignments: Assignments) -> None:
    await assignments.put(*WEB, b"on", 5)
    await assignments.put(*WEB, b"gone", 9)
    assert not await (await Assignments.open(wire)).purge(*WEB, 5)
    assert await assignments.purge(*WEB, 9)
    assert await assignments.purge(*WEB, 9)
    late = await Assignments.open(wire)
    assert not await late.put(*WEB, b"on", 5)
    assert await late.put(*WEB, b"anew", 12)


async def test_a_watch_tells_what_is_then_what_comes(assignments: Assignments) -> None:
    await assignments.put(*WEB, b"1", 1)
    await assignments.put("h2", "server", "db", b"2", 2)
    one, every = Host(), Host()
    watches = [await assignments.watch("h1", one.deliver), await assignments.watch(None, every.deliver)]
    for watch in watches:
        await watch.caught_up()
    assert set(one.holds) == {WEB}
    assert set(every.holds) == {WEB, ("h2", "server", "db")}
    await assignments.put("h1", "port", "nic", b"3", 3)
    await assignments.purge(*WEB, 1)
    await until(lambda: set(one.holds) == {("h1", "port", "nic")})
    assert one.heard[-1] == Assignment("h1", "server", "web", 1, None)
    await until(lambda: len(every.holds) == 2)
    for watch in watches:
        await watch.stop()


async def test_a_watch_of_nothing_is_caught_up(assignments: Assignments) -> None:
    watch = await assignments.watch("h1", Host().deliver)
    async with asyncio.timeout(10.0):
        await watch.caught_up()
    await watch.stop()


async def test_names_are_told_as_they_were_given(connect: Connect, assignments: Assignments) -> None:
    name = ("node.example.org", "port", "x" * 200 + "/é *>")
    host, own = Host(), Host()
    await assignments.put(*name, b"1", 1)
    watch = await assignments.watch("node.example.org", host.deliver)
    mine = await OwnAssignments.watch(await connect("node.example.org"), "node.example.org", own.deliver)
    await watch.caught_up()
    await mine.caught_up()
    assert set(host.holds) == set(own.holds) == {name}
    await assignments.purge(*name, 1)
    await until(lambda: not host.holds and not own.holds)
    await watch.stop()
    await mine.stop()


@pytest.mark.parametrize("agent", [True, False])
async def test_watches_survive_a_killed_server(
    server: NatsServer, connect: Connect, assignments: Assignments, agent: bool
) -> None:
    host = Host()
    for n in range(20):
        await assignments.put("h1", "server", str(n), b"%d" % n, n + 1)
    if agent:
        watch: OwnAssignments = await OwnAssignments.watch(await connect("h1"), "h1", host.deliver)
        await watch.caught_up()
        stop = watch.stop
    else:
        direct = await assignments.watch("h1", host.deliver)
        await direct.caught_up()
        stop = direct.stop
    assert len(host.holds) == 20

    def is_told(turn: int) -> bool:
        return host.holds["h1", "server", "0"][0] == 100 + turn and len(host.holds) == 19 - turn

    for turn in range(2):
        assert server._child is not None
        os.kill(server._child.pid, signal.SIGKILL)
        await assignments.put("h1", "server", "0", b"new", 100 + turn)
        await assignments.purge("h1", "server", str(turn + 1), 50)
        await until(partial(is_told, turn))
    sequences: dict[str, int] = {}
    for one in host.heard:  # nothing older after something newer
        assert one.sequence > sequences.get(one.id, 0) or one.data is None
        sequences[one.id] = one.sequence
    await stop()


async def test_an_agent_hears_what_was_said_while_it_did_not_listen(connect: Connect, assignments: Assignments) -> None:
    host = Host()
    wire = await connect("h1")
    await assignments.put(*WEB, b"1", 1)
    own = await OwnAssignments.watch(wire, "h1", host.deliver, refresh=0.05)
    await own.caught_up()
    assert own._subscription is not None
    await wire.unlisten(own._subscription)  # as if everything said were lost
    await assignments.put("h1", "port", "nic", b"2", 2)
    await assignments.purge(*WEB, 1)
    await until(lambda: set(host.holds) == {("h1", "port", "nic")})
    own._subscription = await wire.listen("assigned.h1.>", own._hear)
    await own.stop()


async def test_an_agent_takes_more_than_one_page(connect: Connect, assignments: Assignments) -> None:
    for n in range(25):
        await assignments.put("h1", "server", str(n), bytes(200_000), n + 1)
    host = Host()
    own = await OwnAssignments.watch(await connect("h1"), "h1", host.deliver)
    await own.caught_up()
    assert len(host.holds) == 25
    await own.stop()


class Counting(Assignments):
    """Counts how often an agent asks, and how often everything is read for it."""

    asked = reads = 0

    async def _answer(self, subject: str, payload: bytes) -> bytes:
        self.asked += 1
        return await super()._answer(subject, payload)

    async def _read(self, host: str) -> tuple[int, list[Item], int]:
        self.reads += 1
        return await super()._read(host)


async def asked_again(orders: Counting) -> None:
    """Return when the agent has been answered some times more: it asks one question after the other."""
    before = orders.asked
    await until(lambda: orders.asked > before + 5)


async def test_an_agent_is_told_what_it_does_not_know_and_nothing_else(wire: Wire, connect: Connect) -> None:
    orders = Counting(wire, (await Assignments.open(wire))._bucket)
    service = await orders.serve()
    host, mine = Host(), await connect("h1")
    for n in range(10):
        await orders.put("h1", "server", str(n), b"1", n + 1)
    own = await OwnAssignments.watch(mine, "h1", host.deliver, refresh=0.02)
    await own.caught_up()
    await orders.put("h2", "server", "web", b"1", 11)  # another host's
    await asked_again(orders)
    assert own._subscription is not None
    await mine.unlisten(own._subscription)  # as if everything said were lost
    await orders.put("h1", "server", "3", b"2", 12)
    await orders.purge("h1", "server", "4", 12)
    await until(lambda: len(host.holds) == 9 and host.holds["h1", "server", "3"] == (12, b"2"))
    await asked_again(orders)
    assert orders.reads == 1
    assert len(host.heard) == 12
    own._subscription = await mine.listen("assigned.h1.>", own._hear)
    await own.stop()
    await service.stop()


async def test_an_agent_that_would_take_news_for_all_is_told_all(wire: Wire, connect: Connect) -> None:
    orders = Counting(wire, (await Assignments.open(wire))._bucket)
    service = await orders.serve()
    since = 0
    for n in range(3):
        await orders.put("h1", "server", str(n), b"1", n + 1)
        since = since or (await orders._bucket.last())
    ask = (await connect("h1")).call
    all_of_it = msgspec.json.decode(await ask("assignments.h1", msgspec.json.encode({"since": since})))
    news = msgspec.json.decode(await ask("assignments.h1", msgspec.json.encode({"since": since, "takes_news": True})))
    assert [len(one["entries"]) for one in (all_of_it, news)] == [3, 2]
    assert [one["is_news"] for one in (all_of_it, news)] == [False, True]
    await service.stop()


async def test_an_agent_is_told_of_more_orders_than_one_question_may_be_answered_with(
    connect: Connect, assignments: Assignments
) -> None:
    await asyncio.gather(*(assignments.put("h1", "server", str(n), b"1", n + 1) for n in range(MOST + 10)))
    host = Host()
    own = await OwnAssignments.watch(await connect("h1"), "h1", host.deliver, refresh=0.02)
    await own.caught_up()
    assert len(host.holds) == MOST + 10
    await assignments.purge("h1", "server", "3", 5000)
    await until(lambda: len(host.holds) == MOST + 9)
    await own.stop()


# The bucket beneath


async def test_a_bucket_is_guarded_by_its_revisions(wire: Wire) -> None:
    bucket = await Bucket.open(wire, "trial")
    assert await bucket.get("a") is None
    first = await bucket.put("a", b"1", expected=0)
    with pytest.raises(Stale) as stale:
        await bucket.put("a", b"2", expected=0)
    assert stale.value.sequence == first
    second = await bucket.put("a", b"2", expected=first)
    await bucket.put("b.c", b"3", {"Note": "x"}, expected=None)
    assert [(item.key, item.value) for item in await bucket.items()] == [("a", b"2"), ("b.c", b"3")]
    found = await bucket.get("b.c")
    assert found is not None
    assert found.headers["Note"] == "x"
    mark = await bucket.purge("a", expected=second)
    gone = await bucket.get("a")
    assert gone is not None
    assert (gone.value, gone.revision) == (None, mark)
    assert [item.key for item in await bucket.items()] == ["b.c"]
    assert [item.key for item in await bucket.items("b")] == ["b.c"]


async def settled(bucket: Bucket, revision: int) -> list[Item]:
    """What is newer, as soon as the replica that answers has it."""
    async with asyncio.timeout(PATIENCE):
        while (found := await bucket.newer("h1", revision)) is None:
            pass  # each question is a turn of its own
    return found


async def test_more_news_than_one_question_may_be_answered_with_are_none(wire: Wire) -> None:
    bucket = await Bucket.open(wire, "trial")
    first = await bucket.put("h1.first", b"", expected=0)
    await asyncio.gather(*(bucket.put(f"h1.{n}", b"", expected=0) for n in range(MOST + 1)))
    assert await bucket.newer("h1", first) is None
    assert len(await bucket.newer("h1", first + 1) or ()) == MOST


@on_one_and_on_three
async def test_what_stands_is_told_with_its_marks_and_the_revision_of_that_time(wire: Wire) -> None:
    bucket = await Bucket.open(wire, "trial")
    assert await bucket.standing("h1.>") == (0, [])
    first = await bucket.put("h1.a", b"1", {"Note": "x"}, expected=0)
    await bucket.put("h2.a", b"2", expected=0)
    assert await bucket.newer("h1", first) == []
    second = await bucket.put("h1.b", b"3", expected=0)
    assert [(item.key, item.value) for item in await settled(bucket, first)] == [("h1.b", b"3")]
    mark = await bucket.purge("h1.a", expected=first)
    assert [(item.key, item.value) for item in await settled(bucket, first)] == [("h1.b", b"3"), ("h1.a", None)]
    assert [(item.key, item.revision) for item in await settled(bucket, second)] == [("h1.a", mark)]
    newest = await bucket.put("h2.b", b"4", expected=0)
    assert await bucket.newer("h1", mark) == []
    revision, items = await bucket.standing("h1.>") or (0, [])
    assert revision == newest
    assert [(item.key, item.revision, item.value) for item in items] == [("h1.a", mark, None), ("h1.b", second, b"3")]
    assert await bucket.standing("h3.>") == (newest, [])
