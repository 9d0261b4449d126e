"""What belongs to no service: is it well, how much does it do, what happens now."""

from __future__ import annotations

from starlette.routing import Route

from gateway import aside, events
from gateway.cloud import Cloud


def routes(cloud: Cloud) -> list[Route]:
    """The URLs beside the services'."""

    return [*aside.routes(cloud.health), *events.routes(cloud)]
