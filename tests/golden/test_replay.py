"""What every release has written is read by this one, and folds to what it folded to then."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from events import forms
from events.journal import MemoryJournal
from events.services import deciders
from projections.verify import verify
from tests.fingerprints import fingerprints
from tests.golden.golden import dump_states, entries_of, kinds, states_of, versions


def holds(now: Any, then: Any) -> bool:
    """Whether all that was said then is said now; fields may have been added."""
    if isinstance(then, dict):
        return isinstance(now, dict) and all(name in now and holds(now[name], then[name]) for name in then)
    if isinstance(then, list):
        return isinstance(now, list) and len(now) == len(then) and all(map(holds, now, then))
    return bool(now == then)


@pytest.mark.parametrize("version", versions())
def test_a_releases_log_folds_to_the_states_of_then(version: str) -> None:
    now: dict[str, Any] = msgspec.json.decode(dump_states(entries_of(version)))
    then = states_of(version)
    assert set(now) == set(then)
    assert [subject for subject in then if not holds(now[subject], then[subject])] == []


@pytest.mark.parametrize("version", versions())
async def test_a_releases_log_is_sound(version: str) -> None:
    journal = MemoryJournal()
    last: dict[str, int] = {}
    for entry in entries_of(version):
        expected = last.get(entry.subject, 0)
        stored = await journal.append(entry.subject, entry.data, expected=expected, id=str(entry.sequence))
        last[entry.subject] = stored
        assert stored == entry.sequence
    assert [finding async for finding in verify(journal, deciders())] == []


@pytest.mark.parametrize("version", versions())
def test_every_kind_of_event_that_a_release_wrote_is_still_known(version: str) -> None:
    older = {f"{module.__name__[7:]}.{tag}" for module in deciders() for tag in forms.upcasters(module)}
    assert kinds(entries_of(version)) <= set(fingerprints()) | older


def test_a_change_of_meaning_is_seen() -> None:
    assert holds({"a": [{"b": 1, "new": 2}]}, {"a": [{"b": 1}]})
    assert not holds({"a": [{"b": 2}]}, {"a": [{"b": 1}]})
    assert not holds({}, {"a": None})
