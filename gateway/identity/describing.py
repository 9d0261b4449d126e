"""Bodies of identity as JSON Schema, made of the shapes that check them, for the service's OpenAPI document."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from gateway.calling import Route
from gateway.identity.shapes import Shape


def describe(route: Route) -> dict[str, Any] | None:
    """The schema of a route's body, if the function's module has SHAPES of what it is about."""
    if route.method not in ("POST", "PATCH") or route.function.__name__ not in ("create", "change"):
        return None
    shapes: Mapping[str, Shape] | None = getattr(sys.modules[route.function.__module__], "SHAPES", None)
    if shapes is None:
        return None
    name = route.policy.partition("_")[2]
    one = {"type": "object", "properties": {key: schema(shape) for key, shape in shapes.items()}}
    whole: dict[str, Any] = {"type": "array", "items": one} if name.endswith("limits") else one
    return {"type": "object", "properties": {name: whole}, "required": [name]}


def schema(shape: Shape) -> dict[str, Any]:
    """A shape as JSON Schema."""
    found: dict[str, Any] = {"type": list(shape.types)}
    for kind, least, most in (
        ("string", "minLength", "maxLength"),
        ("array", "minItems", "maxItems"),
        ("integer", "minimum", "maximum"),
    ):
        if kind in shape.types:
            found |= {key: value for key, value in ((least, shape.least), (most, shape.most)) if value is not None}
    if shape.pattern is not None:
        found["pattern"] = shape.pattern
    if shape.values is not None:
        found["enum"] = list(dict.fromkeys(shape.values))
    if shape.items is not None:
        found["items"] = schema(shape.items)
    if shape.members is not None:
        found["properties"] = {name: schema(one) for name, one in shape.members.items()}
    return found
