"""Programs of the host: run one, know one again by its process id."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path


class HostError(Exception):
    """A program of the host failed, is missing or took too long."""


async def run(*argv: str, stdin: bytes = b"", timeout: float = 30.0, success: int = 0) -> bytes:
    """What `argv` prints. Raises HostError; whoever is cancelled ends the program first."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
    except FileNotFoundError as missing:
        raise HostError(f"The program {argv[0]} is not installed.") from missing
    try:
        async with asyncio.timeout(timeout):
            output, errors = await process.communicate(stdin)
    except TimeoutError as late:
        raise HostError(f"{argv[0]} did not end within {timeout:.0f} s.") from late
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != success:
        raise HostError(f"{' '.join(argv[:4])}: {errors.decode(errors='replace').strip()[-500:] or process.returncode}")
    return output


async def launch(*argv: str) -> None:
    """Run `argv`, which goes on in the background by itself. Raises HostError if it does not, or is missing."""
    nothing = asyncio.subprocess.DEVNULL  # a pipe would be held open for as long as the daemon lives
    try:
        process = await asyncio.create_subprocess_exec(*argv, stdin=nothing, stdout=nothing, stderr=nothing, cwd="/")
    except FileNotFoundError as missing:
        raise HostError(f"The program {argv[0]} is not installed.") from missing
    if await process.wait():
        raise HostError(f"{argv[0]} did not start.")


def started_at(pid: int) -> int | None:
    """When `pid` was started, ticks since boot; None if it runs no more. With the pid it names a process for ever."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def running(pid_file: Path, mark: str) -> int | None:
    """The process named in `pid_file`, if it lives and bears `mark` in its command line."""
    try:
        pid = int(pid_file.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    return pid if mark.encode() in command and started_at(pid) is not None else None


async def end(pid: int, patience: float = 3.0) -> None:
    """End `pid`, by force after `patience` seconds. Returns when it is gone."""
    started = started_at(pid)
    for sent, wait in ((signal.SIGTERM, patience), (signal.SIGKILL, patience)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sent)
        for _ in range(int(wait / 0.02)):
            if started is None or started_at(pid) != started:
                return
            await asyncio.sleep(0.02)
    raise HostError(f"Process {pid} cannot be ended.")
