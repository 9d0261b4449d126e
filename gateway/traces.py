"""Traces: everything that one request caused, or that ever happened to one resource, across services and hosts.

A commit belongs to a trace if it bears the request, is of the resource, or was made for it: a claim's holder, a port's
device. What was made for a resource is followed in turn, so that a server's trace has its ports and their addresses.
The steps of agents stand in the commits that their reports led to. It is read from the chronicle, hot or cold.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from events.chronicle import Chronicle
from events.compute.guest import Taken
from events.envelope import Commit
from events.fold import Fold
from events.moments import Moments, read
from events.passage import is_of_passage
from events.refusals import Invalid
from events.subjects import split, token, untoken
from projections.requests import Requests

ROUNDS = 3  # of following: a server, its ports, what they hold
BEFORE = timedelta(minutes=10)  # how long before a resource there may be claims for it
MOST = 10_000  # commands of one trace: the first that are found
TOLD = ("host", "ip", "message", "wanted", "reboot", "name", "status")  # what tells most of an event
OF_HOSTS = ("host",)  # what a tenant is not told


class Said(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event, and what tells most of it."""

    type: str
    told: dict[str, str] = {}


class Moment(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A command of a trace, as committed."""

    sequence: int
    part: int = 0  # among the commands of the commit
    at: datetime
    service: str
    resource: str
    id: str
    events: tuple[Said, ...]
    actor: str | None = None
    request: str | None = None
    host: str | None = None  # whose agent reported it
    steps: tuple[Taken, ...] = ()  # which that agent took before

    @property
    def failed(self) -> bool:
        return any("Failed" in said.type for said in self.events)


class Trace(Struct, frozen=True, kw_only=True):
    """What is known of a request or of a resource, in order."""

    id: str
    moments: tuple[Moment, ...]

    def requests(self) -> dict[str | None, list[Moment]]:
        """By request, in the order in which they began."""
        found: dict[str | None, list[Moment]] = {}
        for moment in self.moments:
            found.setdefault(moment.request, []).append(moment)
        return found


class _Found(Struct, frozen=True, gc=False):
    sequence: int
    part: int  # of a commit of several commands
    subject: str
    commit: Commit[dict[str, Any]]


_ByPlace = dict[tuple[int, int], _Found]  # by sequence and part

_decode = msgspec.json.Decoder(Commit[dict[str, Any]]).decode


async def trace(
    chronicle: Chronicle,
    id: str,
    fold: Fold | None = None,
    project: str | None = None,
    requests: Requests | None = None,
    most: int = MOST,
) -> Trace:
    """The trace of a request's or a resource's id; an empty one if nothing speaks of it. Raises Unavailable.

    A fold tells since when there has been what still lives, an index which commits a request led to. With a project,
    it is what its people may know. Of very many commands, `most` are told.
    """
    last = await chronicle.last()
    if requests is not None and id.startswith("req-"):
        spans = await requests.spans(id, last)
    else:
        spans = [(await _begin(chronicle, id, fold), last)]
    found: _ByPlace = {}
    ids = {id}
    for _ in range(ROUNDS):
        for begin, end in spans:
            async with aclosing(_search(chronicle, ids, begin, end)) as some:
                async for one in some:
                    if len(found) >= most:
                        break
                    if project is None or one.commit.owner == project:
                        found[one.sequence, one.part] = one
        more = _made_for(found.values()) - ids
        if id.startswith("req-") or not more:
            break
        ids |= more
    return Trace(id=id, moments=tuple(_moment(one, project is not None) for _, one in sorted(found.items())))


async def _begin(chronicle: Chronicle, id: str, fold: Fold | None) -> int:
    """A sequence after which everything is that can speak of `id`."""
    shelves = fold.shelves.values() if fold else ()
    known = [shelf.known[token(id)] for shelf in shelves if token(id) in shelf.live]
    if not known:
        return 0
    first = min(one.created_at for one in known) - BEFORE
    try:
        return await Moments(chronicle).sequence(first, datetime.max.replace(tzinfo=UTC))
    except Invalid:  # before the cloud
        return 0


async def _search(chronicle: Chronicle, ids: set[str], begin: int, last: int) -> AsyncGenerator[_Found]:
    """The commands of a span that concern one of these ids."""
    texts = {text for id in ids for text in (id, token(id))}
    holds = re.compile("|".join(map(re.escape, sorted(texts)))).search
    in_data = re.compile("|".join(re.escape(text) for text in sorted(texts)).encode()).search
    keys = {token(id) for id in ids}
    async for entry in read(chronicle, begin, last):
        if (in_data(entry.data) or holds(entry.subject)) and not is_of_passage(entry.subject):
            for part, commit in enumerate(_decode(entry.data).each()):
                one = _Found(entry.sequence, part, entry.subject, commit)
                if _concerns(one, ids, keys):
                    yield one


def _concerns(one: _Found, ids: set[str], keys: set[str]) -> bool:
    """Whether a commit follows from the request, is of a resource, or was made for it."""
    if one.commit.request in ids or not keys.isdisjoint(split(one.subject)[1].split(".")):
        return True
    return any(event.get("device_id") in ids or _holder(event) in ids for event in one.commit.events)


def _holder(event: dict[str, Any]) -> str:
    """For what a claim was made; behind a dot stands the attempt that made it."""
    return str(event.get("holder") or "").partition(".")[0]


def _made_for(found: Iterable[_Found]) -> set[str]:
    """The ids of ports that were made for what was found, or are used by it."""
    ids: set[str] = set()
    for one in found:
        for event in one.commit.events:
            ids.update(event.get("ports") or ())
            if event.get("device_id"):
                ids.add(split(one.subject)[1])
    return ids


def _moment(one: _Found, for_tenant: bool) -> Moment:
    _, service, resource, key = one.subject.split(".", 3)
    actor = one.commit.actor
    host = actor.removeprefix("host:") if actor and actor.startswith("host:") else None
    steps = [step for event in one.commit.events for step in event.get("steps") or ()]
    if for_tenant and host is not None:
        actor = host = "host"
    return Moment(
        sequence=one.sequence,
        part=one.part,
        at=one.commit.at,
        service=service,
        resource=resource,
        id=_name(key),
        events=tuple(_said(event, for_tenant) for event in one.commit.events),
        actor=actor,
        request=one.commit.request,
        host=host,
        steps=tuple(msgspec.convert(step, Taken) for step in steps),
    )


def _name(key: str) -> str:
    """A key as people know it."""
    try:
        return ".".join(untoken(part) for part in key.split("."))
    except ValueError:
        return key


def _said(event: dict[str, Any], for_tenant: bool) -> Said:
    names = [name for name in TOLD if isinstance(event.get(name), str) and not (for_tenant and name in OF_HOSTS)]
    return Said(type=str(event["type"]), told={name: event[name][:200] for name in names})


# As text


def text(trace: Trace) -> list[str]:
    """One block for each request: its commits below it, each with the time since the first and since the one before."""
    lines: list[str] = []
    for request, moments in trace.requests().items():
        first = moments[0]
        lines.append(f"{request or '(nobody’s request)'}  {_time(first.at)}  by {first.actor or '-'}")
        before = first.at
        for number, moment in enumerate(moments):
            last = number == len(moments) - 1
            lines += _block(moment, first, before, last)
            before = moment.at
    return lines


def _block(moment: Moment, first: Moment, before: datetime, last: bool) -> list[str]:
    elapsed, since = span(moment.at - first.at), span(moment.at - before)
    by = f"  by {moment.actor}" if moment.actor != first.actor else ""
    what = ", ".join(map(as_words, moment.events))
    lines = [f"{'└─' if last else '├─'} {elapsed:>9} {'+' + since:>10}  {label(moment)}  {what}{by}"]
    for number, step in enumerate(moment.steps):
        branch = "└─" if number == len(moment.steps) - 1 else "├─"
        took = f"  took {span(timedelta(seconds=step.seconds))}" if step.seconds else ""
        failed = f"  failed: {step.failure}" if step.failure else ""
        began = span(step.at - first.at)
        lines.append(f"{'  ' if last else '│ '} {began:>9} {'':>10}    {branch} agent: {step.step}{took}{failed}")
    return lines


def label(moment: Moment) -> str:
    return f"{moment.service}.{moment.resource} {moment.id}"


def as_words(said: Said) -> str:
    """An event's name with what tells most: where, why."""
    told = [f"{name}={value}" for name, value in said.told.items() if name in ("host", "ip", "message", "wanted")]
    return said.type + (f" ({', '.join(told)})" if told else "")


def span(time: timedelta) -> str:
    """A time that passed, with as many digits as tell something."""
    seconds = time.total_seconds()
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    if seconds < 1:
        return f"{sign}{seconds * 1000:.1f} ms"
    if seconds < 120:
        return f"{sign}{seconds:.2f} s"
    minutes, hours = seconds / 60, seconds / 3600
    return (
        f"{sign}{minutes:.1f} min"
        if minutes < 120
        else f"{sign}{hours:.1f} h"
        if hours < 48
        else f"{sign}{hours / 24:.1f} d"
    )


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
