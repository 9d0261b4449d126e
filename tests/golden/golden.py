"""Golden logs as files: entries as JSON lines, and the states that they fold to."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from events.fold import Fold, Known
from events.journal import Entry
from events.plain import to_plain
from events.services import deciders
from events.subjects import split

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


def fold_of(entries: Iterable[Entry]) -> Fold:
    """What the entries fold to."""
    fold = Fold(deciders())
    for entry in entries:
        fold.apply(entry)
    return fold


def dump_states(entries: Iterable[Entry]) -> bytes:
    """The same as a file, by subject; with the form of the states where they had another once."""
    known: dict[str, Any] = {}
    for prefix, shelf in sorted(fold_of(entries).shelves.items()):
        form = {"form": shelf.form} if shelf.form > 1 else {}
        for key, one in shelf.known.items():
            known[f"{prefix}.{key}"] = {**msgspec.to_builtins(one, enc_hook=to_plain), **form}
    return msgspec.json.format(msgspec.json.encode(known), indent=1)


def states_of(version: str) -> dict[str, Known[Any]]:
    """The states that a release's journal folded to then, as this code reads what was kept."""
    text = gzip.decompress((HERE / version / "states.json.gz").read_bytes())
    shelves = Fold(deciders()).shelves
    found: dict[str, Known[Any]] = {}
    for subject, kept in msgspec.json.decode(text).items():
        form = kept.pop("form", 1)
        found[subject] = shelves[split(subject)[0]].decode_known(msgspec.json.encode(kept), form)
    return found
