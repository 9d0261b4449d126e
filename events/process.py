"""Who a process is, beyond its number: the moment it started, so that a number given again is not mistaken for it.

Source: proc(5), "stat", fields 3 and 22; random(4), "boot_id".
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import msgspec
from msgspec import Struct

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Identity(Struct, frozen=True, forbid_unknown_fields=True):
    """One process of one run of this machine."""

    pid: int
    started: int  # clock ticks after boot
    boot: str


def identity(pid: int) -> Identity | None:
    """Who has this number now; None if nobody lives under it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat[stat.rindex(")") + 2 :].split()  # the name before it may hold anything
    if fields[0] in "ZX":
        return None
    return Identity(pid, int(fields[19]), _BOOT.read_text().strip())


def lives(who: Identity) -> bool:
    """Whether it still runs."""
    return identity(who.pid) == who


def arguments(who: Identity) -> list[str]:
    """Its command line; nothing if it is gone."""
    try:
        line = Path(f"/proc/{who.pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [argument.decode(errors="replace") for argument in line.split(b"\0")[:-1]] if lives(who) else []


def remember(path: Path, who: Identity) -> None:
    """Write it down, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.write_bytes(msgspec.json.encode(who))
    draft.replace(path)


def remembered(path: Path) -> Identity | None:
    """Who was written down; None if nobody was, or nothing readable."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Identity)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


async def end(who: Identity, patience: float = 10.0) -> None:
    """Ask it to stop, force it after `patience` seconds, and return once it is gone."""
    if not _signal(who, signal.SIGTERM) or await _gone(who, patience):
        return
    _signal(who, signal.SIGKILL)
    await _gone(who, patience)


def _signal(who: Identity, number: signal.Signals) -> bool:
    """By a handle on the process, so that the signal cannot meet a successor of its number."""
    try:
        handle = os.pidfd_open(who.pid)
    except ProcessLookupError:
        return False
    try:
        if not lives(who):
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


async def _gone(who: Identity, patience: float) -> bool:
    end = asyncio.get_running_loop().time() + patience
    while lives(who):
        if asyncio.get_running_loop().time() > end:
            return False
        await asyncio.sleep(0.005)
    return True
