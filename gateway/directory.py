"""The state directory: one cloud's, one process's at a time, of a version that is known."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from events.ids import new_hex

VERSION = 1  # of the directory's layout


class DirectoryFault(Exception):
    """The directory cannot be used, and why."""


class InUse(DirectoryFault):
    """Another process holds it."""


def default(environment: dict[str, str]) -> Path:
    """`$XDG_STATE_HOME/cumulog`, or its usual place."""
    base = environment.get("XDG_STATE_HOME") or Path(environment.get("HOME", "/var/lib")) / ".local/state"
    return Path(base) / "cumulog"


class Directory:
    """DIR and what lies in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = -1

    def try_open(self) -> bool:
        """As `open`; False if another process holds it. Raises DirectoryFault."""
        try:
            self.open()
        except InUse:
            return False
        return True

    def open(self) -> None:
        """Make it if need be, lock it, see to its version. Raises DirectoryFault."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            os.close(self._lock)
            self._lock = -1
            raise InUse(f"{self.path} is in use by another `cumulog up`") from fault
        except OSError as fault:
            raise DirectoryFault(f"{self.path} cannot be used: {fault}") from fault
        version = self.path / "version"
        if not version.exists():
            version.write_text(f"{VERSION}\n")
        elif (found := int(version.read_text().strip() or 0)) > VERSION:
            raise DirectoryFault(f"{self.path} is of a newer version ({found}) than this program knows ({VERSION})")

    def close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def cloud_id(self) -> str:
        """Eight hexadecimal digits that all host resources of this cloud bear."""
        file = self.path / "cloud"
        if not file.exists():
            file.write_text(new_hex()[:8] + "\n")
        return file.read_text().strip()

    def write_private(self, name: str, text: str) -> Path:
        """A file of mode 0600, replaced whole."""
        target = self.path / name
        draft = target.with_name(target.name + ".new")
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        draft.replace(target)
        return target
