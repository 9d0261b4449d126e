"""What an agent wants of a hypervisor, and what it finds there: one protocol for every driver.

Every call may be repeated; the second changes nothing. A driver keeps no memory beyond the host's own: the
generation of the last wish that was fulfilled is kept with the guest (in libvirt: in the domain's metadata).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from events.compute.guest import Address, Guest, Interface, Rule
from events.compute.host import Capacity

__all__ = ["Address", "Capacity", "DriverError", "Found", "Guest", "Hypervisor", "Interface", "Rule"]


class Found(Struct, frozen=True, gc=False, kw_only=True):
    """A guest as it is on the host."""

    running: bool
    generation: int  # of the last wish that was fulfilled here; 0: defined, never started


class DriverError(Exception):
    """The hypervisor refused or failed; `permanent`: trying again will not help, the server is to fail."""

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(reason)
        self.permanent = permanent


class Hypervisor(Protocol):
    """A host's hypervisor. Calls raise DriverError; each may take seconds and be cancelled."""

    async def open(self, changed: Callable[[str], None]) -> None:
        """Connect. From then on `changed(server_id)` is called whenever a guest's power state changes."""

    async def close(self) -> None:
        """Disconnect; guests go on running."""

    async def capacity(self) -> Capacity: ...

    async def guests(self) -> dict[str, Found]:
        """This cloud's guests on this host, by server id."""

    async def find(self, server: str) -> Found | None:
        """One of them; None if the host has no such guest."""

    async def create(self, guest: Guest) -> None:
        """Disk, network and domain, started; the generation is kept. A half-made one is made anew."""

    async def start(self, guest: Guest) -> None: ...

    async def stop(self, guest: Guest) -> None:
        """ACPI shutdown, after a timeout power off; returns when it is off."""

    async def reboot(self, guest: Guest) -> None:
        """By `guest.reboot`; a soft one that does not come about in time becomes a hard one."""

    async def refresh(self, guest: Guest) -> None:
        """Bring the ports of a guest that stays as it is to what is wanted of them now."""

    async def remove(self, server: str) -> None:
        """Domain, disk, taps, addresses, console log; nothing of it stays on the host."""

    async def console(self, server: str, lines: int | None) -> str:
        """The end of the serial console's log; at most 100 KiB of it if `lines` is None; empty if there is none."""
