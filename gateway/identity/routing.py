"""A URL of identity, with its operation as the service's policy names it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from gateway.calling import About
from gateway.policy import ANYONE, Who
from gateway.serving import Route


def route(
    method: str,
    path: str,
    function: Callable[..., Awaitable[Any]],
    who: Who | str,
    policy: str,
    status: int = 200,
    *,
    fences: bool = True,
    past: bool = True,
    target: About | None = None,
) -> Route:
    if isinstance(who, str):
        return Route(method, path, function, ANYONE, status, fences=fences, past=past)
    name = f"identity:{policy}"
    return Route(method, path, function, name, status, fences=fences, past=past, target=target)
