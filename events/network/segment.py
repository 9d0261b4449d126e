"""A segment of the underlay - a VXLAN or VLAN number - while a network has it: one claim for each.

    FREE -> CLAIMED -> FREE

Source: Networking API reference, "Networks provider extended attributes"; DESIGN, "Hard cases, decided", 1.
"""

from __future__ import annotations

from events.claims import Claim, Claimed, Commands, Events, Release, Released, Take, decide, evolve

INDEXES = ("holder", "group", "due")


def key(network_type: str, physical_network: str | None, number: int) -> tuple[str, str, str]:
    """The claim's key."""
    return network_type, physical_network or "-", str(number)


__all__ = [
    "INDEXES",
    "Claim",
    "Claimed",
    "Commands",
    "Events",
    "Release",
    "Released",
    "Take",
    "decide",
    "evolve",
    "key",
]
