"""What belongs to no service: is it well, how much does it do, what happens now.

`/metrics` is Prometheus' text format, by its own client library; `/events` are server-sent events.
"""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, Router

from events import metrics
from events.refusals import Refusal
from gateway import faults
from gateway.cloud import Cloud
from gateway.health import Health


def aside(health: Health) -> list[Route]:
    """What every process answers, whatever part of the cloud it is."""

    async def healthcheck(request: Request) -> Response:
        report = health.report(verbose="verbose" in request.query_params)
        status = 503 if report.ill else 200
        if "text/plain" in request.headers.get("accept", ""):
            return Response(report.text(), status, media_type="text/plain")
        return Response(msgspec.json.encode(report), status, media_type="application/json")

    async def metrics_text(request: Request) -> Response:
        return Response(metrics.text(), media_type=metrics.CONTENT_TYPE)

    return [Route("/healthcheck", healthcheck), Route("/metrics", metrics_text)]


def routes(cloud: Cloud) -> list[Route]:
    """The URLs beside the services'."""

    async def events(request: Request) -> Response:
        try:
            token = await cloud.authenticate(request.headers.get("x-auth-token", ""))
        except Refusal as refusal:
            fault = faults.fault(refusal, faults.identity, statuses={}, identity_uri="/identity/v3")
            return Response(fault.body, fault.status, dict(fault.headers), media_type=fault.media_type)
        if not token.is_admin and token.project is None:
            body = msgspec.json.encode({"error": {"code": 403, "title": "Forbidden", "message": "No project."}})
            return Response(body, 403, media_type="application/json")
        assert cloud.feed is not None, "the gateway has no feed"
        stream = cloud.feed.read(None if token.is_admin else token.project)
        return StreamingResponse(stream, media_type="text/event-stream", headers={"cache-control": "no-store"})

    return [*aside(cloud.health), Route("/events", events)]


def alone(health: Health) -> Router:
    """An application for a process that has no other face."""
    return Router(aside(health))
