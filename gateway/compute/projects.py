"""What compute needs to know of projects."""

from __future__ import annotations

from events.identity import project as projects
from events.refusals import Invalid
from gateway.serving import Call


def check(call: Call, id: str) -> None:
    """Raises Invalid if there is no such project."""
    if id != call.who.project and call.fold.get(projects, id) is None:
        raise Invalid(f"Project ID {id[:255]} is not a valid project.")
