"""The JSON schemas of the service: what clients read about bodies, and what bodies are held to.

Source: Image API reference, "Image Schemas".
"""

from __future__ import annotations

from typing import Any

from events.refusals import NotFound
from gateway.serving import Call

Schema = dict[str, Any]

ID = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"
DISK_FORMATS = [None, "ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop"]
CONTAINER_FORMATS = [None, "ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"]
STATUSES = [
    "queued",
    "saving",
    "active",
    "killed",
    "deleted",
    "uploading",
    "importing",
    "pending_delete",
    "deactivated",
]  # as clients know them


def _rule(type_: str | list[str], description: str, **more: Any) -> Schema:
    return {"type": type_, "description": description, **more}


_NULLABLE = ["null", "string"]
_TIME = "A moment, ISO 8601 in UTC"

_LOCATION: Schema = {
    "type": "object",
    "properties": {
        "url": {"type": "string", "maxLength": 255},
        "metadata": {"type": "object"},
        "validation_data": {
            "description": "Digests that the bytes there must have",
            "type": "object",
            "writeOnly": True,
            "additionalProperties": False,
            "properties": {
                "checksum": {"type": "string", "minLength": 32, "maxLength": 32},
                "os_hash_algo": {"type": "string", "maxLength": 64},
                "os_hash_value": {"type": "string", "maxLength": 128},
            },
            "required": ["os_hash_algo", "os_hash_value"],
        },
    },
    "required": ["url", "metadata"],
}

IMAGE: Schema = {
    "name": "image",
    "properties": {
        "id": _rule("string", "A UUID, chosen by the creator or the service", pattern=ID),
        "name": _rule(_NULLABLE, "Any name; several images may share it", maxLength=255),
        "status": _rule("string", "Where it is in its life", readOnly=True, enum=STATUSES),
        "visibility": _rule("string", "Who may see it", enum=["community", "public", "private", "shared"]),
        "protected": _rule("boolean", "Whether it refuses to be deleted"),
        "os_hidden": _rule("boolean", "Whether lists leave it out unless asked for it"),
        "checksum": _rule(_NULLABLE, "MD5 of the bytes", readOnly=True, maxLength=32),
        "os_hash_algo": _rule(_NULLABLE, "How os_hash_value is computed", readOnly=True, maxLength=64),
        "os_hash_value": _rule(_NULLABLE, "Digest of the bytes, hexadecimal", readOnly=True, maxLength=128),
        "owner": _rule(_NULLABLE, "The project whose it is", maxLength=255),
        "size": _rule(["null", "integer"], "How many bytes it has", readOnly=True),
        "virtual_size": _rule(["null", "integer"], "How many bytes its disk has", readOnly=True),
        "container_format": _rule(_NULLABLE, "What is around the disk", enum=CONTAINER_FORMATS),
        "disk_format": _rule(_NULLABLE, "How the disk is written down", enum=DISK_FORMATS),
        "created_at": _rule("string", _TIME, readOnly=True),
        "updated_at": _rule("string", _TIME, readOnly=True),
        "tags": _rule("array", "Words to find it by", items={"type": "string", "maxLength": 255}),
        "direct_url": _rule("string", "Where the store has the bytes", readOnly=True),
        "min_ram": _rule("integer", "MB of memory that a server needs to boot it"),
        "min_disk": _rule("integer", "GB of disk that a server needs to boot it"),
        "self": _rule("string", "Its path", readOnly=True),
        "file": _rule("string", "The path of its bytes", readOnly=True),
        "stores": _rule("string", "The stores that have its bytes, with commas between", readOnly=True),
        "schema": _rule("string", "The path of this schema", readOnly=True),
        "locations": {"type": "array", "items": _LOCATION, "description": "Where the bytes are"},
    },
    "additionalProperties": {"type": "string"},
    "links": [
        {"rel": "self", "href": "{self}"},
        {"rel": "enclosure", "href": "{file}"},
        {"rel": "describedby", "href": "{schema}"},
    ],
}

MEMBER: Schema = {
    "name": "member",
    "properties": {
        "member_id": _rule("string", "The project that the image is offered to"),
        "image_id": _rule("string", "The image", pattern=ID),
        "created_at": _rule("string", _TIME),
        "updated_at": _rule("string", _TIME),
        "status": _rule("string", "What the project says to the offer", enum=["pending", "accepted", "rejected"]),
        "schema": {"readOnly": True, "type": "string"},
    },
}

TASK: Schema = {
    "name": "task",
    "properties": {
        "id": _rule("string", "A UUID", pattern=ID),
        "type": _rule("string", "What is done", enum=["import", "api_image_import", "location_import"]),
        "status": _rule("string", "How far it is", enum=["pending", "processing", "success", "failure"]),
        "input": _rule(["null", "object"], "What was asked for"),
        "result": _rule(["null", "object"], "What came out"),
        "owner": _rule("string", "The project whose it is"),
        "message": _rule("string", "What there is to say about it"),
        "image_id": _rule("string", "The image that it is about"),
        "request_id": _rule("string", "The request that began it"),
        "user_id": _rule("string", "Who asked"),
        "expires_at": _rule(_NULLABLE, _TIME),
        "created_at": _rule("string", _TIME),
        "updated_at": _rule("string", _TIME),
        "self": {"readOnly": True, "type": "string"},
        "schema": {"readOnly": True, "type": "string"},
    },
}


def _several(name: str, one: Schema, *, paged: bool, links: list[Schema] | None = None) -> Schema:
    properties: Schema = {name: {"type": "array", "items": one}, "schema": {"type": "string"}}
    if paged:
        properties = {name: properties[name], "first": {"type": "string"}, "next": {"type": "string"}, **properties}
    return {"name": name, "properties": properties, "links": [*(links or ()), _DESCRIBED_BY]}


_DESCRIBED_BY = {"rel": "describedby", "href": "{schema}"}
_PAGES = [{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}]

SCHEMAS: dict[str, Schema] = {
    "image": IMAGE,
    "images": _several("images", IMAGE, paged=True, links=_PAGES),
    "member": MEMBER,
    "members": _several("members", MEMBER, paged=False),
    "task": TASK,
    "tasks": _several("tasks", TASK, paged=False),
}


async def show(call: Call) -> Schema:
    """One schema. Raises NotFound."""
    schema = SCHEMAS.get(call.path["name"])
    if schema is None:
        raise NotFound("The resource could not be found.")
    return schema
