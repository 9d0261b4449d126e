"""Traces: one for each request, from HTTP through commits and handlers to the agents' steps, and back.

What travels is W3C's `traceparent`: in the first commits of a request (`Commit.trace`), by which every process learns
it from the journal; in the order to a host, and in its report. Off unless it is started; then, and only then,
OpenTelemetry is imported. What is off costs a look at one name.
Source: W3C Trace Context, section 3.2.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, Protocol

from events.envelope import Commit, Part
from events.fold import Change, Fold
from events.settings import Tracing

REMEMBERED = 20_000  # requests whose traces are known

Kind = Literal["internal", "server", "client"]


class Tracer(Protocol):
    """As much of OpenTelemetry as is used."""

    def span(
        self, name: str, kind: Kind, parent: str | None, attributes: dict[str, Any]
    ) -> AbstractContextManager[Any]:
        """A span while the context lasts, below `parent` or below the one that lasts now; it becomes that one."""

    def current(self) -> str | None:
        """The `traceparent` of the span that lasts now, if it is recorded."""

    def describe(self, name: str | None, attributes: dict[str, Any], failed: bool) -> None:
        """Say more of the span that lasts now."""

    def close(self) -> None:
        """Send what is left."""


_tracer: Tracer | None = None
_nothing: AbstractContextManager[None] = nullcontext()
_traces: OrderedDict[str, str] = OrderedDict()  # request -> traceparent


def start(settings: Tracing, part: str) -> None:
    """Trace from now on, if it is wanted. Raises ImportError: `cumulog[otel]` is not installed."""
    global _tracer
    if settings.enabled and _tracer is None:
        from events.otel import OpenTelemetry

        _tracer = OpenTelemetry(settings.endpoint, part)


def stop() -> None:
    """Send what is left; from now on nothing is traced."""
    global _tracer
    tracer, _tracer = _tracer, None
    if tracer is not None:
        tracer.close()
    _traces.clear()


def is_on() -> bool:
    return _tracer is not None


def span(
    name: str, *, kind: Kind = "internal", parent: str | None = None, **attributes: Any
) -> AbstractContextManager[Any]:
    """A span while the context lasts; nothing if nothing is traced."""
    return _nothing if _tracer is None else _tracer.span(name, kind, parent, attributes)


def below(name: str, parent: str | None, **attributes: Any) -> AbstractContextManager[Any]:
    """A span, but only if its parent is known: what no request asked for is not traced."""
    return _nothing if _tracer is None or parent is None else _tracer.span(name, "internal", parent, attributes)


def inside(name: str, **attributes: Any) -> AbstractContextManager[Any]:
    """A span, but only within another."""
    if _tracer is None or _tracer.current() is None:
        return _nothing
    return _tracer.span(name, "internal", None, attributes)


def describe(name: str | None = None, *, failed: bool = False, **attributes: Any) -> None:
    """Say more of the span that lasts now."""
    if _tracer is not None:
        _tracer.describe(name, attributes, failed)


def current() -> str | None:
    """The `traceparent` to send along."""
    return None if _tracer is None else _tracer.current()


def of(request: str | None) -> str | None:
    """The `traceparent` of a request, as far as it is known here."""
    return _traces.get(request) if request is not None else None


def learn(fold: Fold) -> None:
    """Learn from the journal which trace a request belongs to, whoever took it."""
    if _tracer is not None:
        fold.listeners.append(_hear)


def _hear(change: Change) -> None:
    commit = change.commit
    told: tuple[Commit[Any] | Part, ...] = (commit, *commit.parts)
    for one in told:
        if one.trace is not None and one.request is not None and one.request not in _traces:
            _traces[one.request] = one.trace
            if len(_traces) > REMEMBERED:
                _traces.popitem(last=False)
