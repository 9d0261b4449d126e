"""What an agent did for each guest since it was last heard, and how long it took: told with its next report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from events.clock import Clock, SystemClock
from events.compute.guest import Taken

MOST = 16  # steps that are kept of a guest; the oldest go first
LONGEST = 200  # characters of a failure


class Diary:
    """The steps of all guests of a host."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock: Clock = clock or SystemClock()
        self._steps: dict[str, list[Taken]] = {}

    def note(self, server: str, what: str) -> None:
        """Something happened that took no time of ours."""
        self._put(server, Taken(step=what, at=self._clock.now()))

    @contextmanager
    def taking(self, server: str, step: str) -> Iterator[None]:
        """A step is taken for as long as this lasts."""
        at = self._clock.now()
        failure = None
        try:
            yield
        except Exception as fault:
            failure = str(fault)[:LONGEST]
            raise
        finally:
            seconds = max((self._clock.now() - at).total_seconds(), 0.0)  # the clock may have been set back
            self._put(server, Taken(step=step, at=at, seconds=seconds, failure=failure))

    def of(self, server: str) -> tuple[Taken, ...]:
        """What was done since the last report that was heard."""
        return tuple(self._steps.get(server, ()))

    def heard(self, server: str) -> None:
        """A report with all this was heard."""
        self._steps.pop(server, None)

    def _put(self, server: str, taken: Taken) -> None:
        steps = self._steps.setdefault(server, [])
        if steps and steps[-1].step == taken.step and steps[-1].failure is None:
            steps.pop()  # of what is done again and again, as the members of a group come and go, the last stands
        steps.append(taken)
        del steps[:-MOST]
