"""What a project may use of compute: instances, cores and ram (MiB), claimed by servers; key pairs by keys.
Source: Compute API reference, "Quota sets (os-quota-sets)"."""

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

DEFAULTS: dict[str, int] = {
    "instances": 10,
    "cores": 20,
    "ram": 51200,  # MiB
    "key_pairs": 100,
    "metadata_items": 128,
    "injected_files": 5,
    "injected_file_content_bytes": 10240,
    "injected_file_path_bytes": 255,
    "server_groups": 10,
    "server_group_members": 10,
    "floating_ips": -1,
    "fixed_ips": -1,
    "security_groups": -1,
    "security_group_rules": -1,
}
