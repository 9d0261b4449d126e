"""The entrance: what happens to every request, whatever service it is for: counted, timed, traced, logged.

A `Passage` goes along in the scope; the service writes into it what only it knows. No header, body or query string is
logged or traced, for they bear passwords and tokens.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from events import metrics, tracing
from events.refusals import Refusal
from gateway.limits import Limits

PASSAGE = "cumulog.passage"  # in the scope
ASIDE = ("/healthcheck", "/metrics", "/events")  # what is not traced

log = logging.getLogger("cumulog.access")


class Passage:
    """One request, as those outside of its service see it."""

    __slots__ = ("project", "refusal", "request", "route", "service", "status")

    def __init__(self, refusal: Refusal | None) -> None:
        self.service = "-"
        self.route = "-"  # the pattern, never the path: there are few
        self.request: str | None = None
        self.project: str | None = None
        self.status = 0
        self.refusal = refusal  # what the connection was refused for, to be said in the service's words


def passage(scope: Scope) -> Passage:
    """The passage of a request; one that nobody sees, where there is no entrance."""
    found = scope.get(PASSAGE)
    return found if isinstance(found, Passage) else Passage(None)


class Entrance:
    """An ASGI application around the gateway's."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits
        self._seconds: dict[tuple[str, str, str], Any] = {}
        self._counts: dict[tuple[str, str, str, int], Any] = {}
        metrics.gauge(
            "cumulog_http_requests_in_flight", "Requests that wait for their answer", lambda: limits.in_flight
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal: Refusal | None = scope.get("state", {}).get("refusal")
        passing = scope[PASSAGE] = Passage(refusal)
        if scope["path"] in ASIDE:
            passing.route = scope["path"]
        began = time.perf_counter()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                passing.status = message["status"]
                self._count(passing, scope["method"], time.perf_counter() - began)
                if refusal is not None:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        self._limits.in_flight += 1
        try:
            if tracing.is_on() and passing.route not in ASIDE:
                await self._traced(passing, scope, receive, sending)
            else:
                await self._app(scope, receive, sending)
        finally:
            self._limits.in_flight -= 1
            if log.isEnabledFor(logging.INFO):
                seconds = time.perf_counter() - began
                log.info("%s %s %s %.1f ms", scope["method"], scope["path"], passing.status or "-", seconds * 1000)

    async def _traced(self, passing: Passage, scope: Scope, receive: Receive, send: Send) -> None:
        parent = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), None)
        method = scope["method"]
        with tracing.span(method, kind="server", parent=parent):
            await self._app(scope, receive, send)
            tracing.describe(
                f"{method} {passing.route}",
                failed=passing.status >= 500,
                **{
                    "http.request.method": method,
                    "http.route": passing.route,
                    "http.response.status_code": passing.status,
                    "cumulog.service": passing.service,
                    "cumulog.request": passing.request or "",
                    "cumulog.project": passing.project or "",
                },
            )

    def _count(self, passing: Passage, method: str, seconds: float) -> None:
        """Prometheus' own way to a label's counter takes longer than the counting."""
        place = (passing.service, method, passing.route)
        timer = self._seconds.get(place)
        if timer is None:
            timer = self._seconds[place] = metrics.REQUEST_SECONDS.labels(*place)
        timer.observe(seconds)
        counted = (*place, passing.status)
        counter = self._counts.get(counted)
        if counter is None:
            counter = self._counts[counted] = metrics.REQUESTS.labels(*counted)
        counter.inc()
