"""What every process answers beside its work: is it well, how much does it do. Prometheus' text format, and JSON.

A balancer that asks for `text/plain` gets a word and a line for each part that is not well.
"""

from __future__ import annotations

import socket

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from events import metrics
from events.settings import Limits
from gateway import http
from gateway.composition.parts import Parts
from gateway.health import Health


def routes(health: Health) -> list[Route]:
    """`/healthcheck` and `/metrics`."""

    async def healthcheck(request: Request) -> Response:
        report = health.report(verbose="verbose" in request.query_params)
        status = 503 if report.ill else 200
        if "text/plain" in request.headers.get("accept", ""):
            return Response(report.text(), status, media_type="text/plain")
        return Response(msgspec.json.encode(report), status, media_type="application/json")

    async def metrics_text(request: Request) -> Response:
        return Response(metrics.text(), media_type=metrics.CONTENT_TYPE)

    return [Route("/healthcheck", healthcheck), Route("/metrics", metrics_text)]


async def serve(parts: Parts, health: Health, limits: Limits, listening: socket.socket) -> None:
    """Answer them from now on, and nothing else."""
    server = http.Server(http.configuration(Router(routes(health)), limits))
    task = await http.begin(server, listening, "aside")
    parts.later("aside", lambda: http.end(server, task))
