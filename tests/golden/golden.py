"""Golden logs as files: entries as JSON lines, and the states that they fold to."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from events.fold import Fold
from events.journal import Entry
from events.plain import to_plain
from events.services import deciders

HERE = Path(__file__).parent


def versions() -> list[str]:
    """The releases whose logs are kept."""
    return sorted(path.parent.name for path in HERE.glob("*/journal.jsonl.gz"))


def dump_entries(entries: Iterable[Entry]) -> bytes:
    rows = [{"sequence": e.sequence, "subject": e.subject, "data": e.data.decode()} for e in entries]
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def entries_of(version: str) -> list[Entry]:
    """The journal of a release, as its bytes stood there."""
    lines = gzip.decompress((HERE / version / "journal.jsonl.gz").read_bytes()).splitlines()
    return [Entry(r["sequence"], r["subject"], r["data"].encode()) for r in map(msgspec.json.decode, lines)]


def kinds(entries: Iterable[Entry]) -> set[str]:
    """The kinds of events that occur: service, resource and tag."""
    found = set()
    for entry in entries:
        _, service, resource, _ = entry.subject.split(".", 3)
        found |= {f"{service}.{resource}.{event['type']}" for event in msgspec.json.decode(entry.data)["events"]}
    return found


def dump_states(entries: Iterable[Entry]) -> bytes:
    """What the entries fold to, by subject."""
    fold = Fold(deciders())
    for entry in entries:
        fold.apply(entry)
    known: dict[str, Any] = {
        f"{prefix}.{key}": one for prefix, shelf in sorted(fold.shelves.items()) for key, one in shelf.known.items()
    }
    return msgspec.json.format(msgspec.json.encode(known, enc_hook=to_plain), indent=1)


def states_of(version: str) -> dict[str, Any]:
    """The states that a release's journal folded to, then."""
    text = gzip.decompress((HERE / version / "states.json.gz").read_bytes())
    return msgspec.json.decode(text, type=dict[str, Any])
