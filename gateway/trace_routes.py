"""Traces over HTTP: `GET /trace/{id}`, as JSON or, for who accepts text/html, as a drawn page.

An admin is told everything, anybody else what their project owns, without the names of hosts.
"""

from __future__ import annotations

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from events.chronicle import Chronicle
from events.journal import Unavailable
from events.refusals import Busy, Forbidden, NotFound, Refusal
from gateway import timeline, traces
from gateway.beside import asker, refused
from gateway.cloud import Cloud
from gateway.traces import Trace
from projections.requests import Requests

LONGEST = 255  # characters of an id
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
}


class _Traces:
    """Reads traces for callers, one at a time: that of a resource may have to read the whole journal."""

    def __init__(self, cloud: Cloud, chronicle: Chronicle, requests: Requests | None) -> None:
        self._cloud = cloud
        self._chronicle = chronicle
        self._requests = requests
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def find(self, request: Request) -> Trace:
        """What the caller may know of the id. Raises Unauthenticated, TooMany, Forbidden, NotFound, Busy."""
        token = await asker(self._cloud, request)
        if not token.is_admin and token.project is None:
            raise Forbidden("A trace is of a project: the token has none.")
        id = request.path_params["id"]
        if self._waiting > self._cloud.settings.gateway.past_waiting:
            raise Busy("Too many ask for traces.", retry_after=5)
        self._waiting += 1
        try:
            async with self._turn:
                project = None if token.is_admin else token.project
                found = await traces.trace(self._chronicle, id[:LONGEST], self._cloud.fold, project, self._requests)
        except Unavailable as fault:
            raise Busy("The journal cannot be read now.") from fault
        finally:
            self._waiting -= 1
        if not found.moments:
            raise NotFound(f"Nothing is known of {id[:LONGEST]}.")
        return found


def routes(cloud: Cloud, chronicle: Chronicle, requests: Requests | None = None) -> list[Route]:
    """The URL."""
    found = _Traces(cloud, chronicle, requests)

    async def show(request: Request) -> Response:
        try:
            trace = await found.find(request)
        except Refusal as refusal:
            return refused(refusal)
        if "text/html" in request.headers.get("accept", ""):
            return Response(timeline.page(trace), headers=HEADERS, media_type="text/html")
        return Response(msgspec.json.encode(trace), headers=HEADERS, media_type="application/json")

    return [Route("/trace/{id}", show)]
