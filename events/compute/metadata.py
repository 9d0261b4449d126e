"""What a guest may know of itself: passed from the cloud to the agent of its host, that answers the guest.

Source: Compute user guide, "Metadata".
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Metadata(Struct, frozen=True, kw_only=True):
    """What is known of a server. Its addresses are the host's own knowledge."""

    id: str
    name: str
    hostname: str
    project: str
    keys: dict[str, str] = {}  # public keys by name
    user_data: bytes | None = None
    meta: dict[str, str] = {}
    availability_zone: str = "nova"
    launch_index: int = 0
    flavor: str = ""  # its name
    image: str = ""
    reservation: str = ""
    security_groups: tuple[str, ...] = ()
    random_seed: bytes | None = None
    admin_password: str | None = None
    vendor_data: dict[str, Any] = {}
