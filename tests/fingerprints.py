"""What released events look like: one digest for each, of its name, fields, types and defaults.

`python -m tests.fingerprints` writes them anew.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
from msgspec import Struct

from events.services import deciders

FILE = Path(__file__).parent / "events" / "fingerprints.json"


def shape(kind: Any) -> Any:
    """A type as plain data; Structs by their fields."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        return {
            "tag": kind.__struct_config__.tag,
            "fields": [
                [field.encode_name, shape(field.type), "" if field.required else repr(field.default)]
                for field in msgspec.structs.fields(kind)
            ],
        }
    arguments = get_args(kind)
    return [str(getattr(kind, "__origin__", kind)), *map(shape, arguments)] if arguments else str(kind)


def fingerprints() -> dict[str, str]:
    found = {}
    for module in deciders():
        union = get_type_hints(module.evolve)["event"]
        for event in get_args(union) or (union,):
            service, resource = module.__name__.split(".")[1:]
            digest = sha256(msgspec.json.encode(shape(event))).hexdigest()[:32]
            found[f"{service}.{resource}.{event.__name__}"] = digest
    return dict(sorted(found.items()))


if __name__ == "__main__":
    FILE.write_bytes(msgspec.json.format(msgspec.json.encode(fingerprints()), indent=1) + b"\n")
