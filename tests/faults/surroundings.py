"""What a cloud stands on, made to fail: disks that are full, and clocks that jump."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("clock.c")
PIECE = bytes(1 << 20)


def need(*programs: str) -> None:
    """Fail loudly where faults cannot be made: a test of them is never passed over in silence."""
    missing = [name for name in programs if not shutil.which(name)]
    if os.geteuid() != 0 or missing:
        pytest.fail(f"Faults need root (uid is {os.geteuid()}) and the programs {missing or programs}.")


class Volume:
    """A small disk of its own, that can be filled and freed."""

    def __init__(self, path: Path, mib: int) -> None:
        self.path = path
        self._ballast = path / "ballast"
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0700", "tmpfs", str(path)], check=True)

    def fill(self) -> None:
        """To the last byte."""
        with self._ballast.open("ab", buffering=0) as file:
            for piece in (PIECE, PIECE[:4096]):
                with suppress(OSError):
                    while True:
                        file.write(piece)

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def remove(self) -> None:
        subprocess.run(["umount", "-l", str(self.path)], check=False, capture_output=True)


def clock_library(folder: Path) -> Path:
    """What makes the clocks of the processes that preload it ours."""
    library = folder / "clock.so"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE)], check=True)
    return library


class SteppedClock:
    """The wall clock of the processes that are started in its environment."""

    def __init__(self, library: Path, name: str) -> None:
        self._file = library.with_name(f"{name}.clock")
        self.step(0)
        self.environment = {"LD_PRELOAD": str(library), "STEPPED_CLOCK": str(self._file)}

    def step(self, seconds: float) -> None:
        """Let it differ by so much from the true one, at once."""
        with open(os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o600), "wb", buffering=0) as file:
            file.write(struct.pack("q", int(seconds * 1_000_000_000)))
