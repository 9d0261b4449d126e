"""A commit that cannot be folded: its resource is neither read nor changed, and everything else goes on."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, NamedTuple

import pytest

from events.compute import flavor
from events.compute.flavor import CreateFlavor, DescribeFlavor
from events.decider import Executor
from events.envelope import CLOUD
from events.fold import Change, Fold, Spoiled
from events.journal import MemoryJournal

POISON = "a name that the fold cannot bear"


class World(NamedTuple):
    journal: MemoryJournal
    execute: Executor
    fold: Fold


def _flavor(id: str) -> CreateFlavor:
    return CreateFlavor(id=id, name=f"flavor {id}", ram=64, vcpus=1, disk=1)


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> AsyncIterator[World]:
    """Two flavors; in one of them is something that `evolve` raises at, but for the process that wrote it."""
    caplog.set_level(logging.CRITICAL + 1)
    journal = MemoryJournal()
    writer = Executor(journal, Fold([flavor]))
    await writer.fold.follow(journal)
    await writer(flavor, _flavor("good"), CLOUD)
    await writer(flavor, _flavor("bad"), CLOUD)
    fold = Fold([flavor])
    await fold.follow(journal)
    guard = fold.shelf(flavor).evolve

    def evolve(state: Any, event: Any, at: datetime) -> Any:
        if getattr(event, "description", None) == POISON:
            raise ValueError(POISON)
        return guard(state, event, at)

    monkeypatch.setattr(fold.shelf(flavor), "evolve", evolve)
    await writer(flavor, DescribeFlavor(id="bad", description=POISON), CLOUD)
    await writer(flavor, DescribeFlavor(id="bad", description="more"), CLOUD)
    await writer(flavor, DescribeFlavor(id="good", description="fine"), CLOUD)
    yield World(journal, Executor(journal, fold), fold)
    await fold.stop()
    await writer.fold.stop()


async def test_everything_else_goes_on(world: World) -> None:
    await world.fold.reach(5)
    good = world.fold.get(flavor, "good")
    assert good is not None
    assert good.description == "fine"
    await world.execute(flavor, DescribeFlavor(id="good", description="finer"), CLOUD)
    await world.execute(flavor, _flavor("new"), CLOUD)
    assert len(world.fold.all(flavor)) == 3


async def test_it_is_neither_read_nor_changed(world: World) -> None:
    await world.fold.reach(5)
    for ask in (world.fold.get, world.fold.known):
        with pytest.raises(Spoiled, match="Commit 3 of"):
            ask(flavor, "bad")
    with pytest.raises(Spoiled):
        await world.execute(flavor, DescribeFlavor(id="bad", description="mended"), CLOUD)
    assert len(world.journal.entries) == 5


async def test_it_is_folded_anew_once_it_can_be(world: World) -> None:
    await world.fold.reach(5)
    heard: list[Change] = []
    world.fold.listeners.append(heard.append)
    (subject,) = world.fold.spoiled
    await world.fold.refold(subject, world.journal)
    assert world.fold.spoiled[subject].why == repr(ValueError(POISON))
    world.fold.shelf(flavor).evolve = flavor.evolve
    await world.fold.refold(subject, world.journal)
    bad = world.fold.known(flavor, "bad")
    assert bad is not None
    assert (bad.state.description, bad.sequence, bad.revision) == ("more", 4, 3)
    assert [change.sequence for change in heard] == [4]
    await world.execute(flavor, DescribeFlavor(id="bad", description="mended"), CLOUD)


async def test_a_listener_that_fails_keeps_nobody_from_hearing(world: World) -> None:
    heard: list[int] = []

    def fail(change: Change) -> None:
        raise ValueError

    world.fold.listeners += [fail, lambda change: heard.append(change.sequence)]
    await world.execute(flavor, _flavor("new"), CLOUD)
    await world.execute(flavor, _flavor("newer"), CLOUD)
    assert heard[-2:] == [6, 7]
