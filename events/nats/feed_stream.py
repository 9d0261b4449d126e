"""The stream FEED: the journal told to consumers, as CloudEvents, for a limited time; and who they are.

    feed.<project>.<service>.<resource>.<id>     project `-` for what is nobody's

A message's sequence in the stream is its commit's in the journal: the stream begins there, every commit is one
message, and each is guarded by the sequence before it. So the stream's last sequence says how far it has come, whoever
filled it, and nothing can be told twice or left out. It exists while there are consumers.

A consumer hears `fed.<name>` and acknowledges, and can do nothing else (access.py): JetStream pushes to it what
it has not acknowledged, from a durable consumer that the cloud made. It has no request to JetStream whose answer it
could lead anywhere. Source: DESIGN 8.7; JetStream API, STREAM.CREATE (`first_seq`), CONSUMER.CREATE.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from events.cloudevents import MEDIA_TYPE, Told, cloudevent
from events.journal import Unavailable
from events.nats.access import FED
from events.nats.reader import SECOND
from events.nats.streams import ID, NO_STREAM, last_sequence
from events.nats.wire import ApiError, NoAnswer, Wire
from events.settings import Feed

STREAM = "FEED"
NOBODY = "-"
GUARD = "Nats-Expected-Last-Sequence"
WINDOW = 200  # messages that a consumer may have without having acknowledged them
NO_CONSUMER = 10014


class Behind(Exception):
    """Somebody else has filled the stream further."""


def subject(one: Told) -> str:
    """Where a commit is told of."""
    return f"feed.{one.head.owner or NOBODY}.{one.subject.partition('.')[2]}"


class FeedStream:
    """The stream, as the cloud sees it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def last(self) -> int | None:
        """The last sequence that was told of; None if there is no stream. Raises Unavailable."""
        try:
            info = await self._wire.api(f"STREAM.INFO.{STREAM}")
        except ApiError as fault:
            if fault.number == NO_STREAM:
                return None
            raise Unavailable(str(fault)) from fault
        except NoAnswer as fault:
            raise Unavailable(str(fault)) from fault
        sequence: int = info["state"]["last_seq"]
        return sequence

    async def fill(self, some: Sequence[Told], source: str) -> None:
        """Tell of commits; before the first comes what the stream has. Raises Behind, Unavailable."""
        answers = await asyncio.gather(*(self._tell(one, source) for one in some), return_exceptions=True)
        for answer in answers:  # in order: what follows a refusal is refused
            if isinstance(answer, BaseException):
                raise answer

    async def _tell(self, one: Told, source: str) -> None:
        headers = {GUARD: str(one.sequence - 1), ID: str(one.sequence), "Content-Type": MEDIA_TYPE}
        try:
            message = await self._wire.request(subject(one), cloudevent(one, source), headers)
        except NoAnswer as fault:
            raise Unavailable(str(fault)) from fault
        error = msgspec.json.decode(message.data).get("error")
        if error is not None and last_sequence(error) is not None:
            raise Behind(error.get("description"))
        if error is not None:
            raise Unavailable(error.get("description", "the feed takes nothing"))

    # Who hears it

    async def admit(self, name: str, project: str | None, after: int, settings: Feed, *, replicas: int = 1) -> None:
        """A consumer of everything, or of a project's own, after a sequence; one that exists goes on where it is.

        What it does not acknowledge in `feed.patience` seconds it is told again. Raises ApiError, NoAnswer.
        """
        if await self.last() is None:
            await self._wire.api(f"STREAM.CREATE.{STREAM}", _stream(after, settings.age, replicas))
        config = {
            "durable_name": name,
            "deliver_subject": f"{FED}.{name}",
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": after + 1,
            "ack_policy": "explicit",
            "ack_wait": int(settings.patience * SECOND),
            "max_ack_pending": WINDOW,
            "filter_subject": f"feed.{project}.>" if project else "feed.>",
        }
        if name not in await self.names():
            body = {"stream_name": STREAM, "config": config, "action": "create"}
            await self._wire.api(f"CONSUMER.CREATE.{STREAM}.{name}.{config['filter_subject']}", body)

    async def dismiss(self, name: str) -> None:
        """No such consumer any more; with the last of them the stream goes. Raises ApiError, NoAnswer."""
        try:
            await self._wire.api(f"CONSUMER.DELETE.{STREAM}.{name}")
        except ApiError as fault:
            if fault.number not in (NO_CONSUMER, NO_STREAM):
                raise
        if await self.last() is not None and not await self.names():
            await self._wire.api(f"STREAM.DELETE.{STREAM}")

    async def names(self) -> list[str]:
        """The consumers there are. Raises ApiError, NoAnswer."""
        found: list[str] = []
        while True:
            page = await self._wire.api(f"CONSUMER.NAMES.{STREAM}", {"offset": len(found)})
            found += page.get("consumers") or []
            if len(found) >= page.get("total", 0) or not page.get("consumers"):
                return found


def _stream(after: int, age: int, replicas: int) -> dict[str, Any]:
    return {
        "name": STREAM,
        "subjects": ["feed.>"],
        "storage": "file",
        "retention": "limits",
        "discard": "old",
        "max_age": age * SECOND,
        "first_seq": after + 1,
        "num_replicas": replicas,
        "deny_delete": True,
        "deny_purge": True,
    }
