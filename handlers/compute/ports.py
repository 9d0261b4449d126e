"""The ports of a server: made when it is placed, given back when it is gone."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from events.compute.host import Host
from events.compute.server import Server
from events.decider import Step
from handlers.runner import Sight


class Attached(Struct, frozen=True):
    """The steps that make a server's ports, and their ids."""

    steps: tuple[Step, ...]
    ids: tuple[str, ...]


def steps_to_attach(sight: Sight, server: Server, host: Host, now: datetime) -> Attached:
    """What gives `server` its ports on `host`. Raises a Refusal if it cannot be."""
    return Attached((), ())


def steps_to_detach(sight: Sight, server: Server) -> tuple[Step, ...]:
    """What takes them away: those made for the server are deleted, those it was given are let go."""
    return ()
