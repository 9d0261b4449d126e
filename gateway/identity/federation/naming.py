"""The ids that operators give to what is federated, and the names of what is kept of it."""

from __future__ import annotations

import re

from events.refusals import Invalid
from gateway.serving import Call

_ID = re.compile(r"[^\x00-\x20\x7f/]{1,64}\Z")


def id_of(call: Call, name: str = "id") -> str:
    """The id in the path, of what is to be made. Raises Invalid if it is too long, or has blanks in it."""
    id = call.path[name]
    if not _ID.match(id):
        raise Invalid("An id has 1 to 64 characters, none of them blank.")
    return id


def client_secret(provider: str) -> tuple[str, ...]:
    """The name in the vault of the secret that an OpenID provider gave this cloud."""
    return ("identity", "federation", "client", provider)
