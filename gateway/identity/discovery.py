"""Which versions there are. Source: Identity API reference, "API versions"."""

from __future__ import annotations

from typing import Any

from gateway.identity import json_home
from gateway.serving import Answer, Call


def _version(call: Call) -> dict[str, Any]:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{call.root}/v3/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


async def versions(call: Call) -> Answer:
    """All versions - there is one - or what there is in it."""
    if json_home.wanted(call.request.headers.get("accept", "")):
        return Answer(body=json_home.document(call.face.routes, "/v3"), media_type=json_home.MEDIA_TYPE)
    body = {"versions": {"values": [_version(call)]}}
    return Answer(status=300, body=body, headers={"Location": f"{call.root}/v3/"})


async def version(call: Call) -> Answer:
    """Version 3, or what there is in it."""
    if json_home.wanted(call.request.headers.get("accept", "")):
        return Answer(body=json_home.document(call.face.routes, ""), media_type=json_home.MEDIA_TYPE)
    return Answer(body={"version": _version(call)})
