"""What belongs to no service: is it well, how much does it do, what happens now (`/events`, server-sent events)."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from events.refusals import Refusal
from gateway import aside, faults
from gateway.cloud import Cloud


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

    return [*aside.routes(cloud.health), Route("/events", events)]
