"""The watch over one process: how far its fold and its tables are behind the journal, what waits, who is silent.

Every second it asks the journal how far it is; from the answers follows for how long the fold has been behind. What it
finds stands in the metrics and in `/healthcheck`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime

from events import metrics
from events.clock import Clock
from events.compute import host as hosts
from events.compute import server as servers
from events.fold import Change, Fold
from events.image import image as images
from events.journal import Unavailable
from events.nats.wire import Wire
from events.watched import WatchedJournal
from gateway.health import Health
from projections.projector import Projector

EVERY = 1.0  # seconds between two questions to the journal
FRESH = 15.0  # seconds for which a write that failed is told of, if there was none after it
LATE = 5.0  # seconds behind the journal that are worth a word
STUCK = 120  # seconds after which a server that waits counts as stuck; an upload may take as long as it likes
SHOWN = 5  # resources that are told of
AGES = (1, 10, 60, 600)  # seconds
WAITING = (  # the resources that wait for something, by the values of an index
    (servers, "phase", ("place", "build", "start", "stop", "reboot", "remove", "clean")),
    (images, "status", ("saving", "uploading", "importing")),
)


class Watch:
    """Looks at the fold and the tables of one process."""

    def __init__(self, wire: Wire, journal: WatchedJournal, fold: Fold, tables: Projector, clock: Clock) -> None:
        self._wire, self._journal, self._fold, self._tables, self._clock = wire, journal, fold, tables, clock
        self._seen: deque[tuple[float, int]] = deque(maxlen=3600)  # when the journal had come to which sequence
        self._last = fold.position
        self._answered_at = time.monotonic()
        self._counters: dict[str, Callable[[], None]] = {}
        fold.listeners.append(self._count)
        self._show()

    async def run(self) -> None:
        """Ask the journal now and then, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(EVERY * 2):
                    self._last = await self._journal.last()
                self._answered_at = time.monotonic()
                self._seen.append((self._answered_at, self._last))
            except (Unavailable, TimeoutError):
                pass  # for how long it has been silent is told by `_answered_at`
            await asyncio.sleep(EVERY)

    def look(self, health: Health) -> None:
        """Have `health` tell what is seen."""
        health.checks["journal"] = self.journal_is_away
        health.worries["writes"] = self.writes_fail
        health.worries["fold"] = self.fold_is_behind
        health.worries["spoiled"] = self.something_is_spoiled
        health.worries["tables"] = self.tables_are_behind
        health.worries["waiting"] = self.something_is_stuck
        health.worries["hosts"] = self.hosts_are_down
        health.figures["journal_last"] = lambda: self._last
        health.figures["fold_position"] = lambda: self._fold.position
        health.figures["fold_lag_seconds"] = lambda: round(self.fold_lag(), 3)
        health.figures["tables_lag_commits"] = self.tables_lag
        health.figures["waiting"] = lambda: {f"{kind} {state}": n for (kind, state, _), n in self.waiting((0,))}
        health.figures["hosts"] = lambda: {"up": self._hosts(True), "down": self._hosts(False)}

    # What is seen

    def journal_is_away(self) -> str | None:
        if not self._wire.is_connected:
            return "there is no connection to NATS"
        silence = time.monotonic() - self._answered_at
        return f"the journal has not answered for {silence:.0f} s" if silence > LATE else None

    def writes_fail(self) -> str | None:
        if self._journal.closed:
            return self._journal.closed
        if not self._journal.failure:
            return None
        ago = time.monotonic() - self._journal.failed_at
        if ago > FRESH:
            return None  # nobody has tried since
        return f"the last write, {ago:.0f} s ago, was not taken: {self._journal.failure}"

    def fold_lag(self) -> float:
        """Seconds for which the fold has not held what the journal held."""
        while self._seen and self._seen[0][1] <= self._fold.position:
            self._seen.popleft()
        return time.monotonic() - self._seen[0][0] if self._seen else 0.0

    def fold_is_behind(self) -> str | None:
        lag = self.fold_lag()
        if lag < LATE:
            return None
        return f"{self._last - self._fold.position} commits and {lag:.0f} s behind the journal"

    def something_is_spoiled(self) -> str | None:
        """Which resources have commits that cannot be folded."""
        found = [f"commit {spoil.sequence} of {subject}" for subject, spoil in self._fold.spoiled.items()]
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        return f"{', '.join(found[:SHOWN])}{more} cannot be folded" if found else None

    def tables_lag(self) -> int:
        return self._tables.lag

    def tables_are_behind(self) -> str | None:
        if self._tables.failure:
            return f"they cannot be written, {self._tables.lag} commits are missing: {self._tables.failure}"
        return None

    def waiting(self, ages: Iterable[int]) -> list[tuple[tuple[str, str, str], float]]:
        """How many resources have been on their way for longer than so many seconds, by kind and state."""
        now, found = self._clock.now(), []
        for module, index, states in WAITING:
            shelf, kind = self._fold.shelf(module), module.__name__.removeprefix("events.")
            for state in states:
                since = [shelf.known[key].updated_at for key in shelf.indexes[index].find(state)]
                found += [((kind, state, str(age)), float(_older(since, now, age))) for age in ages]
        return found

    def something_is_stuck(self) -> str | None:
        waiting = self.waiting((STUCK,))
        stuck = [f"{n:.0f} in {state}" for (kind, state, _), n in waiting if n and kind == "compute.server"]
        return f"servers for more than {STUCK} s: {', '.join(stuck)}" if stuck else None

    def _hosts(self, up: bool) -> int:
        return sum(1 for host in self._fold.all(hosts) if host.up is up)

    def hosts_are_down(self) -> str | None:
        down = self._hosts(False)
        return f"{down} of {down + self._hosts(True)} are down" if down else None

    # What is counted

    def _count(self, change: Change) -> None:
        prefix = change.subject[: -len(change.after.key) - 1]
        count = self._counters.get(prefix)
        if count is None:
            _, service, resource = prefix.split(".")
            count = self._counters[prefix] = metrics.COMMITS.labels(service, resource).inc
        count()

    def _show(self) -> None:
        fold = self._fold
        metrics.gauge("cumulog_journal_last_sequence", "Of the newest commit, as last heard", lambda: self._last)
        metrics.gauge("cumulog_fold_position", "Sequence of the newest folded commit", lambda: fold.position)
        metrics.gauge("cumulog_fold_lag_commits", "Commits not folded yet", lambda: max(0, self._last - fold.position))
        metrics.gauge("cumulog_fold_lag_seconds", "For how long the fold has been behind", self.fold_lag)
        metrics.gauge("cumulog_tables_lag_commits", "Commits that the tables do not hold yet", self.tables_lag)
        metrics.gauge(
            "cumulog_nats_connected", "1 while there is a connection to NATS", lambda: self._wire.is_connected
        )
        metrics.gauges("cumulog_hosts", "Hosts", ("state",), self._host_states)
        metrics.gauges(
            "cumulog_resources",
            "Live resources",
            ("service", "resource"),
            lambda: [((p.split(".")[1], p.split(".")[2]), len(shelf.live)) for p, shelf in fold.shelves.items()],
        )
        metrics.gauges(
            "cumulog_waiting",
            "Resources that have been in a state on their way for longer than so many seconds",
            ("resource", "state", "older_than"),
            lambda: self.waiting(AGES),
        )

    def _host_states(self) -> Iterable[tuple[tuple[str, ...], float]]:
        return [(("up",), self._hosts(True)), (("down",), self._hosts(False))]


def _older(moments: Iterable[datetime], now: datetime, age: int) -> int:
    return sum(1 for moment in moments if (now - moment).total_seconds() > age)
