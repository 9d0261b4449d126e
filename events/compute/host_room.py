"""The room of one host: vcpus, ram (MiB) and disk (GiB), claimed by servers. Source: DESIGN, "Handlers and agents"."""

from __future__ import annotations

from events.room import (
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

INDEXES = ("holders",)

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
