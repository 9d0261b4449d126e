"""The bytes of an image for the agent of a host on another machine: by a signed link, without a token."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from events.nats.gateways import PATH, Links
from events.refusals import NotFound
from gateway.cloud import Cloud
from gateway.image.store import ImageStore


def routes(cloud: Cloud, links: Links) -> list[Route]:
    """The one URL."""

    async def fetch(request: Request) -> Response:
        image = request.path_params["image"]
        until, signature = request.query_params.get("until", ""), request.query_params.get("signature", "")
        if not links.holds(image, until, signature, cloud.clock.now().timestamp()):
            return Response("The link does not hold.\n", 403)
        store = cloud.part(ImageStore)
        try:
            stream = await store.open(image)
        except NotFound as lost:
            return Response(f"{lost.message}\n", 404)
        return StreamingResponse(stream, media_type="application/octet-stream")

    return [Route(f"{PATH}/{{image}}", fetch)]
