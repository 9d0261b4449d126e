"""A name: unique among the domains, and within a domain among its users, projects, groups and roles.

    FREE -> CLAIMED -> FREE

A key is what is named and where: `("user", <domain>, <name>)`; of a domain `("domain", <name>)`, of an application
credential `("application_credential", <user>, <name>)`. Source: Identity API reference, "Domains", "Users", "Projects".
"""

from __future__ import annotations

from events.claims import Claim, Claimed, Commands, Events, Release, Released, Take, decide, evolve

INDEXES = ("due",)

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
]
