"""URLs of identity, with their operations as the service's policy names them."""

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


def resource(
    module: Any, path: str, name: str, many: str = "", *, key: str = "id", named: bool = False
) -> tuple[Route, ...]:
    """The five operations of a resource; it is `named` by whoever makes it, or by the cloud."""
    one = f"{path}/{{{key}}}"
    return (
        route("PUT" if named else "POST", one if named else path, module.create, f"create_{name}", 201),
        route("GET", path, module.listed, f"list_{many or name + 's'}"),
        route("GET", one, module.show, f"get_{name}"),
        route("PATCH", one, module.change, f"update_{name}"),
        route("DELETE", one, module.delete, f"delete_{name}", 204),
    )
