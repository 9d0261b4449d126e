"""A planted evolution: a box whose size was once said in MiB, then in KiB, and now in bytes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from types import ModuleType
from typing import Any

import msgspec
import pytest

from events import forms
from events.decider import Executor
from events.envelope import CLOUD, Command, Event, State, digest
from events.fold import Fold
from events.journal import MemoryJournal
from projections.tables import Table
from projections.verify import verify


class OldBox(State, frozen=True, gc=False, kw_only=True):
    size: int  # MiB


class Box(State, frozen=True, gc=False, kw_only=True):
    bytes: int


class BoxSized(Event, frozen=True, gc=False, kw_only=True):
    size: int  # MiB


class BoxSizedInBytes(Event, frozen=True, gc=False, kw_only=True, tag="BoxSized.3"):
    bytes: int


class Size(Command, frozen=True, gc=False, kw_only=True):
    size: int


def decide_old(box: OldBox | None, command: Size) -> list[BoxSized]:
    return [BoxSized(size=command.size)]


def evolve_old(box: OldBox | None, event: BoxSized, at: datetime) -> OldBox:
    return OldBox(size=event.size)


def decide(box: Box | None, command: Size) -> list[BoxSizedInBytes]:
    return [BoxSizedInBytes(bytes=command.size)]


def evolve(box: Box | None, event: BoxSizedInBytes, at: datetime) -> Box:
    return Box(bytes=event.bytes)


def second(event: dict[str, Any]) -> dict[str, Any]:
    return {"type": "BoxSized.2", "kib": event["size"] << 10}


def third(event: dict[str, Any]) -> dict[str, Any]:
    return {"type": "BoxSized.3", "bytes": event["kib"] << 10}


def module(decide: Callable[..., Any], evolve: Callable[..., Any], **more: Any) -> Any:
    made: Any = ModuleType("events.sample.box")
    made.decide, made.evolve = decide, evolve
    vars(made).update(more)
    return made


OLD = module(decide_old, evolve_old)
TODAY = module(
    decide,
    evolve,
    UPCASTERS={"BoxSized": second, "BoxSized.2": third},
    STATE_FORM=2,
    STATE_UPCASTERS={1: lambda state: {"bytes": state["size"] << 20}},
)


async def written() -> MemoryJournal:
    """A journal of the old version."""
    journal = MemoryJournal()
    fold = Fold([OLD])
    await fold.follow(journal)
    execute = Executor(journal, fold)
    for id, size in (("a", 1), ("b", 2), ("a", 3)):
        await execute(OLD, Size(id=id, size=size), CLOUD)
    await fold.stop()
    return journal


async def test_what_an_older_version_wrote_is_folded_as_todays() -> None:
    journal = await written()
    fold = Fold([TODAY])
    await fold.follow(journal)
    assert fold.get(TODAY, "a") == Box(bytes=3 << 20)
    assert fold.get(TODAY, "b") == Box(bytes=2 << 20)
    await Executor(journal, fold)(TODAY, Size(id="a", size=7), CLOUD)  # it goes on where the old version stopped
    assert fold.get(TODAY, "a") == Box(bytes=7)
    known = fold.known(TODAY, "a")
    assert known is not None
    assert (known.revision, known.hash) == (3, digest(journal.entries[-1].data))
    assert b'"BoxSized.3"' in journal.entries[-1].data
    assert [finding async for finding in verify(journal, [TODAY])] == []
    await fold.stop()


async def test_what_was_buried_is_dug_out_in_todays_form() -> None:
    journal = await written()
    fold = Fold([TODAY])
    fold.position = 3
    known = await fold.exhume(TODAY, "a", journal)
    assert known is not None
    assert known.state == Box(bytes=3 << 20)


async def test_without_the_upcaster_the_old_form_is_refused() -> None:
    """The guard, taken out: nothing else reads the old form."""
    journal = await written()
    found = [finding async for finding in verify(journal, [module(decide, evolve)])]
    assert any("cannot be folded" in finding.what for finding in found)


async def test_the_stored_bytes_and_their_hashes_stay() -> None:
    journal = await written()
    before = [entry.data for entry in journal.entries]
    fold = Fold([TODAY])
    await fold.follow(journal)
    assert [entry.data for entry in journal.entries] == before
    await fold.stop()


def test_a_commit_of_todays_forms_is_not_touched() -> None:
    today = forms.reform(TODAY.UPCASTERS)
    data = b'{"id":"1","at":"2026-01-01T00:00:00Z","events":[{"type":"BoxSized.3","bytes":1}]}'
    assert today(data) is data


def test_a_resource_that_never_changed_pays_nothing() -> None:
    assert Fold([OLD]).shelves["ev.sample.box"].today is None


def test_upcasters_that_never_end_are_seen() -> None:
    today = forms.reform({"Round": lambda event: event})
    with pytest.raises(forms.UnknownForm):
        today(b'{"events":[{"type":"Round"}]}')


def test_a_kept_state_climbs_to_todays_form() -> None:
    kept = msgspec.to_builtins(OldBox(size=3))
    assert forms.state_today(TODAY, kept) == {"bytes": 3 << 20}
    assert forms.state_today(TODAY, {"bytes": 5}, form=2) == {"bytes": 5}
    assert forms.state_today(OLD, kept) is kept
    with pytest.raises(forms.UnknownForm):
        forms.state_today(TODAY, {}, form=3)
    with pytest.raises(forms.UnknownForm):
        forms.state_today(module(decide, evolve, STATE_FORM=2), kept)


def test_tables_of_states_of_another_form_are_made_anew() -> None:
    assert Table(module(decide, evolve)).meaning != Table(module(decide, evolve, STATE_FORM=2)).meaning
