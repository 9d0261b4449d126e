"""The journal on NATS JetStream.

One stream for each epoch, `JOURNAL_0001` the first, on subjects `ev.>`: append-only for ever, without limits. A
message's guard is the last sequence on exactly its subject. Source: DESIGN, "The journal"; ADR-8 (error 10071).
"""

from __future__ import annotations

import asyncio
import logging
import re
from base64 import b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Any

import msgspec

from events.journal import Deliver, Entry, Stale, Unavailable
from events.reader import Reader
from events.wire import ApiError, Message, NoAnswer, Wire

STREAM = "JOURNAL_0001"
SUBJECTS = "ev.>"
GUARD = "Nats-Expected-Last-Subject-Sequence"
ID = "Nats-Msg-Id"
CONFLICT, IN_FLIGHT, NO_STREAM, NO_MESSAGE = 10071, 10164, 10059, 10037
BATCH = 1_000  # entries of one subject that are asked for at a time

# What the stream must be; and what it must not have, for entries would vanish or change without a word.
CONFIG: dict[str, Any] = {
    "name": STREAM,
    "subjects": [SUBJECTS],
    "storage": "file",
    "retention": "limits",
    "discard": "new",
    "max_msgs": -1,
    "max_bytes": -1,
    "max_age": 0,
    "max_msgs_per_subject": -1,
    "max_msg_size": -1,
    "deny_delete": True,
    "deny_purge": True,
    "allow_rollup_hdrs": False,
    "allow_direct": True,
    "duplicate_window": 120_000_000_000,  # nanoseconds
}
FORBIDDEN = (
    "sealed",
    "no_ack",
    "mirror",
    "sources",
    "subject_transform",
    "allow_msg_ttl",
    "allow_msg_schedules",
    "allow_msg_counter",
)

log = logging.getLogger("cumulog.journal")
_number = re.compile(r"wrong last sequence: (\d+)").search


class UnsafeJournal(Exception):
    """The stream is not as it must be: it could lose or change entries."""


class JetStreamJournal:
    """A journal on a stream of NATS."""

    def __init__(self, wire: Wire, *, deadline: float = 10.0) -> None:
        self.wire = wire
        self.deadline = deadline  # seconds that a question is asked again before it is given up
        self._asking = asyncio.Lock()
        self._next: asyncio.Task[int] | None = None
        self._stream_info = f"$JS.API.STREAM.INFO.{STREAM}"

    @classmethod
    async def open(cls, wire: Wire, *, replicas: int = 1, deadline: float = 10.0) -> JetStreamJournal:
        """The journal; its stream is made if there is none. Raises UnsafeJournal, Unavailable."""
        journal = cls(wire, deadline=deadline)
        try:
            async with asyncio.timeout(deadline):
                await journal._ensure(replicas)
        except TimeoutError as fault:
            raise Unavailable("JetStream does not answer") from fault
        return journal

    async def _ensure(self, replicas: int) -> None:
        while True:
            await self.wire.connected()
            try:
                found = await self.wire.api(f"STREAM.INFO.{STREAM}")
                _check(found["config"], replicas)
                return
            except NoAnswer as fault:
                log.debug("JetStream does not answer yet: %s", fault)
            except ApiError as fault:
                if fault.number == NO_STREAM:
                    await self._create(replicas)
                else:
                    log.debug("JetStream is not ready yet: %s", fault)
            await asyncio.sleep(0.005)

    async def _create(self, replicas: int) -> None:
        try:
            await self.wire.api(f"STREAM.CREATE.{STREAM}", {**CONFIG, "num_replicas": replicas})
            log.info("the journal begins: %s", STREAM)
        except NoAnswer as fault:
            log.debug("JetStream does not answer yet: %s", fault)
        except ApiError as fault:
            log.warning("the journal cannot be made yet: %s", fault)
            await asyncio.sleep(0.2)

    # Writing

    async def append(self, subject: str, data: bytes, *, expected: int, id: str) -> int:
        """As the journal's; a retry goes on until the deadline."""
        mark = _mark(subject, id)
        headers = {GUARD: str(expected), ID: mark}
        end = asyncio.get_running_loop().time() + self.deadline
        while True:
            left = end - asyncio.get_running_loop().time()
            answer = msgspec.json.decode((await self.wire.ask(subject, data, headers, timeout=left)).data)
            error = answer.get("error")
            if error is None:
                sequence: int = answer["seq"]
                return sequence
            if error.get("err_code") == IN_FLIGHT:  # another write on the subject is on its way through the cluster
                await asyncio.sleep(0.001)
                continue
            last = last_sequence(error)
            if last is None:
                raise Unavailable(f"the journal refuses to store: {error.get('description')}")
            own = await self._own(subject, mark, expected) if last > expected else None
            if own is None:
                raise Stale(last)
            return own

    async def _own(self, subject: str, mark: str, after: int) -> int | None:
        """The sequence of our own write whose acknowledgement was lost, however many others wrote since."""
        while (found := await self._message({"seq": after + 1, "next_by_subj": subject})) is not None:
            after = found["seq"]
            if f"{ID}: {mark}\r\n".encode() in b64decode(found.get("hdrs", "")):
                return after
        return None

    # Reading

    async def last(self) -> int:
        """As the journal's. All who ask at a moment share a question, none joins one that was sent before."""
        if self._next is None:
            self._next = asyncio.create_task(self._ask_last(), name="last sequence of the journal")
            self._next.add_done_callback(_retrieve)
        return await asyncio.shield(self._next)

    async def _ask_last(self) -> int:
        async with self._asking:
            self._next = None  # whoever comes from now on waits for the next question
            answer = msgspec.json.decode((await self._leader(self._stream_info)).data, type=_Info)
            if answer.state is None:
                raise Unavailable(f"the journal cannot be read: {(answer.error or {}).get('description')}")
            return answer.state.last_seq

    async def _leader(self, subject: str, data: bytes = b"") -> Message:
        return await self.wire.ask(subject, data, timeout=self.deadline)

    async def _message(self, which: dict[str, Any]) -> dict[str, Any] | None:
        """One stored message, asked of the leader."""
        question = msgspec.json.encode(which)
        answer = msgspec.json.decode((await self._leader(f"$JS.API.STREAM.MSG.GET.{STREAM}", question)).data)
        error = answer.get("error")
        if error is None:
            found: dict[str, Any] = answer["message"]
            return found
        if error.get("err_code") == NO_MESSAGE:
            return None
        raise Unavailable(f"the journal cannot be read: {error.get('description')}")

    async def of(self, subject: str, after: int = 0) -> list[Entry]:
        """As the journal's: the leader says up to where, any replica may deliver, the leader what is lacking."""
        newest = await self._message({"last_by_subj": subject})
        if newest is None or newest["seq"] <= after:
            return []
        entries: list[Entry] = []
        position, last = after, newest["seq"]
        while position < last and (some := await self._batch(subject, position)):
            entries += some
            position = some[-1].sequence
        while position < last and (found := await self._message({"seq": position + 1, "next_by_subj": subject})):
            position = found["seq"]
            entries.append(Entry(position, subject, b64decode(found.get("data", ""))))
        return entries

    async def _batch(self, subject: str, after: int) -> list[Entry]:
        """Entries as some replica has them; fewer than there are if it lags, or none if it does not answer."""
        entries: list[Entry] = []
        done = asyncio.Event()

        async def take(message: Message) -> None:
            headers = message.headers or {}
            if "Nats-Sequence" in headers:
                entries.append(Entry(int(headers["Nats-Sequence"]), subject, message.data))
            else:
                done.set()  # 204: end of batch, 404: nothing there

        inbox = self.wire.inbox()
        subscription = await self.wire.listen(inbox, take)
        question = msgspec.json.encode({"seq": after + 1, "next_by_subj": subject, "batch": BATCH})
        try:
            async with asyncio.timeout(2.0):
                await self.wire.client.publish(f"$JS.API.DIRECT.GET.{STREAM}", question, inbox)
                await done.wait()
        except TimeoutError:
            log.debug("a batch of %s did not end", subject)
        finally:
            await self.wire.unlisten(subscription)
        return [entry for n, entry in enumerate(entries) if n == 0 or entry.sequence > entries[n - 1].sequence]

    async def tail(self, after: int, deliver: Deliver) -> JetStreamTail:
        """As the journal's. Raises Unavailable, also if the journal ends before what was already read of it."""
        if (last := await self.last()) < after:
            raise Unavailable(f"the journal ends at {last}, but was read up to {after}: it has lost its end")
        tail = JetStreamTail(self.wire, after, deliver)
        await tail.reader.start(self.deadline)
        return tail


class JetStreamTail:
    """Follows the journal: hands on every entry, in order. Its sequences are contiguous, for nothing is deleted."""

    def __init__(self, wire: Wire, after: int, deliver: Deliver) -> None:
        self.position = after
        self.reader = Reader(wire, STREAM, self, headers=False)
        self._deliver = deliver

    async def stop(self) -> None:
        await self.reader.stop()

    def config(self) -> dict[str, Any]:
        return {"deliver_policy": "by_start_sequence", "opt_start_seq": self.position + 1}

    def begin(self, pending: int) -> None:
        pass

    def idle(self) -> None:
        pass

    def take(self, subject: str, data: bytes, headers: dict[str, str], sequence: int, pending: int) -> bool:
        if sequence != self.position + 1:
            return sequence <= self.position
        self.position = sequence
        self._deliver(Entry(sequence, subject, data))
        return True


class _State(msgspec.Struct):
    last_seq: int


class _Info(msgspec.Struct):
    """As much of STREAM.INFO's answer as is wanted."""

    state: _State | None = None
    error: dict[str, Any] | None = None


def last_sequence(error: dict[str, Any]) -> int | None:
    """The sequence that a refused guard was up against; None if it was refused for something else."""
    found = _number(error.get("description", "")) if error.get("err_code") == CONFLICT else None
    return int(found[1]) if found else None


def _mark(subject: str, id: str) -> str:
    """A commit's id for JetStream, which tells duplicates over the whole stream: another on each subject."""
    return urlsafe_b64encode(blake2b(f"{id} {subject}".encode(), digest_size=12).digest()).decode()


def _check(config: dict[str, Any], replicas: int) -> None:
    """Raises UnsafeJournal."""
    wrong = [f"{name} is {config.get(name)!r}" for name, value in CONFIG.items() if config.get(name, 0) != value]
    wrong += [f"{name} is set" for name in FORBIDDEN if config.get(name)]
    if config.get("persist_mode", "default") not in ("", "default"):
        wrong.append("persist_mode is not the default")
    if wrong:
        raise UnsafeJournal(f"stream {STREAM} could lose or change entries: {', '.join(sorted(wrong))}")
    if config.get("num_replicas") != replicas:
        log.warning("the journal has %s replicas, not %s as set", config.get("num_replicas"), replicas)


def _retrieve(task: asyncio.Task[int]) -> None:
    """A failed question is not complained of when all who asked have gone."""
    if not task.cancelled():
        task.exception()
