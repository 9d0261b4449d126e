"""What stands beside the services: who asks for it, and how it is refused."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from events.refusals import Refusal
from gateway import access_rules, faults
from gateway.cloud import Cloud
from gateway.tokens import Token


async def asker(cloud: Cloud, request: Request) -> Token:
    """Who asks, and not too often. Raises Unauthenticated, TooMany."""
    token = await cloud.asker(request)
    cloud.limits.admit(token)
    access_rules.check_of_no_service(token)
    return token


def refused(refusal: Refusal) -> Response:
    """A refusal in identity's format, which what belongs to no service shares."""
    fault = faults.fault(refusal, faults.identity, statuses={}, identity_uri="/identity/v3")
    return Response(fault.body, fault.status, dict(fault.headers), media_type=fault.media_type)
