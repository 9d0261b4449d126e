"""JSON bodies of open shape, and the schema that they are held to, in image's own words.

An image's own properties stand beside its fields, so no Struct can name all members of such a body.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from events.refusals import Invalid
from gateway import bodies
from gateway.serving import Call

_decode = msgspec.json.Decoder().decode
_TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


async def read(call: Call) -> Any:
    """The body, an object or a list. Raises Invalid, TooLarge."""
    data = await bodies.read(call.request, call.cloud.settings.gateway.max_body)
    if not data:
        raise Invalid("Body expected in request.")
    try:
        body = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise Invalid("Malformed JSON in request body.") from fault
    if not isinstance(body, (dict, list)):
        raise Invalid("Unexpected body type. Expected list/dict.")
    return body


async def read_object(call: Call) -> dict[str, Any]:
    """The body, an object. Raises Invalid, TooLarge."""
    body = await read(call)
    if not isinstance(body, dict):
        raise Invalid("Unexpected body type. Expected dict.")
    return body


async def refuse_any(call: Call) -> None:
    """Raises Invalid if there is a body."""
    if await bodies.read(call.request, call.cloud.settings.gateway.max_body):
        raise Invalid("A body is not expected with this request.")


def validate(name: str, schema: dict[str, Any], body: dict[str, Any]) -> None:
    """Hold `body` to as much of JSON Schema as this service's schemas use. Raises Invalid."""
    others = schema.get("additionalProperties")
    for key, rule in schema["properties"].items():
        if key in body:
            _hold(name, rule, body[key])
    if others is not None:
        for key, value in body.items():
            if key not in schema["properties"]:
                _hold(name, others, value)


def _hold(name: str, rule: dict[str, Any], value: Any) -> None:
    fault = _fault(rule, value)
    if fault is not None:
        raise Invalid(f"Provided object does not match schema '{name}': {fault}")
    if isinstance(value, list) and "items" in rule:
        for item in value:
            _hold(name, rule["items"], item)


def _fault(rule: dict[str, Any], value: Any) -> str | None:
    types = rule.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(_is(value, type_) for type_ in types):
        return f"{value!r} is not of type {', '.join(map(repr, types))}"
    if "enum" in rule and value not in rule["enum"]:
        return f"{value!r} is not one of {rule['enum']}"
    if isinstance(value, str):
        if len(value) > rule.get("maxLength", len(value)):
            return f"{value!r} is too long"
        if "pattern" in rule and not re.search(rule["pattern"], value):
            return f"{value!r} does not match {rule['pattern']!r}"
    return None


def _is(value: Any, type_: str) -> bool:
    if isinstance(value, bool) and type_ != "boolean":
        return False
    return isinstance(value, _TYPES[type_])
