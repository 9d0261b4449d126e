"""The history of servers: a row for each event that a client may want to hear of, from asked for to gone.

Source: Compute API reference, "Servers actions (servers, os-instance-actions)".
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from events.compute.server import (
    Events,
    ServerDeleted,
    ServerDeletionRequested,
    ServerFailed,
    ServerLocked,
    ServerPlaced,
    ServerPowerRequested,
    ServerRemoved,
    ServerRequested,
    ServerStarted,
    ServerStopped,
    ServerUnlocked,
)
from events.fold import Change
from projections.tables import Log


class Happening(Struct, frozen=True, kw_only=True):
    """Something that happened to a server."""

    server: str
    sequence: int  # of the commit
    at: datetime
    what: str  # an action that was asked for, or what came of the one before it
    request: str | None
    user: str | None
    project: str | None
    host: str | None
    message: str | None = None
    details: str | None = None  # for admins


HISTORY = Log("compute_server_history", Happening)
LOGS = (HISTORY,)

# What is asked for begins an action; what comes of it ends a step of the newest one.
ASKED = frozenset(("create", "start", "stop", "reboot", "delete", "lock", "unlock"))
PLACED, DONE, FAILED, GONE = "placed", "done", "failed", "gone"


def what(event: Events) -> str | None:
    """The name of what happened; None if it is no part of the history."""
    match event:
        case ServerRequested():
            return "create"
        case ServerPowerRequested(wanted=wanted, reboot=reboot):
            return "reboot" if reboot else "start" if wanted == "on" else "stop"
        case ServerDeletionRequested():
            return "delete"
        case ServerLocked():
            return "lock"
        case ServerUnlocked():
            return "unlock"
        case ServerPlaced():
            return PLACED
        case ServerStarted() | ServerStopped():
            return DONE
        case ServerFailed():
            return FAILED
        case ServerRemoved() | ServerDeleted():
            return GONE
    return None


def apply(change: Change) -> Iterator[Happening]:
    """The rows that follow from one commit of a server."""
    server = change.after.state
    for commit in change.commit.each():
        for event in commit.events:
            name = what(event)
            if name is not None:
                failed = event if isinstance(event, ServerFailed) else None
                yield Happening(
                    server=server.id,
                    sequence=change.sequence,
                    at=commit.at,
                    what=name,
                    request=commit.request,
                    user=commit.actor,
                    project=commit.project,
                    host=server.host,
                    message=failed.message if failed else None,
                    details=failed.details if failed else None,
                )
