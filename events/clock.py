"""Time as a value: handed in, so that rules and simulations can be run at any time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""


def after(now: datetime, patience: timedelta) -> datetime:
    """A deadline: the first whole second when so much time has passed."""
    end = now + patience
    return end.replace(microsecond=0) + timedelta(seconds=1) if end.microsecond else end


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class ManualClock:
    """A clock that is moved by hand."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
