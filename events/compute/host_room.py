"""The room of one host: vcpus, ram (MiB) and disk (GiB), claimed by servers. Source: DESIGN, "Handlers and agents"."""

from __future__ import annotations

from events.room import (
    INDEXES,
    ClaimRoom,
    Commands,
    Events,
    Exceeded,
    ResetLimits,
    ReturnRoom,
    Room,
    SetLimits,
    decide,
    evolve,
)

__all__ = [
    "INDEXES",
    "ClaimRoom",
    "Commands",
    "Events",
    "Exceeded",
    "ResetLimits",
    "ReturnRoom",
    "Room",
    "SetLimits",
    "decide",
    "evolve",
]
