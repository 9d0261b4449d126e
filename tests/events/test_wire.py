"""Calls between processes, over a real NATS."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from events.journal import Unavailable
from events.nats.jetstream import JetStreamJournal
from events.nats.server import NatsServer
from events.nats.wire import ATTEMPT, Credentials, Denied, Faulty, Message, NoAnswer, Wire
from events.refusals import Busy
from tests.events.proxy import Proxy
from tests.waiting import until

Connect = Callable[..., Awaitable[Wire]]


async def echo(subject: str, payload: bytes) -> bytes:
    return subject.encode() + b" " + payload


async def test_a_call_is_answered(wire: Wire, connect: Connect) -> None:
    service = await wire.serve("report.*", "reports", echo)
    assert await (await connect()).call("report.h1", b"seen") == b"report.h1 seen"
    await service.stop()


async def test_one_of_a_queue_answers_each_call(connect: Connect) -> None:
    served = [0, 0]

    async def serve(member: int) -> bytes:
        served[member] += 1
        return b""

    one, other = await connect(), await connect()
    services = [
        await one.serve("report.*", "reports", lambda subject, payload: serve(0)),
        await other.serve("report.*", "reports", lambda subject, payload: serve(1)),
    ]
    await asyncio.gather(*(one.call("report.h1", b"") for _ in range(200)))
    assert sum(served) == 200
    assert min(served) > 0
    for service in services:
        await service.stop()


async def test_calls_are_served_side_by_side(wire: Wire) -> None:
    async def slow(subject: str, payload: bytes) -> bytes:
        await asyncio.sleep(0.05)
        return payload

    service = await wire.serve("report.*", "reports", slow)
    async with asyncio.timeout(4.0):  # one after the other they take five
        answers = await asyncio.gather(*(wire.call("report.h1", b"%d" % n) for n in range(100)))
    assert answers == [b"%d" % n for n in range(100)]
    await service.stop()


async def test_a_failed_call_is_told_so(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(subject: str, payload: bytes) -> bytes:
        raise ValueError("a mistake of ours")

    service = await wire.serve("report.*", "reports", fail)
    with pytest.raises(Faulty, match=r"report\.h1"):
        await wire.call("report.h1", b"")
    assert "a mistake of ours" in caplog.text
    await service.stop()


async def test_who_comes_when_many_wait_is_told_at_once_and_comes_again_at_a_time_of_its_own(wire: Wire) -> None:
    busy, most, asked, callers = 0, 0, 0, 200

    async def slow(subject: str, payload: bytes) -> bytes:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.005)
        busy -= 1
        return payload

    async def count(message: Message) -> None:
        nonlocal asked
        asked += 1

    listening = await wire.listen("report.*", count)
    service = await wire.serve("report.*", "reports", slow, at_once=4, waiting=16)
    answers = await asyncio.gather(*(wire.call(f"report.h{n}", b"%d" % n) for n in range(callers)))
    assert answers == [b"%d" % n for n in range(callers)]
    assert most == 4
    assert asked < 8 * callers, "the pauses of those who were sent away grow"
    await service.stop()
    await wire.unlisten(listening)


async def test_a_call_that_cannot_be_served_now_is_repeated(wire: Wire) -> None:
    faults: list[Exception] = [Busy("The disk of the journal is full."), Unavailable("no leader")]

    async def recover(subject: str, payload: bytes) -> bytes:
        if faults:
            raise faults.pop()
        return b"served"

    service = await wire.serve("report.*", "reports", recover)
    assert await wire.call("report.h1", b"") == b"served"
    faults += [Busy("full")] * 100
    with pytest.raises(Unavailable, match="full"):
        await wire.call("report.h1", b"", timeout=0.3)
    await service.stop()


async def test_a_call_waits_for_somebody_who_serves(wire: Wire) -> None:
    with pytest.raises(Unavailable, match="nobody"):
        await wire.call("report.h1", b"", timeout=0.1)
    call = asyncio.create_task(wire.call("report.h1", b"late"))
    await asyncio.sleep(0.05)
    service = await wire.serve("report.*", "reports", echo)
    assert await call == b"report.h1 late"
    await service.stop()


async def test_a_call_in_the_air_is_repeated_after_a_reconnect(server: NatsServer, wire: Wire) -> None:
    served = 0

    async def slow(subject: str, payload: bytes) -> bytes:
        nonlocal served
        served += 1
        await asyncio.sleep(0.05)
        return b"done"

    service = await wire.serve("report.*", "reports", slow)
    call = asyncio.create_task(wire.call("report.h1", b""))
    await until(lambda: served)
    assert server._child is not None
    os.kill(server._child.pid, signal.SIGKILL)
    async with asyncio.timeout(3.0):  # and not after the time of an attempt
        assert await call == b"done"
    assert served == 2
    await service.stop()


async def test_a_connection_cut_before_its_greeting_is_closed(connect: Connect, proxy: Proxy) -> None:
    wire = await connect(url=proxy.url)
    proxy.deaf = True
    for _ in range(2):
        await proxy.cut()
        await until(lambda: proxy.is_used)
    proxy.deaf = False
    await proxy.cut()
    await until(lambda: wire.client.is_connected)
    gc.collect()  # what is left open warns when it is thrown away


async def test_a_service_that_stops_gives_up_what_only_waits_and_whoever_called_calls_again(
    wire: Wire, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("events.nats.calls.LAST", 0.05)
    taken = asyncio.Event()

    async def wait(subject: str, payload: bytes) -> bytes:
        taken.set()
        await asyncio.Event().wait()
        return b""

    service = await wire.serve("report.*", "reports", wait)
    call = asyncio.create_task((await connect()).call("report.h1", b"seen"))
    await taken.wait()
    other = await wire.serve("report.*", "reports", echo)
    await service.stop()
    assert await call == b"report.h1 seen"
    await other.stop()


async def test_an_answer_is_not_led_into_the_journal(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    journal = await JetStreamJournal.open(wire)
    service = await wire.serve("report.*", "reports", echo)
    await wire.client.publish("report.h1", b"", reply="ev.compute.server.a")
    await wire.call("report.h1", b"")
    assert await journal.last() == 0
    assert "ignored" in caplog.text
    await service.stop()


async def test_what_is_cast_is_heard_if_somebody_listens(wire: Wire, connect: Connect) -> None:
    heard: list[bytes] = []

    async def hear(message: Message) -> None:
        heard.append(message.data)

    subscription = await wire.listen("heartbeat.*", hear)
    other = await connect()
    for n in range(10):
        await other.cast("heartbeat.h1", b"%d" % n)
    await other.client.flush()
    await wire.client.flush()
    await until(lambda: len(heard) == 10)
    assert heard == [b"%d" % n for n in range(10)]
    await wire.unlisten(subscription)


async def test_a_wrong_password_is_denied_at_once(server: NatsServer) -> None:
    async with asyncio.timeout(5.0):
        with pytest.raises(Denied):
            await Wire.connect([server.url], Credentials(user="cloud", password="guessed"))
        with pytest.raises(Denied):
            await Wire.connect([server.url])


async def test_no_server_is_unavailable(no_task_is_left: None) -> None:
    with pytest.raises(Unavailable, match="no NATS server"):
        await Wire.connect(["nats://127.0.0.1:1"], timeout=0.2)


async def test_a_closed_wire_answers_nothing(wire: Wire) -> None:
    await wire.close()
    with pytest.raises(NoAnswer):
        await wire.request("report.h1")
    await wire.cast("heartbeat.h1", b"")
    await wire.close()


async def test_who_stops_waiting_for_a_flush_breaks_nothing(wire: Wire) -> None:
    """The client library would read nothing more: its reader fails at a pong that nobody waits for."""
    for _ in range(20):
        flush = asyncio.create_task(wire.client.flush())
        await asyncio.sleep(0)
        flush.cancel()
    service = await wire.serve("echo", "echo", _echo)
    assert await wire.call("echo", b"1", timeout=2, attempt=1) == b"1"
    await service.stop()


async def _echo(subject: str, payload: bytes) -> bytes:
    return payload


async def test_what_is_taken_in_bulk_comes_whole_and_in_order_whatever_stands_between(wire: Wire) -> None:
    taken: list[tuple[str, bytes]] = []
    heard: list[bytes] = []

    async def hear(message: Message) -> None:
        heard.append(message.data)

    await wire.listen("bulk.>", hear, lambda subject, reply, data: taken.append((subject, data)))
    await wire.listen("other", hear)
    sizes = [0, 1, 700, 33_000, 5, 100_000, 2] * 20
    for n, size in enumerate(sizes):
        headers = {"Some": "header"} if n % 3 == 0 else None
        await wire.client.publish(f"bulk.{n}", b"\r\n" * (size // 2), "nobody", headers)
        await wire.client.publish("other", b"%d" % n, "nobody")
        await wire.client.publish("bulk.status", b"", headers={"Status": "100"})
    await wire.client.flush()
    await until(lambda: len(heard) == 2 * len(sizes))
    assert taken == [(f"bulk.{n}", b"\r\n" * (size // 2)) for n, size in enumerate(sizes)]
    assert [data for data in heard if data] == [b"%d" % n for n in range(len(sizes))]


async def test_a_client_does_not_go_on_connecting_though_its_cancellation_was_lost(wire: Wire) -> None:
    tried = asyncio.Event()

    async def lose() -> None:
        with suppress(asyncio.CancelledError):  # as `wait_for` may
            tried.set()
            await asyncio.Event().wait()
        await wire.client._select_next_server()

    task = asyncio.create_task(lose())
    await tried.wait()
    task.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait([task])
    assert task.cancelled()


async def test_who_is_not_greeted_in_time_at_first_connects_later(connect: Connect, proxy: Proxy) -> None:
    proxy.deaf = True
    connecting = asyncio.ensure_future(connect(url=proxy.url))
    await until(lambda: proxy.connections > 1)  # the first attempt has ended
    proxy.deaf = False
    async with asyncio.timeout(5):
        assert (await connecting).client.is_connected


@pytest.mark.parametrize("word", [b"SUB _INBOX", b"SUB report"], ids=["who connects", "who serves"])
async def test_a_connection_may_break_while_the_server_is_told_who_listens(
    connect: Connect, proxy: Proxy, word: bytes
) -> None:
    """As it does if NATS reads its settings anew at that moment."""
    proxy.cuts_at = word
    async with asyncio.timeout(3 * ATTEMPT):
        wire = await connect(url=proxy.url)
        service = await wire.serve("report.*", "reports", echo)
    assert proxy.connections == 2
    assert await (await connect()).call("report.h1", b"seen") == b"report.h1 seen"
    await service.stop()
