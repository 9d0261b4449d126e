"""Identity: who there is, where they belong, what they may do, and where the services are."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict

from events.envelope import Command, Event
from events.refusals import Forbidden, NotFound


def missing(kind: str, id: object) -> NotFound:
    """What is said of a resource that is not there."""
    return NotFound(f"Could not find {kind}: {id}.")


def changed(before: Any, command: Command | Event) -> dict[str, Any]:
    """What a command, or an event, that names only what is to change would change in `before`."""
    return {
        name: value
        for name, value in asdict(command).items()
        if name != "id" and value is not UNSET and getattr(before, name) != value
    }


def named(event: Event) -> dict[str, Any]:
    """The fields that an event names."""
    return {name: value for name, value in asdict(event).items() if value is not UNSET}


def keep_immutable(verb: str, kind: str, resource: Any, options: dict[str, Any] | UnsetType = UNSET) -> None:
    """Refuse to touch what is marked immutable, unless the mark is taken away with it. Raises Forbidden."""
    if getattr(resource, "options", {}).get("immutable") and (
        options is UNSET or options.get("immutable") is not False
    ):
        raise Forbidden(
            f"Unable to {verb} immutable {kind} resource: `{resource.id}. "
            'Set resource option "immutable" to false first.'
        )
