"""What every release has written is read by this one, and folds to what it folded to then."""

from __future__ import annotations

import pytest

from events import forms
from events.journal import MemoryJournal
from events.services import deciders
from projections.verify import verify
from tests.fingerprints import fingerprints
from tests.golden.golden import entries_of, fold_of, kinds, states_of, versions


@pytest.mark.parametrize("version", versions())
def test_a_releases_log_folds_to_the_states_of_then(version: str) -> None:
    """Fields that were added since have their defaults in both."""
    fold = fold_of(entries_of(version))
    now = {f"{prefix}.{key}": one for prefix, shelf in fold.shelves.items() for key, one in shelf.known.items()}
    then = states_of(version)
    assert set(now) == set(then)
    assert [subject for subject in then if now[subject] != then[subject]] == []


@pytest.mark.parametrize("version", versions())
async def test_a_releases_log_is_sound(version: str) -> None:
    journal = MemoryJournal()
    last: dict[str, int] = {}
    for entry in entries_of(version):
        expected = last.get(entry.subject, 0)
        stored = await journal.append(entry.subject, entry.data, expected=expected)
        last[entry.subject] = stored
        assert stored == entry.sequence
    assert [finding async for finding in verify(journal, deciders())] == []


@pytest.mark.parametrize("version", versions())
def test_every_kind_of_event_that_a_release_wrote_is_still_known(version: str) -> None:
    older = {f"{module.__name__[7:]}.{tag}" for module in deciders() for tag in forms.upcasters(module)}
    assert kinds(entries_of(version)) <= set(fingerprints()) | older


def test_a_change_of_meaning_is_seen() -> None:
    """Planted: a log in which one event says something else."""
    entries = entries_of(versions()[0])
    changed = [entry._replace(data=entry.data.replace(b'"ram":64', b'"ram":65')) for entry in entries]
    fold, then = fold_of(changed), states_of(versions()[0])
    now = {f"{prefix}.{key}": one for prefix, shelf in fold.shelves.items() for key, one in shelf.known.items()}
    assert any(now[subject].state != then[subject].state for subject in then)
