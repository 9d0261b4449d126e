"""The journal on NATS JetStream.

One stream for each epoch (streams.py), the newest on subjects `ev.>`. A message's guard is the last sequence on
exactly its subject, and the stream that its writer expects. Source: DESIGN, "The journal"; ADR-8 (error 10071).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Self, TypeVar

import msgspec

from events.journal import Deliver, Earlier, Entry, Epoch, Moved, Stale, Unavailable
from events.nats.streams import (
    GUARD,
    IN_FLIGHT,
    NO_STREAM,
    OTHER_STREAM,
    SUBJECTS,
    Streams,
    last_sequence,
    payload,
    stream,
)
from events.nats.tail import JetStreamTail
from events.nats.wire import ApiError, Message, NoAnswer, Wire

STREAM = stream(1)
EXPECTED = "Nats-Expected-Stream"
BATCH = 1_000  # entries of one subject that are asked for at a time
NO_JOURNAL = "NATS tells of no journal, though this cloud has had one"

T = TypeVar("T")

log = logging.getLogger("cumulog.journal")


class JetStreamJournal:
    """A journal on streams of NATS."""

    def __init__(self, wire: Wire, *, deadline: float = 10.0) -> None:
        self.wire = wire
        self.deadline = deadline  # seconds that a question is asked again before it is given up
        self.streams = Streams(wire, deadline)
        self._asking = asyncio.Lock()
        self._next: asyncio.Task[int] | None = None

    @classmethod
    async def open(cls, wire: Wire, *, replicas: int = 1, deadline: float = 10.0, is_new: bool = True) -> Self:
        """The journal; its first stream is made if there is none, and if the cloud may be new.

        Raises UnsafeJournal, Unavailable.
        """
        journal = cls(wire, deadline=deadline)
        await journal._ensure(replicas, is_new)
        return journal

    async def _ensure(self, replicas: int, is_new: bool) -> None:
        why, empty = "JetStream does not answer", 0
        try:
            async with asyncio.timeout(self.deadline):
                while True:
                    await self.wire.connected()
                    try:
                        if await self._is_there(replicas):
                            return
                        empty += 1
                        if is_new and (empty > 1 or not self.wire.is_clustered):
                            await self._create(replicas)
                        elif self.wire.is_clustered:  # one that has just started may not know all its streams yet
                            why = NO_JOURNAL
                            await asyncio.sleep(0.5)
                        else:
                            raise Unavailable(NO_JOURNAL)
                    except NoAnswer as fault:
                        log.debug("JetStream does not answer yet: %s", fault)
                    except ApiError as fault:
                        log.debug("JetStream is not ready yet: %s", fault)
                    await asyncio.sleep(0.005)
        except TimeoutError as fault:
            raise Unavailable(why) from fault

    async def _is_there(self, replicas: int) -> bool:
        """Whether NATS tells of the journal, which is looked at then. Raises UnsafeJournal, NoAnswer, ApiError."""
        numbers = await self.streams.numbers()
        for number in numbers:
            await self.streams.check(number, replicas if number == numbers[-1] else None)
        if numbers:
            await self.streams.look()
        return bool(numbers)

    async def _create(self, replicas: int) -> None:
        try:
            await self.streams.make_first(replicas)
        except ApiError as fault:
            log.warning("the journal cannot be made yet: %s", fault)
            await asyncio.sleep(0.2)

    # Writing

    async def append(self, subject: str, data: bytes, *, expected: int, epoch: int = 1) -> int:
        """As the journal's; a retry goes on until the deadline."""
        headers = {GUARD: str(expected)}  # which, if it is met, says the stream too, but for a subject's first
        if expected == 0:
            headers[EXPECTED] = stream(epoch)
        end = asyncio.get_running_loop().time() + self.deadline
        while True:
            left = end - asyncio.get_running_loop().time()
            answer = msgspec.json.decode((await self.wire.ask(subject, data, headers, timeout=left)).data)
            error = answer.get("error")
            if error is None:
                sequence: int = answer["seq"]
                return sequence
            number = error.get("err_code")
            if number == IN_FLIGHT:  # another write on the subject is on its way through the cluster
                await asyncio.sleep(0.001)
                continue
            if number == OTHER_STREAM:
                raise Moved
            last = last_sequence(error)
            if last is None:
                raise Unavailable(f"the journal refuses to store: {error.get('description')}")
            if last < expected and EXPECTED not in headers:  # another stream, or a leader that lags
                headers[EXPECTED] = stream(epoch)
                continue
            try:
                own = await self._own(subject, data, expected, epoch) if last > expected else None
            except Unavailable:  # the leader was just elected, and not all of NATS has heard of it
                await asyncio.sleep(0.02)
                continue
            if own is None:
                raise Stale(last)
            return own

    async def _own(self, subject: str, data: bytes, after: int, epoch: int) -> int | None:
        """The sequence of our own write whose acknowledgement was lost, however many others wrote since."""
        while (found := await self._message(epoch, {"seq": after + 1, "next_by_subj": subject})) is not None:
            after = found["seq"]
            if payload(found) == data:
                return after
        return None

    async def find(self, subject: str, data: bytes, *, after: int, epoch: int) -> int | None:
        """As the journal's."""
        at = await self._at(epoch)
        found = await self._own(subject, data, max(after, at.first - 1), epoch)
        return found if found is None or at.last is None or found <= at.last else None

    async def _at(self, epoch: int) -> Epoch:
        found = next((one for one in await self.epochs() if one.number == epoch), None)
        if found is None:
            raise Unavailable(f"the journal has no epoch {epoch}")
        return found

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
            while True:
                asked = self.streams.newest
                message = await self._leader(f"$JS.API.STREAM.INFO.{stream(asked)}")
                answer = msgspec.json.decode(message.data, type=_Info)
                if answer.state is not None and answer.config is not None and SUBJECTS in answer.config.subjects:
                    return answer.state.last_seq
                why = (answer.error or {}).get("err_code")
                if why in (None, NO_STREAM):  # the epoch has ended
                    await self.streams.look()
                if self.streams.newest == asked:
                    if answer.state is None:
                        raise Unavailable(f"the journal cannot be read: {(answer.error or {}).get('description')}")
                    return answer.state.last_seq  # and the next one has not begun

    async def _leader(self, subject: str) -> Message:
        return await self.wire.ask(subject, timeout=self.deadline)

    async def _message(self, epoch: int, which: dict[str, Any]) -> dict[str, Any] | None:
        """One stored message, asked of the leader."""
        try:
            return await self.streams.message(epoch, which)
        except ApiError as fault:
            raise Unavailable(f"the journal cannot be read: {fault}") from fault

    async def of(self, subject: str, after: int = 0) -> list[Entry]:
        """As the journal's: the leader says up to where, any replica may deliver, the leader what is lacking."""
        await self.last()  # which finds out about new epochs

        async def read(epochs: list[Epoch]) -> list[Entry]:
            entries: list[Entry] = []
            for epoch in epochs:
                if epoch.last is None or epoch.last > after:
                    entries += await self._of(subject, max(after, epoch.first - 1), epoch)
            return entries

        return await self._in_all(read)

    async def newest(self, subject: str, epoch: int) -> Entry | None:
        """As the journal's."""
        found = await self._message(epoch, {"last_by_subj": subject})
        return Entry(found["seq"], subject, payload(found)) if found else None

    async def _of(self, subject: str, after: int, epoch: Epoch) -> list[Entry]:
        """Raises ApiError."""
        newest = await self.streams.message(epoch.number, {"last_by_subj": subject})
        if newest is None or newest["seq"] <= after:
            return []
        entries: list[Entry] = []
        position, last = after, newest["seq"]
        while position < last and (some := await self._batch(subject, position, epoch.number)):
            entries += some
            position = some[-1].sequence
        while position < last:
            found = await self.streams.message(epoch.number, {"seq": position + 1, "next_by_subj": subject})
            if found is None:
                break
            position = found["seq"]
            entries.append(Entry(position, subject, payload(found)))
        return [entry for entry in entries if epoch.last is None or entry.sequence <= epoch.last]

    async def _batch(self, subject: str, after: int, epoch: int) -> list[Entry]:
        """Entries as some replica has them; fewer than there are if it lags, or none if it does not answer."""
        question = {"seq": after + 1, "next_by_subj": subject, "batch": BATCH}
        found, end = await self.wire.batch(stream(epoch), question)
        if not end:
            log.debug("a batch of %s did not end", subject)
        entries = [Entry(int((one.headers or {})["Nats-Sequence"]), subject, one.data) for one in found]
        return [entry for n, entry in enumerate(entries) if n == 0 or entry.sequence > entries[n - 1].sequence]

    async def tail(self, after: int, deliver: Deliver, past: Earlier | None = None) -> JetStreamTail:
        """As the journal's. Raises Unavailable, also if the journal ends before what was already read of it."""
        if (last := await self.last()) < after:
            raise Unavailable(f"the journal ends at {last}, but was read up to {after}: it has lost its end")
        epochs = await self.streams.look()  # some may have been dropped
        at = next((one for one in reversed(epochs) if one.first <= after + 1), None)
        if at is None:
            raise Unavailable(f"the journal begins at {epochs[0].first}")
        tail = JetStreamTail(self.wire, self.epochs, at.number, after, deliver, past)
        await tail.start(self.deadline, is_over=at.last is not None and at.last <= after)
        return tail

    # Epochs

    async def epochs(self) -> list[Epoch]:
        """As the journal's."""
        return list(await self.streams.look())

    async def earlier(self, subject: str, before: int) -> tuple[bool, int]:
        """As the journal's."""

        async def look(epochs: list[Epoch]) -> tuple[bool, int]:
            ended = [one.number for one in epochs if one.number < before]
            for number in ended:
                if await self.streams.message(number, {"last_by_subj": subject}) is not None:
                    return True, ended[0]
            return False, ended[0] if ended else before

        return await self._in_all(look)

    async def _in_all(self, ask: Callable[[list[Epoch]], Awaitable[T]]) -> T:
        """What `ask`, which may raise ApiError, finds in all epochs; once more if one is dropped meanwhile."""
        while True:
            try:
                return await ask(list(self.streams.known or await self.streams.look()))
            except ApiError as fault:
                if fault.number != NO_STREAM:
                    raise Unavailable(f"the journal cannot be read: {fault}") from fault
            await self.streams.look()

    async def only(self, epoch: int, prefixes: Iterable[str]) -> bool:
        """As the journal's."""
        try:
            return await self.streams.only(epoch, prefixes)
        except ApiError as fault:
            raise Unavailable(f"epoch {epoch} cannot be read: {fault}") from fault

    async def end(self, epoch: int, data: bytes) -> int:
        """As the journal's."""
        return await self.streams.end(epoch, data)

    async def begin(self, epoch: int, first: int) -> None:
        """As the journal's."""
        await self.streams.begin(epoch, first)

    async def drop(self, epoch: int) -> None:
        """As the journal's."""
        await self.streams.drop(epoch)


class _State(msgspec.Struct):
    last_seq: int


class _Config(msgspec.Struct):
    subjects: list[str]


class _Info(msgspec.Struct):
    """As much of STREAM.INFO's answer as is wanted."""

    state: _State | None = None
    config: _Config | None = None
    error: dict[str, Any] | None = None


def _retrieve(task: asyncio.Task[int]) -> None:
    """A failed question is not complained of when all who asked have gone."""
    if not task.cancelled():
        task.exception()
