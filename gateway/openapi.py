"""Each service's OpenAPI document, made of its routes: paths, the types of bodies and answers, the rules that guard.

Served at `/<service>/openapi.json` to anybody. Source: OpenAPI Specification 3.1.0.
"""

from __future__ import annotations

import inspect
import re
from typing import Any, get_type_hints

import msgspec
from msgspec import Struct

from gateway import faults
from gateway.calling import Answer, Call, Face, Route
from gateway.microversions import name as version_name
from gateway.policy import ANYONE

PATH = "/openapi.json"
REFUSALS = sorted({str(status) for status in faults.STATUS.values()} | {"416"})
_HOLE = re.compile(r"\{(\w+)(?::\w+)?\}")

_made: dict[str, bytes] = {}


async def show(call: Call) -> Answer:
    """The document of the call's service."""
    face = call.face
    if face.name not in _made:
        _made[face.name] = msgspec.json.encode(document(face))
    return Answer(body=_made[face.name], media_type="application/json")


ROUTE = Route("GET", PATH, show, ANYONE, fences=False, past=False)


def document(face: Face) -> dict[str, Any]:
    """The service as an OpenAPI document; of routes that differ by version the newest."""
    bodies = {id(route): _body_type(route) for route in face.routes}
    answers = {id(route): _answer_type(route) for route in face.routes}
    types = [one for one in (*bodies.values(), *answers.values()) if one is not None and _is_told(one)]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    by_type = {id(one): schema for one, schema in zip(types, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for route in face.routes:
        body = face.describe(route) or by_type.get(id(bodies[id(route)]))
        answer = by_type.get(id(answers[id(route)]))
        place = paths.setdefault(_HOLE.sub(r"{\1}", f"{face.path}{route.path}"), {})
        place[route.method.lower()] = _operation(face, route, body, answer)
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Cumulog: {face.name}", "version": _version(face)},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
        },
    }


def _is_told(kind: Any) -> bool:
    """Whether JSON Schema can tell of a type: not of a choice between untagged Structs, which only answers have."""
    try:
        msgspec.json.schema(kind)
    except TypeError:
        return False
    return True


def _version(face: Face) -> str:
    return version_name(face.versions.maximum) if face.versions else "1"


def _body_type(route: Route) -> Any:
    """What the function takes as its body, if it names a type that says something."""
    parameters = list(inspect.signature(route.function).parameters)
    if len(parameters) < 2:
        return None
    kind = get_type_hints(route.function, include_extras=True)[parameters[1]]
    return None if kind is Any else kind


def _answer_type(route: Route) -> Any:
    kind = get_type_hints(route.function, include_extras=True).get("return")
    is_view = isinstance(kind, type) and issubclass(kind, Struct) and kind is not Answer
    return kind if is_view else None


def _operation(face: Face, route: Route, body: Any, answer: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": f"{route.method.lower()}{re.sub(r'[^a-zA-Z0-9]+', '_', route.path)}",
        "summary": (inspect.getdoc(route.function) or "").split("\n")[0],
        "responses": _responses(route, answer),
    }
    if route.policy != ANYONE:
        told |= {"security": [{"token": []}], "x-policy": route.policy}
    names = _HOLE.findall(route.path)
    if names:
        told["parameters"] = [_parameter(name) for name in names]
    if body is not None:
        told["requestBody"] = {"content": {route.media_types[0]: {"schema": body}}}
    elif len(inspect.signature(route.function).parameters) > 1:
        told["requestBody"] = {"content": {route.media_types[0]: {"schema": {"type": "object"}}}}
    return told


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _responses(route: Route, answer: Any) -> dict[str, Any]:
    """What may be answered: the route's own status, others if the function chooses, and refusals."""
    done: dict[str, Any] = {"description": "done"}
    if answer is not None:
        done["content"] = {"application/json": {"schema": answer}}
    found = {str(route.status): done, **{status: {"description": "refused"} for status in REFUSALS}}
    if get_type_hints(route.function).get("return") in (Answer, Any):
        found |= {status: {"description": "done"} for status in ("2XX", "3XX")}
    return found
