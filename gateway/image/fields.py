"""The members of an image's body: which are fields, which may be written, and by whom."""

from __future__ import annotations

from typing import Any

from events.refusals import Forbidden, Invalid
from gateway.image.bodies import validate
from gateway.image.schema import IMAGE
from gateway.serving import Call

FIELDS = {  # that may be written, by the name that the state has for them
    "name": "name",
    "owner": "project",
    "visibility": "visibility",
    "disk_format": "disk_format",
    "container_format": "container_format",
    "min_ram": "min_ram",
    "min_disk": "min_disk",
    "protected": "protected",
    "os_hidden": "hidden",
    "tags": "tags",
}
READ_ONLY = frozenset(
    {
        *("status", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "created_at", "updated_at"),
        *("self", "file", "schema", "direct_url", "stores"),
    }
)
RESERVED = frozenset({"deleted", "deleted_at", "location", "os_glance"})

_LARGEST = 0x7FFFFFFF
_LONGEST = 255  # characters of a property's name
_WIDEST = 65535  # bytes of its value
_OPENED = {"public": "publicize_image", "community": "communitize_image"}  # visibilities that have a rule


def refuse_read_only(name: str) -> None:
    """Raises Forbidden if nobody may write it."""
    if name in READ_ONLY or name == "id":
        raise Forbidden(f"Attribute '{name}' is read-only.")
    if is_reserved(name):
        raise Forbidden(f"Attribute '{name}' is reserved.")


def is_reserved(name: str) -> bool:
    return name in RESERVED or name.startswith("os_glance_")


def checked(call: Call, name: str, value: Any) -> tuple[str, Any]:
    """A field under its own name, or a property; and its value. Raises Invalid, Forbidden."""
    validate("image", IMAGE, {name: value})
    if name not in FIELDS:
        if len(name) > _LONGEST:
            raise Invalid(f"Custom property should not be greater than {_LONGEST} characters.")
        if len(value.encode(errors="surrogatepass")) > _WIDEST:
            raise Invalid(f"The value of property {name} should not be greater than {_WIDEST} bytes.")
        return name, value
    if name in ("min_ram", "min_disk"):
        if value < 0:
            raise Invalid(f"Invalid value '{value}' for parameter '{name}': Cannot be a negative value")
        if value > _LARGEST:
            raise Invalid(f"'{name}' value out of range, must not exceed {_LARGEST}.")
    elif name == "tags":
        value = tuple(dict.fromkeys(value))
    elif name == "visibility" and value in _OPENED:
        call.require(_OPENED[value])
    return FIELDS[name], value
