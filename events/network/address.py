"""An address of a subnet, while a port has it: one claim for each address.

    FREE -> CLAIMED -> FREE

Its key is the subnet and the address, its holder a port and the attempt that claimed it for the port (standard.py).
Source: DESIGN, "Hard cases, decided", 1 and 2.
"""

from __future__ import annotations

from events.claims import Claim, Claimed, Commands, Events, Release, Released, Take, decide
from events.claims import evolve_in_group as evolve

INDEXES = ("holder", "group", "due")
SHARED = ("group",)


def key(subnet: str, ip: str) -> tuple[str, str]:
    """The claim's key; the address in letters that a subject takes as they are."""
    return subnet, ip.replace(".", "-").replace(":", "_")


def ip(claim: Claim) -> str:
    """The address that is claimed."""
    text = claim.key[1]
    return text.replace("_", ":") if "_" in text else text.replace("-", ".")


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
    "ip",
    "key",
]
