"""Metadata and tags of servers over HTTP. Source: Compute API reference, "Server metadata", "Server tags"."""

from __future__ import annotations

import re

from msgspec import Struct

from events.compute import server as servers
from events.compute.server import ChangeServer, Server
from events.refusals import Invalid, NotFound
from gateway.compute import quota
from gateway.compute.server import find, find_unlocked
from gateway.compute.server_bodies import MetadataBody, MetadataItem, TagsBody
from gateway.serving import Answer, Call


class MetadataView(Struct):
    metadata: dict[str, str]


class ItemView(Struct):
    meta: dict[str, str]


class TagsView(Struct):
    tags: tuple[str, ...]


def _most(call: Call) -> int:
    return quota.limits(call, call.project)["metadata_items"]


# Metadata


async def metadata(call: Call) -> MetadataView:
    return MetadataView(find(call).state.metadata)


async def item(call: Call) -> ItemView:
    """One item. Raises NotFound."""
    name, have = call.path["key"], find(call).state.metadata
    if name not in have:
        raise NotFound("Metadata item was not found")
    return ItemView({name: have[name]})


async def add_metadata(call: Call, body: MetadataBody) -> MetadataView:
    """Add items, or change them. Raises NotFound, Conflict, OverQuota."""
    server = await _change_metadata(call, more=body.metadata)
    return MetadataView(server.metadata)


async def set_metadata(call: Call, body: MetadataBody) -> MetadataView:
    """All items anew. Raises NotFound, Conflict, OverQuota."""
    server = await _change_metadata(call, all=body.metadata)
    return MetadataView(server.metadata)


async def set_item(call: Call, body: MetadataItem) -> ItemView:
    """One item, whose name the path has too. Raises NotFound, Conflict, OverQuota, Invalid."""
    find_unlocked(call)
    if call.path["key"] not in body.meta:
        raise Invalid("Request body and URI mismatch")
    await _change_metadata(call, more=body.meta)
    return ItemView(body.meta)


async def remove_item(call: Call) -> None:
    """One item less. Raises NotFound, Conflict."""
    server, name = find_unlocked(call).state, call.path["key"]
    if name not in server.metadata:
        raise NotFound("Metadata item was not found")
    await call.do(servers, ChangeServer(id=server.id, action="delete metadata", less_metadata=(name,)))


async def _change_metadata(
    call: Call, *, more: dict[str, str] | None = None, all: dict[str, str] | None = None
) -> Server:
    server = find_unlocked(call).state
    wish = ChangeServer(
        id=server.id, action="update metadata", metadata=all, more_metadata=more or {}, most_metadata=_most(call)
    )
    return await call.do(servers, wish)


# Tags


_TAG = re.compile(r"[^,/]{1,60}\Z")


async def tags(call: Call) -> TagsView:
    return TagsView(find(call).state.tags)


async def has_tag(call: Call) -> None:
    """Nothing, if the server has the tag. Raises NotFound."""
    server, tag = find(call).state, call.path["tag"]
    if tag not in server.tags:
        raise NotFound(f"Server {server.id} has no tag '{tag[:255]}'")


async def set_tags(call: Call, body: TagsBody) -> TagsView:
    """All tags anew. Raises NotFound, Conflict."""
    wish = ChangeServer(id=find(call).state.id, action="update tags", tags=tuple(dict.fromkeys(body.tags)))
    return TagsView((await call.do(servers, wish)).tags)


async def add_tag(call: Call) -> Answer:
    """One tag more: created if it is new. Raises NotFound, Conflict, Invalid."""
    server, tag = find(call).state, call.path["tag"]
    if not _TAG.match(tag):
        raise Invalid(f"Invalid input for field/attribute tag. Value: {tag[:255]}. {tag[:255]!r} is not a tag")
    await call.do(servers, ChangeServer(id=server.id, action="update tag", more_tags=(tag,)))
    if tag in server.tags:
        return Answer(status=204)
    place = f"{call.root}/v2.1/servers/{server.id}/tags/{tag}"
    return Answer(status=201, headers={"location": place})


async def remove_tag(call: Call) -> None:
    """One tag less. Raises NotFound, Conflict."""
    server, tag = find(call).state, call.path["tag"]
    await call.do(servers, ChangeServer(id=server.id, action="delete tag", less_tags=(tag,)))


async def remove_tags(call: Call) -> None:
    """No tags any more. Raises NotFound, Conflict."""
    await call.do(servers, ChangeServer(id=find(call).state.id, action="delete tags", tags=()))
