"""A URL of identity, with its operation as the service's policy names it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from gateway.calling import About
from gateway.serving import Route


def route(
    method: str,
    path: str,
    function: Callable[..., Awaitable[Any]],
    policy: str,
    status: int = 200,
    *,
    fences: bool = True,
    past: bool = True,
    target: About | None = None,
) -> Route:
    return Route(method, path, function, f"identity:{policy}", status, fences=fences, past=past, target=target)
