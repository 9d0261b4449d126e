"""Changes of an image as JSON patches, of today and of version 2.0.

Sources: Image API reference, "Update image"; RFC 6902; RFC 6901; draft-ietf-appsawg-json-patch-00.
"""

from __future__ import annotations

import re
from typing import Any

from events.image.image import Change
from events.refusals import Forbidden, Invalid, UnsupportedMedia
from gateway.image.bodies import read
from gateway.image.fields import FIELDS, checked, refuse_read_only
from gateway.serving import Call

OLD = "application/openstack-images-v2.0-json-patch"
NEW = "application/openstack-images-v2.1-json-patch"
OPERATIONS = ("add", "remove", "replace")
MOST = 1000  # operations of a patch

_ESCAPE = re.compile(r"~(?![01])")


async def changes(call: Call) -> tuple[Change, ...]:
    """What the body asks for. Raises UnsupportedMedia, Invalid, Forbidden."""
    essence = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if essence not in (OLD, NEW):
        call.headers["accept-patch"] = f"{OLD}, {NEW}"
        raise UnsupportedMedia(f"Image PATCH expects Content-Type one of: {OLD}, {NEW}", kind=essence)
    operations = await read(call)
    if not isinstance(operations, list):
        raise Invalid("Request body must be a JSON array of operation objects.")
    if len(operations) > MOST:
        raise Invalid(f"Request body must hold {MOST} operation objects at most.")
    return tuple(_change(call, *(_new if essence == NEW else _old)(operation)) for operation in operations)


def _new(operation: Any) -> tuple[str, Any, dict[str, Any]]:
    if not isinstance(operation, dict):
        raise Invalid("Operations must be JSON objects.")
    if "op" not in operation:
        raise Invalid(
            "Unable to find `op` in JSON Schema change. It must be one of the following: add, remove, replace."
        )
    what = operation["op"]
    if what not in OPERATIONS:
        raise Invalid(f"Invalid operation: `{what}`. It must be one of the following: add, remove, replace.")
    if "path" not in operation:
        raise Invalid("Unable to find 'path' in JSON Schema change")
    return what, operation["path"], operation


def _old(operation: Any) -> tuple[str, Any, dict[str, Any]]:
    if not isinstance(operation, dict):
        raise Invalid("Operations must be JSON objects.")
    named = [what for what in OPERATIONS if what in operation]
    if len(named) != 1:
        raise Invalid('Operation objects must contain exactly one member named "add", "remove", or "replace".')
    return named[0], operation[named[0]], operation


def _change(call: Call, what: Any, path: Any, operation: dict[str, Any]) -> Change:
    name = _name(what, path)
    refuse_read_only(name)
    if what == "remove":
        return Change("remove", name, None, name in FIELDS)
    if "value" not in operation:
        raise Invalid(f'Operation "{what}" requires a member named "value".')
    field, value = checked(call, name, operation["value"])
    return Change(what, field, value, name in FIELDS)


def _name(what: str, path: Any) -> str:
    """What a pointer points to: all but locations lies flat. Raises Invalid, Forbidden."""
    if not isinstance(path, str):
        raise Invalid(f"Invalid JSON pointer for this resource: {path!r}")
    if not path.startswith("/"):
        raise Invalid(f'Pointer `{path}` does not start with "/".')
    if len(path) > 1 and path.endswith("/"):
        raise Invalid(f'Pointer `{path}` end with "/".')
    if _ESCAPE.search(path):
        raise Invalid(f'Pointer `{path}` contains "~" not part of a recognized escape sequence.')
    flat = path.lstrip("/")
    if flat.partition("/")[0] == "locations":
        if what == "remove":
            raise Forbidden("You are not authorized to complete delete_image_location action.")
        raise Forbidden(f"It's not allowed to {what} locations if locations are invisible.")
    if "/" in flat:
        raise Invalid(f"Invalid JSON pointer for this resource: {path!r}")
    return flat.replace("~1", "/").replace("~0", "~")
