"""Assignments: what each host is to hold, the newest wanted state of each resource.

A bucket, `assignments`, keys `<host>.<kind>.<id>`. An entry holds the journal's sequence of its state, and only a
higher one replaces it. Handlers write; an agent hears `assigned.<host>.>`, on which the bucket's changes are said
again, and calls `assignments.<host>` for what stands there: at the start, after each reconnect, and every minute, for
what is said can be lost. What it knows already it is not told again: mostly the answer is that nothing is newer. It is
given no part of JetStream, whose answers could be led into the journal.
Source: DESIGN, "Hard cases, decided", 9.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from random import Random

import msgspec
from msgspec import Struct

from events.journal import Stale, Unavailable
from events.nats.bucket import Bucket, Item, Watch
from events.nats.wire import Faulty, Message, Service, Subscription, Wire
from events.patience import growing
from events.subjects import token, untoken

BUCKET = "assignments"
SAID = "assigned"
ASK = "ask"  # `assigned.<host>.ask`: a question to a host's agent, that stands nowhere
NAME = "Cumulog-Entry"
PAGE = 1 << 20  # bytes of entries in one answer to an agent, after which it asks for more
REFRESH = 60.0  # seconds between an agent's looks at everything, give or take a half
TRUSTED = 1200.0  # seconds after which a look is at everything again: marks of what was removed live for an hour
REMEMBERED = 200_000  # entries whose revisions a process keeps: those that others removed too, so not for ever
AT_ONCE = 8  # agents that one process tells at a time
WAITING = 56
CALL, ATTEMPT = 60.0, 10.0  # seconds that an agent waits for a page: it may be a large one, and it may have its turn
PAUSES = (0.5, 8.0)  # seconds before an agent tries again to read what it is to hold

log = logging.getLogger("cumulog.assignments")


class Assignment(Struct, frozen=True, gc=False):
    """One resource as a host is to hold it."""

    host: str
    kind: str
    id: str
    sequence: int  # of the state, in the journal; 0: not known, for the entry is gone
    data: bytes | None  # None: the entry is gone


Deliver = Callable[[Assignment], None]


Take = Callable[[str, str, bytes | None], None]  # kind, id, what stands there


class MemoryAssignments:
    """The assignments' meaning, in memory: for replays, tests and simulations."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str, str], tuple[int, bytes | None]] = {}
        self._takers: dict[str, list[Take]] = {}  # by host

    async def put(self, host: str, kind: str, id: str, data: bytes, sequence: int) -> bool:
        newest, _ = self.entries.get((host, kind, id), (0, None))
        return newest < sequence and self._write(host, kind, id, data, sequence)

    async def purge(self, host: str, kind: str, id: str, sequence: int) -> bool:
        newest, _ = self.entries.get((host, kind, id), (0, None))
        return newest <= sequence and self._write(host, kind, id, None, sequence)

    async def names(self, kind: str) -> list[tuple[str, str]]:
        return [(host, id) for (host, one, id), (_, data) in self.entries.items() if one == kind and data is not None]

    async def standing(self, kind: str, id: str) -> dict[str, bytes]:
        entries = self.entries.items()
        return {host: data for (host, *what), (_, data) in entries if what == [kind, id] and data is not None}

    def _write(self, host: str, kind: str, id: str, data: bytes | None, sequence: int) -> bool:
        self.entries[host, kind, id] = (sequence, data)
        for take in self._takers.get(host, ()):
            take(kind, id, data)
        return True

    def follow(self, host: str, take: Take) -> None:
        """Have `take` called with all that stands for a host, and with what comes."""
        self._takers.setdefault(host, []).append(take)
        self.tell(host, take)

    def tell(self, host: str, take: Take) -> None:
        """Call `take` with all that stands for a host, what was taken away too."""
        for (one, kind, id), (_, data) in list(self.entries.items()):
            if one == host:
                take(kind, id, data)

    def leave(self, host: str, take: Take) -> None:
        """Call it no more."""
        self._takers[host].remove(take)


class Assignments:
    """What all hosts are to hold: for gateway and handlers."""

    def __init__(self, wire: Wire, bucket: Bucket) -> None:
        self._wire = wire
        self._bucket = bucket
        self._known: dict[str, tuple[int, int]] = {}  # key -> revision, sequence: as last written or read here

    @classmethod
    async def open(cls, wire: Wire, *, replicas: int = 1, deadline: float = 10.0) -> Assignments:
        """Raises Unavailable."""
        return cls(wire, await Bucket.open(wire, BUCKET, replicas=replicas, republish=SAID, deadline=deadline))

    async def put(self, host: str, kind: str, id: str, data: bytes, sequence: int) -> bool:
        """Have a host hold `data`; False if the entry is as new already. Raises Unavailable."""
        return await self._write((host, kind, id), data, sequence)

    async def purge(self, host: str, kind: str, id: str, sequence: int) -> bool:
        """Remove the entry of a state; False if a newer one stands there. Raises Unavailable."""
        return await self._write((host, kind, id), None, sequence)

    async def _write(self, name: tuple[str, str, str], data: bytes | None, sequence: int) -> bool:
        key, headers = place(*name, sequence)
        revision, newest = self._known.get(key, (0, 0))
        while newest < sequence or (data is None and newest == sequence and revision):
            try:
                if data is None:
                    await self._bucket.purge(key, headers, expected=revision)
                    self._known.pop(key, None)
                else:
                    self._known[key] = (await self._bucket.put(key, data, headers, expected=revision), sequence)
                    if len(self._known) > REMEMBERED:
                        del self._known[next(iter(self._known))]  # the oldest: at worst its next put is refused once
                return True
            except Stale:
                found = await self._bucket.get(key)
                revision, newest = (found.revision, _assignment(found).sequence) if found else (0, 0)
                if found is not None and found.value is None and data is None:
                    return newest <= sequence  # somebody has removed it already
        return False

    async def names(self, kind: str) -> list[tuple[str, str]]:
        """Host and id of each entry of a kind, and of those that were removed lately. Raises Unavailable.

        What has a name so long that only its hash is kept is left out.
        """
        found = []
        for key in await self._bucket.keys(f"*.{token(kind)}"):
            host, _, id = key.split(".")
            with suppress(ValueError):
                found.append((untoken(host), untoken(id)))
        return found

    async def standing(self, kind: str, id: str) -> dict[str, bytes]:
        """The entries of one resource, by host; none if they are too many for one question. Raises Unavailable."""
        found = await self._bucket.standing(f"*.{token(kind)}.{token(id)}")
        entries = (_assignment(item) for item in (found[1] if found else ()) if item.value is not None)
        return {one.host: one.data for one in entries if one.data is not None}

    async def watch(self, host: str | None, deliver: Deliver) -> Watch:
        """Call `deliver` with the entries of a host, or of all, and with every change. Raises Unavailable."""
        return await self._bucket.watch(
            token(host) if host is not None else "", lambda item: deliver(_assignment(item))
        )

    async def serve(self) -> Service:
        """Answer the agents' questions until stopped; one of all who serve answers each."""
        return await self._wire.serve(f"{BUCKET}.*", BUCKET, self._answer, at_once=AT_ONCE, waiting=WAITING)

    async def _answer(self, subject: str, payload: bytes) -> bytes:
        question = msgspec.json.decode(payload, type=_Question)
        host = subject.partition(".")[2]
        if question.since and (news := await self._news(host, question)) is not None:
            return msgspec.json.encode(news)
        revision, found, since = await self._read(host)
        items = [item for item in found if item.key > question.after]
        entries: list[_Entry] = []
        size = 0
        for item in items:
            size += _size(item)
            if entries and size > PAGE:
                break
            entries.append(_entry(item))
        return msgspec.json.encode(_Answer(revision, entries, len(entries) < len(items), since=since))

    async def _news(self, host: str, question: _Question) -> _Answer | None:
        """What an agent that knows everything up to a revision does not know yet; None: it is to be told everything."""
        items = await self._bucket.newer(host, question.since)
        if items == []:
            return _Answer(question.since, [], False, same=True)
        if items is None or not question.takes_news or sum(map(_size, items)) > PAGE:
            return None
        return _Answer(items[-1].revision, [*map(_entry, items)], False, since=items[-1].revision, is_news=True)

    async def _read(self, host: str) -> tuple[int, list[Item], int]:
        """A revision, what stood then or came since, and the revision of which nothing up to then is missing, or 0."""
        standing = await self._bucket.standing(f"{host}.>")
        if standing is not None:
            revision, items = standing
            return revision, [item for item in items if item.value is not None], revision
        revision = await self._bucket.last()
        return revision, await self._bucket.items(host), 0


class _Question(Struct, frozen=True):
    after: str = ""  # the last key of the page before
    since: int = 0  # the revision up to which the agent knows everything; 0: none
    takes_news: bool = False  # whether it may be told only what is newer: an older agent takes that for all


class _Entry(Struct, frozen=True, array_like=True):
    key: str
    revision: int
    assignment: Assignment


class _Answer(Struct, frozen=True):
    revision: int  # of the bucket, before it was read
    entries: list[_Entry]
    more: bool
    same: bool = False  # nothing is newer than what the agent knows
    since: int = 0  # what it may say next time that it knows: all up to this revision; 0: it is to ask for everything
    is_news: bool = False  # the entries are what is newer than what the agent knows, marks too; not all that stands


class OwnAssignments:
    """What one host is to hold, as its agent hears of it: with an agent's credentials. A Watch."""

    def __init__(self, wire: Wire, host: str, deliver: Deliver, refresh: float = REFRESH) -> None:
        self._wire = wire
        self._host = token(host)
        self._deliver = deliver
        self._refresh = refresh
        self._random = Random()
        self._since = 0  # the revision up to which everything is known; 0: none
        self._trusted = 0.0  # until when that counts, in the loop's time
        self._held: dict[str, tuple[int, Assignment]] = {}  # key -> revision and entry
        self._gone: dict[str, int] = {}  # key -> revision of its mark, until a look at everything is newer
        self._caught_up = asyncio.Event()
        self._look = asyncio.Event()
        self._subscription: Subscription | None = None
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def watch(cls, wire: Wire, host: str, deliver: Deliver, *, refresh: float = REFRESH) -> OwnAssignments:
        """Call `deliver` with the entries of this host and with every change."""
        own = cls(wire, host, deliver, refresh)
        own._subscription = await wire.listen(f"{SAID}.{own._host}.>", own._hear)
        wire.listeners.append(own._look.set)
        own._task = asyncio.create_task(own._run(), name=f"assignments of {host}")
        return own

    async def caught_up(self) -> None:
        await self._caught_up.wait()

    async def stop(self) -> None:
        if self._task is None or self._subscription is None:
            return
        self._wire.listeners.remove(self._look.set)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        await self._wire.unlisten(self._subscription)

    async def _hear(self, message: Message) -> None:
        headers = message.headers or {}
        if NAME in headers and "Nats-Sequence" in headers:
            removed = "KV-Operation" in headers
            item = Item(message.subject[len(SAID) + 1 :], 0, None if removed else message.data, headers)
            self._take(item.key, int(headers["Nats-Sequence"]), _assignment(item))

    def _take(self, key: str, revision: int, assignment: Assignment) -> None:
        known = self._held[key][0] if key in self._held else self._gone.get(key, 0)
        if revision <= known:
            return
        if assignment.data is None:
            self._gone[key] = revision
            held = self._held.pop(key, None) is not None
        else:
            self._held[key] = (revision, assignment)
            self._gone.pop(key, None)
            held = True
        if held:
            self._deliver(assignment)

    async def _run(self) -> None:
        pauses = growing(self._random, *PAUSES)
        while True:
            self._look.clear()
            try:
                await self._look_at_all()
                self._caught_up.set()
            except (Unavailable, Faulty, msgspec.DecodeError) as fault:
                log.warning("the assignments of this host cannot be read now: %s", fault)
                await asyncio.sleep(next(pauses))
                continue
            pauses = growing(self._random, *PAUSES)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._refresh * (0.5 + self._random.random())):
                    await self._look.wait()

    async def _look_at_all(self) -> None:
        found: dict[str, _Entry] = {}
        now = asyncio.get_running_loop().time()
        after, since, known, revision, more = "", self._since if now < self._trusted else 0, 0, None, True
        while more:
            question = msgspec.json.encode(_Question(after, since, takes_news=True))
            data = await self._wire.call(f"{BUCKET}.{self._host}", question, CALL, ATTEMPT)
            answer = msgspec.json.decode(data, type=_Answer)
            if answer.same:
                return
            if answer.is_news:
                for entry in answer.entries:
                    self._take(entry.key, entry.revision, entry.assignment)
                self._since = answer.since
                return
            found.update((entry.key, entry) for entry in answer.entries)
            if revision is None:
                revision, known = answer.revision, answer.since
            more = answer.more and bool(answer.entries)
            after, since = answer.entries[-1].key if answer.entries else after, 0
        assert revision is not None
        for entry in found.values():
            self._take(entry.key, entry.revision, entry.assignment)
        for key, (held, assignment) in list(self._held.items()):
            if held <= revision and key not in found:
                del self._held[key]
                self._deliver(msgspec.structs.replace(assignment, sequence=0, data=None))
        self._gone = {key: mark for key, mark in self._gone.items() if mark > revision}
        self._since, self._trusted = known, now + TRUSTED


def place(host: str, kind: str, id: str, sequence: int) -> tuple[str, dict[str, str]]:
    """The key of an entry in the bucket, and the headers that name it in full: a key may be but a hash."""
    return ".".join(map(token, (host, kind, id))), {NAME: msgspec.json.encode((host, kind, id, sequence)).decode()}


def _entry(item: Item) -> _Entry:
    return _Entry(item.key, item.revision, _assignment(item))


def _size(item: Item) -> int:
    """Bytes that an entry takes in an answer, about."""
    return len(item.value or b"") + 256


def _assignment(item: Item) -> Assignment:
    host, kind, id, sequence = _name(item)
    return Assignment(host, kind, id, sequence, item.value)


def _name(item: Item) -> tuple[str, str, str, int]:
    if NAME in item.headers:
        return msgspec.json.decode(item.headers[NAME], type=tuple[str, str, str, int])
    host, kind, id = item.key.split(".")  # its mark has expired; the key is all there is
    return host, kind, id, 0
