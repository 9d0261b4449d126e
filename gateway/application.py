"""The whole gateway as one application: each service under its path, and what belongs to none beside them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from events.services import SERVICES
from gateway import faults
from gateway.cloud import Cloud
from gateway.entrance import passage
from gateway.serving import Face, Service

_HOST = re.compile(rb"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.%]{2,60}\])(?::\d{1,5})?\Z")


def _has_host(scope: Scope) -> bool:
    """Whether the Host header can stand in links: it comes from whoever asks."""
    return all(_HOST.match(value) is not None for name, value in scope["headers"] if name == b"host")


def faces() -> list[Face]:
    """The services that have a face."""
    return [
        import_module(f"gateway.{service.name}").FACE for service in SERVICES if find_spec(f"gateway.{service.name}")
    ]


def application(cloud: Cloud, faces: Sequence[Face], extra: Sequence[Route] = ()) -> ASGIApp:
    """The whole gateway: each service under its path, and what belongs to none beside them."""
    services = {face.path: Service(cloud, face).router for face in faces}
    rest = Router(list(extra), redirect_slashes=False)

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        first = path[: path.find("/", 1)] if path.find("/", 1) > 0 else path
        service = services.get(first)
        if scope["type"] == "http" and not _has_host(scope):
            await Response("The Host header names no host.\n", 400)(scope, receive, send)
        elif service is None and (refusal := passage(scope).refusal) is not None:
            await Response(f"{refusal.message}\n", faults.status_of(refusal))(scope, receive, send)
        elif service is None or scope["type"] != "http":
            await rest(scope, receive, send)
        else:
            full = path if len(path) > len(first) else path + "/"
            await service({**scope, "path": full, "root_path": scope.get("root_path", "") + first}, receive, send)

    return dispatch
