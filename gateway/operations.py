"""What belongs to no service: is it well, how much does it do, what happens now.

`/metrics` is Prometheus' text format, by its own client library.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from events.fold import Change
from gateway import events
from gateway.cloud import Cloud

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds


class Metrics:
    """The counters of one process."""

    def __init__(self, cloud: Cloud) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "cumulog_http_requests", "Requests answered", ["service", "method", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "cumulog_http_request_seconds",
            "Time to answer",
            ["service", "method"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.commits = Counter("cumulog_commits", "Commits folded", ["service", "resource"], registry=self.registry)
        position = Gauge("cumulog_fold_position", "Sequence of the newest folded commit", registry=self.registry)
        position.set_function(lambda: cloud.fold.position)
        live = Gauge("cumulog_resources", "Live resources", ["service", "resource"], registry=self.registry)
        for prefix, shelf in cloud.fold.shelves.items():
            _, service, resource = prefix.split(".")
            live.labels(service, resource).set_function(_size_of(shelf.live))
        cloud.fold.listeners.append(self._count)

    def _count(self, change: Change) -> None:
        _, service, resource, _ = change.subject.split(".", 3)
        self.commits.labels(service, resource).inc()


def _size_of(live: dict[str, object]) -> Callable[[], float]:
    return lambda: len(live)


def measured(app: ASGIApp, metrics: Metrics) -> ASGIApp:
    """`app`, with every request counted and timed."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        service = scope["path"].split("/", 2)[1]
        method, start = scope["method"], time.perf_counter()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                metrics.seconds.labels(service, method).observe(time.perf_counter() - start)
                metrics.requests.labels(service, method, message["status"]).inc()
            await send(message)

        await app(scope, receive, sending)

    return call


def routes(cloud: Cloud, metrics: Metrics) -> list[Route]:
    """The URLs beside the services'."""

    async def healthcheck(request: Request) -> Response:
        ill = {name: why for name, check in cloud.checks.items() if (why := check())}
        return JSONResponse({"status": "ill" if ill else "ok", "ill": ill}, 503 if ill else 200)

    async def metrics_text(request: Request) -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return [
        Route("/healthcheck", healthcheck),
        Route("/metrics", metrics_text),
        *events.routes(cloud),
    ]
