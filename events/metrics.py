"""What a process counts and times: one registry for each process, by Prometheus' own client library.

Names follow Prometheus' conventions: seconds, `_total` for what only grows. No label has an unbounded set of values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

# The journal
APPEND_SECONDS = Histogram(
    "cumulog_append_seconds", "Time until the journal acknowledged a commit", buckets=SECONDS, registry=REGISTRY
)
APPENDS_FAILED = Counter(
    "cumulog_append_failures",
    "Commits that the journal did not take: stale (another was first), unavailable, full",
    ["reason"],
    registry=REGISTRY,
)

# The handlers
PLAN_SECONDS = Histogram("cumulog_plan_seconds", "Time of a plan", ["plan"], buckets=SECONDS, registry=REGISTRY)
WISHES = Counter(
    "cumulog_wishes", "What plans asked for: done, refused or failed", ["plan", "outcome"], registry=REGISTRY
)
PLAN_FAULTS = Counter("cumulog_plan_faults", "Plans, wishes and orders that raised", ["plan"], registry=REGISTRY)

# HTTP
REQUESTS = Counter(
    "cumulog_http_requests", "Requests answered", ["service", "method", "route", "status"], registry=REGISTRY
)
REQUEST_SECONDS = Histogram(
    "cumulog_http_request_seconds",
    "Time until an answer began",
    ["service", "method", "route"],
    buckets=SECONDS,
    registry=REGISTRY,
)
CONNECTIONS = Gauge("cumulog_http_connections", "Connections of clients", registry=REGISTRY)
REFUSALS = Counter(
    "cumulog_refusals", "Requests refused, by the kind of refusal", ["service", "reason"], registry=REGISTRY
)

# What follows the journal
COMMITS = Counter("cumulog_commits", "Commits folded", ["service", "resource"], registry=REGISTRY)

# The agents of this process
STEPS = Counter("cumulog_agent_steps", "Steps of agents on their hypervisors", ["step", "outcome"], registry=REGISTRY)

Labels = tuple[str, ...]
Read = Callable[[], Iterable[tuple[Labels, float]]]


class _Reading(Collector):
    """A gauge whose values are read when somebody looks."""

    def __init__(self, name: str, text: str, labels: Labels, read: Read) -> None:
        self._name, self._text, self._labels, self.read = name, text, labels, read

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(self._name, self._text, labels=self._labels)
        for labels, value in self.read():
            family.add_metric(labels, value)
        yield family


_readings: dict[str, _Reading] = {}


def gauges(name: str, text: str, labels: Labels, read: Read) -> None:
    """Show what `read` gives whenever somebody looks; the newest of a name stands."""
    known = _readings.get(name)
    if known is None:
        known = _readings[name] = _Reading(name, text, labels, read)
        REGISTRY.register(known)
    known.read = read


def gauge(name: str, text: str, read: Callable[[], float]) -> None:
    """The same for a single value."""
    gauges(name, text, (), lambda: [((), read())])


def text() -> bytes:
    """All of it in Prometheus' text format."""
    return generate_latest(REGISTRY)
