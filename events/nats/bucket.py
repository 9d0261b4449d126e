"""A bucket: the newest value of each key, on NATS; laid out as NATS' own key-value buckets are.

Its journal-like guard is the key's revision, the sequence in the bucket's stream. A removed key leaves a mark for an
hour. Source: NATS ADR-8 "JetStream based Key-Value Stores"; ADR-31 "Direct Get"; ADR-43 for the marks' lifetime.
"""

from __future__ import annotations

import asyncio
import logging
from base64 import b64decode
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from events.journal import Stale, Unavailable
from events.nats.reader import Reader
from events.nats.streams import CONFLICT, GUARD, IN_FLIGHT, NO_MESSAGE, NO_STREAM, last_sequence
from events.nats.wire import ApiError, Message, NoAnswer, Wire

MARK_LIFE = "1h"
REMOVED = ("DEL", "PURGE")
CHUNK = b"\r\n"
MOST = 1024  # keys that one question may be answered with

log = logging.getLogger("cumulog.bucket")


class Item(Struct, frozen=True, gc=False):
    """A key as it stands."""

    key: str
    revision: int
    value: bytes | None  # None: removed
    headers: dict[str, str]


Deliver = Callable[[Item], None]


class Watch(Protocol):
    """A reader that follows a bucket."""

    async def caught_up(self) -> None:
        """Return once everything that stood there at the beginning is delivered."""

    async def stop(self) -> None: ...


class Bucket:
    """The newest values by key. Keys are dots and tokens of subjects."""

    def __init__(self, wire: Wire, name: str, *, deadline: float = 10.0) -> None:
        self._wire = wire
        self.stream = f"KV_{name}"
        self.prefix = f"$KV.{name}."
        self._deadline = deadline

    @classmethod
    async def open(
        cls, wire: Wire, name: str, *, replicas: int = 1, republish: str = "", deadline: float = 10.0
    ) -> Bucket:
        """The bucket, made if there is none; each change is also said on `republish`.<key>. Raises Unavailable."""
        bucket = cls(wire, name, deadline=deadline)
        config: dict[str, Any] = {
            "name": bucket.stream,
            "subjects": [bucket.prefix + ">"],
            "storage": "file",
            "max_msgs_per_subject": 1,
            "discard": "new",
            "allow_rollup_hdrs": True,
            "allow_msg_ttl": True,
            "allow_direct": True,
            "deny_delete": True,
            "num_replicas": replicas,
        }
        if republish:
            config["republish"] = {"src": bucket.prefix + ">", "dest": republish + ".>"}
        try:
            async with asyncio.timeout(deadline):
                await bucket._ensure(config)
        except TimeoutError as fault:
            raise Unavailable("JetStream does not answer") from fault
        return bucket

    async def _ensure(self, config: dict[str, Any]) -> None:
        verb = "INFO"
        while True:
            await self._wire.connected()
            try:
                await self._wire.api(f"STREAM.{verb}.{self.stream}", config if verb == "CREATE" else None)
                return
            except NoAnswer as fault:
                log.debug("JetStream does not answer yet: %s", fault)
            except ApiError as fault:
                if fault.number == NO_STREAM and verb == "INFO":
                    verb = "CREATE"
                    continue
                log.warning("bucket %s cannot be opened yet: %s", self.stream, fault)
                verb = "INFO"
            await asyncio.sleep(0.02)

    async def put(self, key: str, value: bytes, headers: dict[str, str] | None = None, *, expected: int | None) -> int:
        """Set a key whose revision is `expected` (0: none; None: whatever); the new one. Raises Stale, Unavailable.

        Stale may also mean that this very put was stored and its acknowledgement lost.
        """
        headers = dict(headers or {})
        if expected is not None:
            headers[GUARD] = str(expected)
        while True:
            answer = await self._wire.ask(self.prefix + key, value, headers or None, timeout=self._deadline)
            ack = msgspec.json.decode(answer.data)
            error = ack.get("error")
            if error is None:
                revision: int = ack["seq"]
                return revision
            if error.get("err_code") == CONFLICT and (last := last_sequence(error)) is not None:
                raise Stale(last)
            if error.get("err_code") != IN_FLIGHT:
                raise Unavailable(f"{self.stream} refuses to store: {error.get('description')}")
            await asyncio.sleep(0.001)

    async def purge(self, key: str, headers: dict[str, str] | None = None, *, expected: int | None) -> int:
        """Remove a key; the mark's revision. Raises Stale, Unavailable."""
        mark = {"KV-Operation": "PURGE", "Nats-Rollup": "sub", "Nats-TTL": MARK_LIFE}
        return await self.put(key, b"", {**(headers or {}), **mark}, expected=expected)

    async def get(self, key: str) -> Item | None:
        """The key as it stands, asked of the leader; None if it never was, or long ago. Raises Unavailable."""
        found = await self._stored({"last_by_subj": self.prefix + key})
        if found is None:
            return None
        return _item(key, found["seq"], b64decode(found.get("data", "")), _headers(b64decode(found.get("hdrs", ""))))

    async def _stored(self, which: dict[str, Any]) -> dict[str, Any] | None:
        """One stored message, asked of the leader; None if there is none. Raises Unavailable."""
        subject = f"$JS.API.STREAM.MSG.GET.{self.stream}"
        data = (await self._wire.ask(subject, msgspec.json.encode(which), timeout=self._deadline)).data
        answer: dict[str, Any] = msgspec.json.decode(data)
        if "error" not in answer:
            message: dict[str, Any] = answer["message"]
            return message
        if answer["error"].get("err_code") == NO_MESSAGE:
            return None
        raise Unavailable(f"{self.stream} cannot be read: {answer['error'].get('description')}")

    async def last(self) -> int:
        """The newest revision of all. Raises Unavailable."""
        answer = await self._wire.ask(f"$JS.API.STREAM.INFO.{self.stream}", timeout=self._deadline)
        state: dict[str, Any] | None = msgspec.json.decode(answer.data).get("state")
        if state is None:
            raise Unavailable(f"{self.stream} cannot be read")
        sequence: int = state["last_seq"]
        return sequence

    async def newer(self, under: str, revision: int) -> list[Item] | None:
        """What has changed under first tokens since a revision, marks too, in order; None: it is too much, or not sure.

        The leader says whether there is anything, any replica may tell what: one that lags lacks what the leader found.
        Of what was removed nothing is known any more when its mark has expired. Raises Unavailable.
        """
        which = {"seq": revision + 1, "next_by_subj": f"{self.prefix}{under}.>"}
        first = await self._stored(which)
        if first is None:
            return []
        found, end = await self._wire.batch(self.stream, {**which, "batch": MOST})
        items = [self._told(message) for message in found]
        is_whole = end.get("Status") == "204" and end.get("Nats-Num-Pending") == "0"
        return items if is_whole and items and items[-1].revision >= first["seq"] else None

    async def keys(self, under: str = "") -> list[str]:
        """All keys, or those under first tokens, `*` for any; also what was removed lately. Raises Unavailable."""
        only = f"{self.prefix}{under}.>" if under else f"{self.prefix}>"
        found: list[str] = []
        while True:
            question = msgspec.json.encode({"subjects_filter": only, "offset": len(found)})
            subject = f"$JS.API.STREAM.INFO.{self.stream}"
            answer = msgspec.json.decode((await self._wire.ask(subject, question, timeout=self._deadline)).data)
            if "state" not in answer:
                raise Unavailable(f"{self.stream} cannot be read")
            page = answer["state"].get("subjects") or {}
            found += [name[len(self.prefix) :] for name in page]
            if not page or len(found) >= answer.get("total", 0):
                return sorted(found)

    async def standing(self, keys: str) -> tuple[int, list[Item]] | None:
        """A revision, and what stood at that time under keys with wildcards, marks too; None: it is too much.

        A tenth of what `items` costs NATS, which looks through all keys for each consumer. Raises Unavailable.
        """
        last: int | None = None
        question = {"multi_last": [self.prefix + keys], "batch": MOST}
        try:
            async with asyncio.timeout(self._deadline):
                while True:
                    await self._wire.connected()
                    found, end = await self._wire.batch(self.stream, question)
                    status, pending = end.get("Status"), end.get("Nats-Num-Pending", "0")
                    if status == "204" and pending == "0":
                        items = map(self._told, found)
                        return int(end["Nats-UpTo-Sequence"]), sorted(items, key=lambda item: item.key)
                    if status in ("204", "413"):
                        return None
                    if status == "404" and last is not None:
                        return last, []
                    if status == "404":
                        last = await self.last()
                    else:
                        await asyncio.sleep(0.05)
        except TimeoutError as fault:
            raise Unavailable(f"{self.stream} cannot be read") from fault

    def _told(self, message: Message) -> Item:
        headers = message.headers or {}
        key = headers["Nats-Subject"][len(self.prefix) :]
        return _item(key, int(headers["Nats-Sequence"]), message.data, headers)

    async def items(self, under: str = "") -> list[Item]:
        """All that stands there now, under a key's first tokens if they are given, by key. Raises Unavailable."""
        found: dict[str, Item] = {}
        watch = await self.watch(under, lambda item: found.update({item.key: item}))
        try:
            async with asyncio.timeout(self._deadline):
                await watch.caught_up()
        except TimeoutError as fault:
            raise Unavailable(f"{self.stream} cannot be read") from fault
        finally:
            await watch.stop()
        return [item for _, item in sorted(found.items()) if item.value is not None]

    async def watch(self, under: str, deliver: Deliver) -> BucketWatch:
        """Call `deliver` with what stands under the first tokens of a key, then with every change. Raises Unavailable.

        What changes twice at once, or while NATS is away, is delivered as it then stands.
        """
        watch = BucketWatch(self._wire, self.stream, self.prefix, under, deliver)
        await watch.reader.start(self._deadline)
        return watch


class BucketWatch:
    """Follows a bucket. A new consumer tells all keys anew: known revisions are dropped, missing keys are gone."""

    def __init__(self, wire: Wire, stream: str, prefix: str, under: str, deliver: Deliver) -> None:
        self.reader = Reader(wire, stream, self, headers=True)
        self._cut = len(prefix)
        self._filter = f"{prefix}{under}.>" if under else f"{prefix}>"
        self._deliver = deliver
        self._known: dict[str, tuple[int, dict[str, str]]] = {}  # key -> revision and headers
        self._told: set[str] | None = None  # the keys that the present consumer has told; None: it has told all
        self._caught_up = asyncio.Event()

    async def caught_up(self) -> None:
        await self._caught_up.wait()

    async def stop(self) -> None:
        await self.reader.stop()

    def config(self) -> dict[str, Any]:
        return {"deliver_policy": "last_per_subject", "filter_subject": self._filter}

    def begin(self, pending: int) -> None:
        self._told = set()
        if not pending:
            self.idle()

    def take(self, subject: str, data: bytes, headers: dict[str, str], sequence: int, pending: int) -> bool:
        key = subject[self._cut :]
        if self._told is not None:
            self._told.add(key)
        known = self._known.get(key)
        if known is None or sequence > known[0]:
            item = _item(key, sequence, data, headers)
            if item.value is not None:
                self._known[key] = (sequence, headers)
                self._deliver(item)
            elif known is not None:
                del self._known[key]
                self._deliver(item)
        if not pending:
            self.idle()
        return True

    def gone(self) -> None:
        pass

    def idle(self) -> None:
        """All is told."""
        if self._told is None:
            return
        for key in [key for key in self._known if key not in self._told]:
            revision, headers = self._known.pop(key)
            self._deliver(Item(key, revision, None, headers))
        self._told = None
        self._caught_up.set()


def _item(key: str, revision: int, data: bytes, headers: dict[str, str]) -> Item:
    removed = headers.get("KV-Operation") in REMOVED or "Nats-Marker-Reason" in headers
    return Item(key, revision, None if removed else data, headers)


def _headers(block: bytes) -> dict[str, str]:
    lines = (line.partition(b":") for line in block.split(CHUNK)[1:] if line)
    return {name.decode(): value.strip().decode() for name, _, value in lines}
