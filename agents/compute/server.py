"""How a host obeys: the next step from what is found to what is wanted, and what is to be reported of it."""

from __future__ import annotations

from typing import Literal

from agents.compute.hypervisor import Found, Guest
from events.compute.guest import Seen

Step = Literal["create", "start", "stop", "reboot", "remove"]


def step(guest: Guest, found: Found | None) -> Step | None:
    """What is to be done next; None once the host holds what is wanted, or can do nothing about it."""
    if guest.wanted == "gone":
        return "remove" if found is not None else None
    if found is None:
        return None if guest.built else "create"
    if guest.wanted == "off":  # also one that runs all the same: it was made only now, or somebody else started it
        return "stop" if found.running or found.generation < guest.generation else None
    if found.generation >= guest.generation:
        return None  # fulfilled; a guest that stopped itself since then stays off until somebody asks for it
    return "reboot" if guest.reboot is not None and found.running else "start"


def report(guest: Guest, found: Found | None) -> Seen | None:
    """What the host sees of a guest that has no further step."""
    if found is None:
        seen: Literal["gone", "missing"] = "gone" if guest.wanted == "gone" else "missing"
        return Seen(server=guest.id, generation=guest.generation, seen=seen)
    if found.generation < guest.generation:
        return None
    return Seen(server=guest.id, generation=found.generation, seen="running" if found.running else "stopped")
