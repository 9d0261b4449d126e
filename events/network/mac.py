"""A MAC address on a network, while a port has it that does not follow from its address: one claim for each.

    FREE -> CLAIMED -> FREE

What follows from an address is the port's as long as the address is: projections/network/addresses.py, `made_mac`.
Source: DESIGN, "Hard cases, decided", 1 and 2.
"""

from __future__ import annotations

from events.claims import Claim, Claimed, Commands, Events, Release, Released, Take, decide
from events.claims import evolve_in_group as evolve

INDEXES = ("holder", "group", "due")
SHARED = ("group",)


def key(network: str, mac: str) -> tuple[str, str]:
    """The claim's key; the address in letters that a subject takes as they are."""
    return network, mac.replace(":", "-")


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
