"""What consumers are told, described: JSON Schemas of every resource's commits, and an AsyncAPI document of the feeds.

Both are made from the Structs that write and read the events; there is no second list.
Source: JSON Schema 2020-12; AsyncAPI 3.0.0; CloudEvents 1.0.2, "JSON Event Format".
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, cast, get_args, get_type_hints

import msgspec

from events import cloudevents
from events.envelope import Commit
from events.passage import Words
from events.services import deciders

DIALECT = "https://json-schema.org/draft/2020-12/schema"
VERSION = "1.0"  # of the documents: of their shape, not of the events

Schema = dict[str, Any]

_TEXT = {"type": "string", "minLength": 1}
ATTRIBUTES: dict[str, Schema] = {
    "specversion": {"const": "1.0"},
    "id": {"type": "string", "pattern": "^[0-9]+$", "description": "The journal's sequence."},
    "source": {"type": "string", "format": "uri-reference", "description": "The cloud and the service."},
    "type": {**_TEXT, "description": "cumulog.<service>.<resource>.<event>: the first event of the commit."},
    "subject": {**_TEXT, "description": "The resource's key."},
    "time": {"type": "string", "format": "date-time"},
    "datacontenttype": {"const": "application/json"},
    "sequence": {"type": "string", "pattern": "^[0-9]{20}$", "description": "The id, padded: it sorts as text."},
    "project": {**_TEXT, "description": "Whose the resource is."},
    "actor": {**_TEXT, "description": "A user's id, `cumulog` for the cloud itself, `host:<name>` for an agent."},
    "request": {**_TEXT, "description": "The request that this follows from."},
    "traceparent": {**_TEXT, "description": "W3C's, of a request that is traced."},
    "cause": {"type": "string", "pattern": "^[0-9]+$", "description": "The commit that this follows from."},
}
JOURNAL = "journal.epoch"  # what the journal says of itself, when it goes over into another stream
_OF_EPOCHS: Schema = {
    "type": "object",
    "required": ["at", "events"],
    "properties": {
        "at": {"type": "string", "format": "date-time"},
        "events": {"type": "array", "items": {"type": "object", "properties": {"type": _TEXT}}},
    },
}
REQUIRED = ("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "sequence", "data")


def events_of(module: Any) -> tuple[type, ...]:
    """The events of a resource."""
    union = get_type_hints(module.evolve)["event"]
    return get_args(union) or (union,)


def name_of(module: Any) -> str:
    """`compute.server`."""
    return str(module.__name__).removeprefix("events.")


@cache
def _commit(module: Any) -> tuple[str, dict[str, Schema]]:
    """The name of a commit's schema, and it and all it refers to; references begin with `#/$defs/`."""
    told = cast(Any, Commit)[get_type_hints(module.evolve)["event"]]
    (reference,), found = msgspec.json.schema_components([told], ref_template="#/$defs/{name}")
    root = reference["$ref"].rpartition("/")[2]
    commit = found["Commit"] = {**found.pop(root), "title": f"A commit of {name_of(module)}"}
    commit["properties"]["at"] = {"type": "string", "format": "date-time"}
    return "Commit", _plain(found)


def json_schema(module: Any) -> Schema:
    """The schema of a resource's commits."""
    root, found = _commit(module)
    rest = {name: one for name, one in found.items() if name != root}
    return {"$schema": DIALECT, "$id": f"urn:cumulog:events:{name_of(module)}", **found[root], "$defs": rest}


def json_schemas() -> dict[str, Schema]:
    """All of them, by the resource's name."""
    return {name_of(module): json_schema(module) for module in deciders()}


def asyncapi(url: str = "") -> Schema:
    """The AsyncAPI document; of the cloud at `url`, if it is known."""
    modules = deciders()
    names = [name_of(module) for module in modules]
    document: Schema = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Cumulog: what happens in the cloud",
            "version": VERSION,
            "description": "One CloudEvent for each commit of the journal, at least once, in order.",
        },
        "defaultContentType": cloudevents.MEDIA_TYPE,
        "channels": {name.replace(".", "_"): _channel(name) for name in (*names, JOURNAL)},
        "operations": {f"tell_{name.replace('.', '_')}": _operation(name) for name in (*names, JOURNAL)},
        "components": {
            "schemas": {f"{JOURNAL}.Commit": _OF_EPOCHS}
            | {name: one for module in modules for name, one in _renamed(module)},
            "messages": {JOURNAL: _message(JOURNAL, _epoch_words())}
            | {name_of(module): _message(name_of(module), map(_tag, events_of(module))) for module in modules},
        },
    }
    if url:
        host, _, _ = url.partition("://")[2].partition("/")
        document["servers"] = {"events": {"host": host, "pathname": "/events", "protocol": url.partition(":")[0]}}
    return document


def _channel(name: str) -> Schema:
    return {
        "address": f"feed.{{project}}.{name}.{{id}}",
        "title": f"What happens to each {name}",
        "description": "Over NATS in the stream FEED; over HTTP as server-sent events at /events.",
        "parameters": {
            "project": {"description": "Whose the resource is; `-` if it is nobody's."},
            "id": {"description": "The resource's key."},
        },
        "messages": {"commit": {"$ref": f"#/components/messages/{name}"}},
    }


def _operation(name: str) -> Schema:
    channel = f"#/channels/{name.replace('.', '_')}"
    return {"action": "send", "channel": {"$ref": channel}, "messages": [{"$ref": f"{channel}/messages/commit"}]}


def _tag(event: type) -> str:
    return str(cast(Any, event).__struct_config__.tag)


def _epoch_words() -> Iterable[str]:
    return map(_tag, get_args(Words))


def _message(name: str, tags: Iterable[str]) -> Schema:
    attributes = {**ATTRIBUTES, "type": {"enum": [f"cumulog.{name}.{tag}" for tag in tags]}}
    return {
        "name": name,
        "title": f"A commit of {name}",
        "contentType": cloudevents.MEDIA_TYPE,
        "payload": {
            "type": "object",
            "required": list(REQUIRED),
            "properties": {**attributes, "data": {"$ref": f"#/components/schemas/{name}.Commit"}},
        },
    }


def _renamed(module: Any) -> Iterable[tuple[str, Schema]]:
    """A resource's schemas under names of their own, for all stand beside each other."""
    _, found = _commit(module)
    prefix = name_of(module)
    for name, one in found.items():
        yield f"{prefix}.{name}", _refer(one, f"#/components/schemas/{prefix}.")


def _refer(value: Any, to: str) -> Any:
    if isinstance(value, dict):
        moved = {name: one for name, one in value.items() if name != "$ref"}
        made = {name: _refer(one, to) for name, one in moved.items()}
        return {"$ref": to + value["$ref"].rpartition("/")[2], **made} if isinstance(value.get("$ref"), str) else made
    return [_refer(one, to) for one in value] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """Without discriminators, which JSON Schema does not know and AsyncAPI means otherwise."""
    if isinstance(value, dict):
        own = isinstance(value.get("discriminator"), dict) and "propertyName" in value["discriminator"]
        return {name: _plain(one) for name, one in value.items() if not (own and name == "discriminator")}
    return [_plain(one) for one in value] if isinstance(value, list) else value
