"""The journal's streams: one for each epoch, `JOURNAL_0001` the first, append-only for ever, without limits.

An epoch ends in three steps, each of which may be repeated by anybody: its stream's subjects are taken away from it, a
last entry is put on the only subject that is left, and the next stream is made on `ev.>`, from the sequence after that.
The last entry decides, for it stands in the stream's own log: what a leader who has not heard of the new subjects yet
still takes after it is not of the journal.

Of a cluster all servers must be there for it. One that was away makes, when it starts again, the new stream before it
has taken the subjects from the old one, and is refused; for five seconds from a stream's making such a refusal has the
whole stream removed (nats-server 2.15.1). So no epoch is ended while a server is away, and none is used before every
server has its stream, or those seconds are over.
Source: JetStream API (ADR-1, ADR-8); DESIGN, "The journal".
"""

from __future__ import annotations

import asyncio
import logging
import re
from base64 import b64decode
from collections.abc import Iterable
from typing import Any

import msgspec

from events.ids import new_hex
from events.journal import CLOSED, Epoch, Unavailable
from events.nats.wire import ApiError, NoAnswer, Wire

SUBJECTS = "ev.>"
GUARD = "Nats-Expected-Last-Subject-Sequence"
ID = "Nats-Msg-Id"
CONFLICT, IN_FLIGHT, NO_STREAM, NO_MESSAGE, OTHER_STREAM = 10071, 10164, 10059, 10037, 10060

# What a stream must be; and what it must not have, for entries would vanish or change without a word.
CONFIG: dict[str, Any] = {
    "name": "JOURNAL_0001",
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
MADE = {"compression": "s2"}  # how a new one is kept: full blocks take a quarter; an older one stays as it is
FORBIDDEN = (
    "no_ack",
    "mirror",
    "sources",
    "subject_transform",
    "allow_msg_ttl",
    "allow_msg_schedules",
    "allow_msg_counter",
)

SEEN = 2.0  # seconds in which a stream's leader hears of every server that is there
REMOVABLE = 6.0  # seconds from a stream's making until no server can have it removed any more
PATIENCE = 3.0  # seconds until a consumer has heard of all that the stream's leader has

log = logging.getLogger("cumulog.journal")
_number = re.compile(r"JOURNAL_(\d{4,})\Z").match
_sequence = re.compile(r"wrong last sequence: (\d+)").search


class UnsafeJournal(Exception):
    """The stream is not as it must be: it could lose or change entries."""


def stream(epoch: int) -> str:
    """The name of an epoch's stream."""
    return f"JOURNAL_{epoch:04}"


def last_sequence(error: dict[str, Any]) -> int | None:
    """The sequence that a refused guard was up against; None if it was refused for something else."""
    found = _sequence(error.get("description", "")) if error.get("err_code") == CONFLICT else None
    return int(found[1]) if found else None


class Streams:
    """The journal's streams, as far as they still are. Everything here may raise Unavailable."""

    def __init__(self, wire: Wire, deadline: float) -> None:
        self._wire = wire
        self._deadline = deadline
        self.known: list[Epoch] = []  # when they were last looked at

    @property
    def newest(self) -> int:
        return self.known[-1].number if self.known else 1

    async def ask(self, verb: str, body: Any = None) -> dict[str, Any]:
        """JetStream's answer, asked for until it comes. Raises ApiError for a refusal."""
        data = b"" if body is None else msgspec.json.encode(body)
        message = await self._wire.ask(f"$JS.API.{verb}", data, timeout=self._deadline)
        answer: dict[str, Any] = msgspec.json.decode(message.data)
        if "error" in answer:
            raise ApiError(answer["error"])
        return answer

    async def numbers(self) -> list[int]:
        """The epochs that have a stream. Raises ApiError."""
        found: list[int] = []
        offset, total = 0, 1
        while offset < total:
            answer = await self.ask("STREAM.NAMES", {"offset": offset})
            names = answer.get("streams") or []
            found += [int(match[1]) for match in map(_number, names) if match]
            offset, total = offset + max(len(names), 1), answer["total"]
        return sorted(found)

    async def look(self) -> list[Epoch]:
        """The epochs as they are now, the oldest first."""
        ends = {one.number: one for one in self.known if one.last is not None}
        try:
            numbers = await self.numbers()
            if self.known and self.newest > max(numbers, default=0):  # an older one may have been dropped meanwhile
                raise Unavailable(f"{stream(self.newest)} is not there")
            self.known = [ends.get(number) or await self._epoch(number, numbers[-1]) for number in numbers]
        except ApiError as fault:
            raise Unavailable(f"the journal's streams cannot be read: {fault}") from fault
        return self.known

    async def _epoch(self, number: int, newest: int) -> Epoch:
        info = await self.ask(f"STREAM.INFO.{stream(number)}")
        is_open = number == newest and SUBJECTS in info["config"]["subjects"]
        return Epoch(number, info["state"]["first_seq"], None if is_open else await self._end_of(number), is_open)

    async def _end_of(self, number: int) -> int | None:
        """The sequence of its last entry; None if it is not there yet."""
        found = await self.message(number, {"last_by_subj": f"{CLOSED}.{number}"})
        return found["seq"] if found else None

    async def message(self, epoch: int, which: dict[str, Any]) -> dict[str, Any] | None:
        """One stored message, asked of the leader. Raises ApiError."""
        try:
            found: dict[str, Any] = (await self.ask(f"STREAM.MSG.GET.{stream(epoch)}", which))["message"]
        except ApiError as fault:
            if fault.number == NO_MESSAGE:
                return None
            raise
        return found

    async def only(self, epoch: int, prefixes: Iterable[str]) -> bool:
        """As the journal's: what a consumer of these would have to deliver is all that there is."""
        total = (await self.ask(f"STREAM.INFO.{stream(epoch)}"))["state"]["messages"]
        name = new_hex()
        config = {
            "name": name,
            "ack_policy": "none",
            "mem_storage": True,  # with the stream's replicas: a single one may be put on a server that is away
            "inactive_threshold": 5_000_000_000,  # nanoseconds
            "filter_subjects": [f"{prefix}.>" for prefix in prefixes],
        }
        body = {"stream_name": stream(epoch), "config": config, "action": "create"}
        made = await self.ask(f"CONSUMER.CREATE.{stream(epoch)}.{name}", body)
        end = asyncio.get_running_loop().time() + PATIENCE
        while made["num_pending"] < total:  # it may be on a server that has yet to hear of the newest
            if asyncio.get_running_loop().time() > end:
                return False
            await asyncio.sleep(0.05)
            made = await self.ask(f"CONSUMER.INFO.{stream(epoch)}.{name}")
        return True

    async def end(self, epoch: int, data: bytes) -> int:
        """As the journal's."""
        name, subject = stream(epoch), f"{CLOSED}.{epoch}"
        try:
            config = (await self.ask(f"STREAM.INFO.{name}"))["config"]
            if config["subjects"] != [subject]:
                await self._check_all_are_there(epoch)
                await self.ask(f"STREAM.UPDATE.{name}", {**config, "subjects": [subject]})
            while (last := await self._end_of(epoch)) is None:
                answer = msgspec.json.decode(
                    (await self._wire.ask(subject, data, {GUARD: "0", ID: new_hex()}, timeout=self._deadline)).data
                )
                number = answer.get("error", {}).get("err_code")
                if number not in (None, CONFLICT, IN_FLIGHT):
                    raise ApiError(answer["error"])
        except ApiError as fault:
            raise Unavailable(f"epoch {epoch} cannot be ended: {fault}") from fault
        return last

    async def _check_all_are_there(self, epoch: int) -> None:
        """Return once the stream's leader has heard of every replica since. Raises Unavailable, ApiError."""
        clock = asyncio.get_running_loop().time
        begin = clock()
        while away := _away(await self.ask(f"STREAM.INFO.{stream(epoch)}"), clock() - begin):
            if clock() - begin > SEEN:
                raise Unavailable(f"epoch {epoch} is not ended while servers of NATS are away: {', '.join(away)}")
            await asyncio.sleep(0.02)

    async def begin(self, epoch: int, first: int) -> None:
        """As the journal's."""
        try:
            former = (await self.ask(f"STREAM.INFO.{stream(epoch - 1)}"))["config"]
            config = {
                **CONFIG,
                **MADE,
                "name": stream(epoch),
                "first_seq": first,
                "num_replicas": former["num_replicas"],
            }
            await self.ask(f"STREAM.CREATE.{stream(epoch)}", config)
            while not await self._stands(epoch):
                log.warning("%s was removed by a server that had been away, and is made again", stream(epoch))
                await self.ask(f"STREAM.CREATE.{stream(epoch)}", config)
        except ApiError as fault:
            raise Unavailable(f"epoch {epoch} cannot begin: {fault}") from fault

    async def _stands(self, epoch: int) -> bool:
        """Whether a new epoch's stream is there to stay: nothing is to be put into it before. Raises ApiError."""
        clock = asyncio.get_running_loop().time
        begin = clock()
        while True:
            try:
                away = _away(await self.ask(f"STREAM.INFO.{stream(epoch)}"), SEEN)
            except ApiError as fault:
                if fault.number == NO_STREAM:
                    return False
                raise
            if not away and clock() - begin < SEEN:
                return True
            if clock() - begin > REMOVABLE:
                names = ", ".join(away)
                log.warning("%s began without %s: restart what was away once more when it is back", epoch, names)
                return True
            await asyncio.sleep(0.02)

    async def drop(self, epoch: int) -> None:
        """As the journal's."""
        assert epoch < self.newest, "the newest epoch is not to be dropped"
        try:
            await self.ask(f"STREAM.DELETE.{stream(epoch)}")
        except ApiError as fault:
            if fault.number != NO_STREAM:
                raise Unavailable(f"epoch {epoch} cannot be dropped: {fault}") from fault
        await self.look()

    async def make_first(self, replicas: int) -> None:
        """The first stream of a new journal. Raises NoAnswer, ApiError."""
        await self._wire.api(
            f"STREAM.CREATE.{stream(1)}", {**CONFIG, **MADE, "name": stream(1), "num_replicas": replicas}
        )
        log.info("the journal begins: %s", stream(1))

    async def check(self, epoch: int, replicas: int | None) -> None:
        """Raises UnsafeJournal, NoAnswer, ApiError."""
        config = (await self._wire.api(f"STREAM.INFO.{stream(epoch)}"))["config"]
        wanted = {**CONFIG, "name": stream(epoch)}
        if config["subjects"] == [f"{CLOSED}.{epoch}"]:
            wanted["subjects"] = config["subjects"]
        else:
            wanted["sealed"] = False
        wrong = [f"{name} is {config.get(name)!r}" for name, value in wanted.items() if config.get(name, 0) != value]
        wrong += [f"{name} is set" for name in FORBIDDEN if config.get(name)]
        if config.get("persist_mode", "default") not in ("", "default"):
            wrong.append("persist_mode is not the default")
        if wrong:
            raise UnsafeJournal(f"stream {stream(epoch)} could lose or change entries: {', '.join(sorted(wrong))}")
        if replicas is not None and config.get("num_replicas") != replicas:
            log.warning("the journal has %s replicas, not %s as set", config.get("num_replicas"), replicas)


def _away(info: dict[str, Any], within: float) -> list[str]:
    """Which servers of a stream lag, or were not heard of within so many seconds by its leader."""
    cluster: dict[str, Any] = info.get("cluster") or {}
    replicas = cluster.get("replicas") or []
    missing = ["its leader"] if cluster and not cluster.get("leader") else []
    missing += ["one of them"] * (info["config"]["num_replicas"] - 1 - len(replicas))
    return missing + [one["name"] for one in replicas if not one.get("current") or one["active"] > within * 1e9]


def payload(message: dict[str, Any]) -> bytes:
    """What a stored message holds."""
    return b64decode(message.get("data", ""))


__all__ = ["NoAnswer", "Streams", "UnsafeJournal", "last_sequence", "payload", "stream"]
