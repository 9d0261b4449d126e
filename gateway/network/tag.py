"""Tags over HTTP, of every resource that has them. Source: Networking API reference, "Standard attributes tag"."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from events.network.standard import AddTag, RemoveTag, SetTags, Standard
from events.refusals import NotFound
from gateway.network.attributes import wrong
from gateway.network.describing import COLLECTIONS
from gateway.network.documents import Document, Resource, no_body, plain_body
from gateway.network.security_group import GROUP
from gateway.serving import Call

TAGGED = {**{name: one for name, one in COLLECTIONS.items() if one.tagged}, "security_groups": GROUP}


def _found(call: Call, rule: str) -> tuple[Resource, Standard]:
    """What the path names. Raises NotFound, Forbidden."""
    resource = TAGGED.get(call.path["collection"])
    if resource is None:
        raise NotFound("The resource could not be found.")
    state: Standard | None = call.fold.get(resource.module, call.path["id"])
    if state is None:
        raise resource.not_found(call.path["id"])
    operation = f"{rule}_{resource.name}:tags"
    if not resource.may_see(call, state):
        raise call.denied(operation)
    call.enforce(resource.target(call, state), operation)
    return resource, state


def _tag(value: Any) -> str:
    if not isinstance(value, str):
        raise wrong(f"'{value}' is not a valid string")
    if len(value) > 255:
        raise wrong(f"'{value}' exceeds maximum length of 255")
    return value


async def _tags(call: Call) -> tuple[tuple[str, ...], Document]:
    body = await plain_body(call)
    if "tags" not in body:
        raise wrong("Invalid tags body")
    given = body["tags"]
    if not isinstance(given, list):
        raise wrong(f"'{given}' is not a list")
    tags = tuple(_tag(one) for one in given)
    twice = [tag for at, tag in enumerate(tags) if tag in tags[:at]] if len(tags) < 1000 else []
    if twice:
        raise wrong(f"Duplicate items in the list: '{', '.join(twice)}'")
    return tags, body


async def show_all(call: Call) -> Document:
    """The tags of a resource."""
    _, state = _found(call, "get")
    return {"tags": list(state.tags)}


async def show(call: Call) -> None:
    """Nothing, if it has the tag. Raises NotFound."""
    _, state = _found(call, "get")
    tag = unquote(call.path["tag"])
    if tag not in state.tags:
        raise NotFound(f"Tag {tag} could not be found.", kind="TagNotFound")


async def replace(call: Call) -> Document:
    """These tags and no others."""
    resource, state = _found(call, "update")
    tags, body = await _tags(call)
    await call.do(resource.module, SetTags(id=state.id, tags=tags))
    return {**body, "tags": list(tags)} if len(body) < 10 else {"tags": list(tags)}


async def extend(call: Call) -> Document:
    """These tags beside those that it has."""
    resource, state = _found(call, "create")
    tags, _ = await _tags(call)
    more = tuple(dict.fromkeys((*state.tags, *tags)))
    await call.do(resource.module, SetTags(id=state.id, tags=more))
    return {"tags": list(tags)}


async def add(call: Call) -> bytes:
    """One tag more."""
    resource, state = _found(call, "update")
    await call.do(resource.module, AddTag(id=state.id, tag=_tag(unquote(call.path["tag"]))))
    return b"null"


async def remove(call: Call) -> None:
    """One tag less. Raises NotFound."""
    await no_body(call)
    resource, state = _found(call, "delete")
    await call.do(resource.module, RemoveTag(id=state.id, tag=unquote(call.path["tag"])))


async def clear(call: Call) -> None:
    """No tags."""
    await no_body(call)
    resource, state = _found(call, "delete")
    await call.do(resource.module, SetTags(id=state.id, tags=()))
