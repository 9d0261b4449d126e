"""The log checked: contiguous, chained, readable, and folding to what the tables hold.

Source: DESIGN, "The journal": each commit carries the hash of the one before it on its subject.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from events.checkpoint import Checkpoint
from events.envelope import follows
from events.fold import Change, Fold, Known
from events.journal import Entry, Journal
from events.passage import is_of_passage
from projections.archive import Archive, Damaged, chained, folder
from projections.archiving import check, digest_of
from projections.store import Store
from projections.tables import Table, quoted


class Finding(Struct, frozen=True):
    """Something that is not as it should be."""

    sequence: int
    subject: str
    what: str


async def verify(
    journal: Journal,
    resources: Iterable[Any],
    store: Store | None = None,
    patience: float = 30.0,
    archive: Archive | None = None,
) -> AsyncIterator[Finding]:
    """What is wrong with the journal, from its first entry to its present last, and with the tables of an open store.

    What the journal has no more comes from the archive. Raises Unavailable, Damaged. What lay after a cut tail is not
    known to be missing.
    """
    last = await journal.last()
    first = (await journal.epochs())[0].first
    walk = _Walk(resources, store, last)
    if first > 1 and archive is not None:
        async for entry in archive.entries(0, first - 1):
            walk.deliver(entry)
            while walk.findings:
                yield walk.findings.pop(0)
    if walk.position < first - 1:
        yield Finding(
            walk.position, "", f"the entries after it, up to {first - 1}, are neither here nor in the archive"
        )
        return
    tail = await journal.tail(walk.position, walk.deliver, archive.entries if archive is not None else None)
    clock = asyncio.get_running_loop().time
    seen, since = 0, clock()
    try:
        while walk.position < last:
            await asyncio.sleep(0.02)
            while walk.findings:
                yield walk.findings.pop(0)
            if walk.position != seen:
                seen, since = walk.position, clock()
            elif clock() - since > patience:
                yield Finding(seen, "", f"the entries after it could not be read up to {last}")
                break
    finally:
        await tail.stop()
    for finding in walk.findings:
        yield finding


async def verify_archive(archive: Archive, journal: Journal, reached: Checkpoint | None) -> AsyncIterator[Finding]:
    """What is wrong with the archive, or with the log after a checkpoint that it had reached. Raises Unavailable."""
    chain, position = "", 0
    chains: dict[int, str] = {}
    for manifest in await archive.look():
        place = folder(manifest.number)
        if manifest.first != position + 1:
            yield Finding(manifest.first, place, f"the entries after {position} are missing in the archive")
        try:
            await check(archive, manifest)
            entries = archive.entries(manifest.first - 1, manifest.last)
            if await digest_of(entries, manifest.first, manifest.last) != manifest.digest:
                yield Finding(manifest.first, place, "its commits are not those that were archived")
        except (Damaged, OSError) as fault:
            yield Finding(manifest.first, place, str(fault))
        chain, position = chained(chain, manifest), manifest.last
        chains[position] = chain
        if chain != manifest.chain:
            yield Finding(manifest.first, place, "it does not continue the chain of the archive")
    first, last = (await journal.epochs())[0].first, await journal.last()
    if first > position + 1:
        yield Finding(position, "", f"the entries after it, up to {first - 1}, are neither here nor in the archive")
    if reached is None:
        return
    if max(last, position) < reached.sequence:
        yield Finding(last, "", f"the log ends here, and had reached {reached.sequence}: its tail was cut off")
    elif chains.get(reached.sequence) != reached.chain:
        yield Finding(reached.sequence, "", "the log up to here is not the one that the checkpoint was made of")


class _Walk:
    def __init__(self, resources: Iterable[Any], store: Store | None, last: int) -> None:
        self.findings: list[Finding] = []
        self.position = 0
        self._fold = Fold(resources)
        self._fold.listeners.append(self._check)
        self._store = store
        self._last = last
        self._until = store.bookmark().sequence if store else -1  # the tables are compared there
        self._lost: set[str] = set()  # subjects with a commit that could not be folded
        self._reborn: set[str] = set()
        if self._until > last:
            self._find(last, "", f"the tables are ahead of the journal: they know of {self._until}")
        elif self._until == 0:
            self._compare(0)

    def _find(self, sequence: int, subject: str, what: str) -> None:
        self.findings.append(Finding(sequence, subject, what))

    def deliver(self, entry: Entry) -> None:
        if entry.sequence > self._last:
            return  # written since; the next run will see it
        if entry.sequence != self.position + 1:
            self._find(entry.sequence, entry.subject, f"the entries after {self.position} are missing")
        if entry.subject not in self._lost:
            self._apply(entry)
        if self.position < self._until <= entry.sequence:
            self._compare(entry.sequence)
        self.position = entry.sequence

    def _apply(self, entry: Entry) -> None:
        if is_of_passage(entry.subject):
            self._fold.apply(entry)
            if self._fold.passage.differs:
                self._fold.passage.differs = 0
                self._find(entry.sequence, entry.subject, "other states were carried into the epoch than were known")
            return
        if ".".join(entry.subject.split(".")[:3]) not in self._fold.shelves:
            self._find(entry.sequence, entry.subject, "there is no such resource")
            self._lost.add(entry.subject)
            return
        self._fold.apply(entry)
        if (spoil := self._fold.spoiled.get(entry.subject)) is not None:
            self._find(entry.sequence, entry.subject, f"it cannot be folded: {spoil.why}")
            self._lost.add(entry.subject)

    def _check(self, change: Change) -> None:
        before, commit = change.before, change.commit
        if not follows(commit.previous, before.hash if before else None):
            self._find(change.sequence, change.subject, "it does not continue the chain of its subject")
        if before is not None and commit.at <= before.updated_at:
            self._find(change.sequence, change.subject, "it is not later than the one before it")
        if before is not None and before.state.deleted:
            self._reborn.add(change.subject)

    def _compare(self, sequence: int) -> None:
        assert self._store is not None
        try:
            self._compare_rows(self._store)
        except Exception as fault:  # whatever it is: that is what is looked for
            self._find(sequence, "", f"the tables cannot be read: {fault!r}")

    def _compare_rows(self, store: Store) -> None:
        for table in store.tables.values():
            expected = dict(self._fold.shelves[table.prefix].known)
            columns = ", ".join(map(quoted, table.columns))
            for row in store.read(f"SELECT {columns} FROM {quoted(table.name)}"):
                known: Known[Any] = table.known(row)
                subject = f"{table.prefix}.{known.key}"
                fresh = expected.pop(known.key, None)
                if subject in self._lost:
                    continue
                for what in self._differences(table, row, known, fresh, subject):
                    self._find(known.sequence, subject, what)
            for key, missing in expected.items():
                self._find(missing.sequence, f"{table.prefix}.{key}", "the tables do not have it")

    def _differences(
        self, table: Table[Any], row: tuple[Any, ...], known: Known[Any], fresh: Known[Any] | None, subject: str
    ) -> Iterator[str]:
        if fresh is None:
            yield "the tables have what the journal does not"
            return
        # What came to life again after its burial counts from there in one process and from its birth in another.
        names = ["state", "updated_at", "sequence", "hash"] + ["created_at", "revision"] * (subject not in self._reborn)
        for name in names:
            if getattr(known, name) != getattr(fresh, name):
                yield f"the tables have another {name} than the journal"
        for column, found, meant in zip(table.columns, row, table.row(known), strict=True):
            plain = table.types[column] != "JSON" and column != "known"
            if plain and found != (meant.astimezone(UTC).replace(tzinfo=None) if _aware(meant) else meant):
                yield f"the column {column} is not what the row says"


def _aware(value: Any) -> bool:
    return isinstance(value, datetime) and value.tzinfo is not None
