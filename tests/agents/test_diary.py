"""What an agent remembers of its steps until it was heard."""

from __future__ import annotations

import pytest

from agents.diary import MOST, Diary
from events.clock import ManualClock


def test_a_step_is_told_with_its_beginning_and_how_long_it_took() -> None:
    clock = ManualClock()
    diary, began = Diary(clock), clock.now()
    with diary.taking("s", "create"):
        clock.advance(1.5)
    diary.note("other", "order")
    (step,) = diary.of("s")
    assert (step.step, step.at, step.seconds, step.failure) == ("create", began, 1.5, None)


def test_a_failure_is_told_too() -> None:
    diary = Diary(ManualClock())
    with pytest.raises(ValueError, match="no disk"), diary.taking("s", "create"):
        raise ValueError("no disk" + "x" * 1000)
    (step,) = diary.of("s")
    assert step.failure is not None
    assert step.failure.startswith("no disk")
    assert len(step.failure) == 200


def test_what_was_heard_is_not_told_again_and_little_is_kept() -> None:
    diary = Diary(ManualClock())
    for number in range(50):
        diary.note("s", str(number))
    assert [step.step for step in diary.of("s")] == [str(number) for number in range(50 - MOST, 50)]
    diary.heard("s")
    assert diary.of("s") == ()


def test_a_clock_that_is_set_back_makes_no_step_take_less_than_nothing() -> None:
    clock = ManualClock()
    diary = Diary(clock)
    with diary.taking("s", "stop"):
        clock.advance(-60)
    assert diary.of("s")[0].seconds == 0.0
