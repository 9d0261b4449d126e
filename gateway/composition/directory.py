"""The state directory: one cloud's on this machine, of a version that is known.

`cumulog up` has it to itself. Several processes of one part each may share it: each has a folder there, under a name
that it has to itself.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from events.ids import is_uuid, new_hex

VERSION = 2  # of the directory's layout
LOCK = "lock"
IMAGES = "images"  # the folder in DIR of the cloud's own store
STAGE = "upgrading"  # what an upgrade has not put in its place yet

Upgrade = Callable[[Path, int], None]  # brings a locked directory of a version up to date

_is_name = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z").match


class DirectoryFault(Exception):
    """The directory cannot be used, and why."""


class InUse(DirectoryFault):
    """Another process holds it."""


def default(environment: dict[str, str]) -> Path:
    """`$XDG_STATE_HOME/cumulog`, or its usual place."""
    base = environment.get("XDG_STATE_HOME") or Path(environment.get("HOME", "/var/lib")) / ".local/state"
    return Path(base) / "cumulog"


class Lock:
    """A folder that one process has to itself."""

    def __init__(self, folder: Path, whose: str) -> None:
        self._folder = folder
        self._whose = whose
        self._file = -1

    def take(self) -> None:
        """Make the folder if need be, and lock it. Raises InUse, DirectoryFault."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            self.release()
            raise InUse(f"{self._folder} is in use by another {self._whose}") from fault
        except OSError as fault:
            raise DirectoryFault(f"{self._folder} cannot be used: {fault}") from fault

    def release(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class Directory:
    """DIR and what lies in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock(path, "`cumulog up`")

    def try_open(self) -> bool:
        """As `open`; False if another process holds it. Raises DirectoryFault."""
        try:
            self.open()
        except InUse:
            return False
        return True

    def open(self, upgrade: Upgrade | None = None) -> None:
        """Make it if need be, lock it, see to its version; an older one is for `upgrade`. Raises DirectoryFault."""
        self._lock.take()
        try:
            self._see_version(upgrade)
        except BaseException:  # whatever it is: who could not open it does not hold it
            self._lock.release()
            raise

    def close(self) -> None:
        self._lock.release()

    def share(self, name: str) -> tuple[Path, Lock]:
        """The folder of one process of several, locked. Raises DirectoryFault."""
        folder = self.path / name
        if not _is_name(name) or (folder.exists() and not (folder / LOCK).exists()):
            raise DirectoryFault(f"--name {name}: a process of this directory cannot have this name")
        lock = Lock(folder, "process of this name: give this one another --name")
        lock.take()
        self._see_version()
        return folder, lock

    def sharers(self) -> list[str]:
        """The names of the processes that have a folder here now."""
        held = []
        for file in sorted(self.path.glob(f"*/{LOCK}")):
            lock = Lock(file.parent, "process")
            try:
                lock.take()
            except InUse:
                held.append(file.parent.name)
            lock.release()
        return held

    def _see_version(self, upgrade: Upgrade | None = None) -> None:
        version = self.path / "version"
        if not version.exists():
            self._write_first(version, f"{VERSION}\n")
        found = int(version.read_text().strip() or 0)
        if found > VERSION:
            raise DirectoryFault(f"{self.path} is of a newer version ({found}) than this program knows ({VERSION})")
        if upgrade is not None:
            if found < VERSION and (sharers := self.sharers()):
                raise DirectoryFault(f"{self.path} is to be upgraded, but in use by {', '.join(sharers)}: stop them")
            upgrade(self.path, found)
        elif found < VERSION:
            raise DirectoryFault(f"{self.path} is of an older version ({found}): `cumulog up` upgrades it")
        elif (self.path / STAGE).exists():
            raise DirectoryFault(f"{self.path} is not upgraded to its end: `cumulog up` finishes it")

    @property
    def cloud_id(self) -> str:
        """Eight hexadecimal digits that all host resources of this cloud bear."""
        file = self.path / "cloud"
        if not file.exists():
            self.adopt(new_hex()[:8])
        return file.read_text().strip()

    def adopt(self, cloud_id: str) -> None:
        """Be of this cloud, if it is not said yet of which."""
        self._write_first(self.path / "cloud", cloud_id + "\n")

    def _write_first(self, file: Path, text: str) -> None:
        """Whole, unless another process was faster."""
        draft = file.with_name(f".{file.name}.{new_hex()}")
        draft.write_text(text)
        with suppress(FileExistsError):  # another process was faster
            os.link(draft, file)
        draft.unlink()

    def write_private(self, name: str, text: str) -> Path:
        """A file of mode 0600, replaced whole."""
        target = self.path / name
        target.parent.mkdir(mode=0o700, exist_ok=True)
        draft = target.with_name(f".{target.name}.{new_hex()}")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        draft.replace(target)
        return target


def stored(store: Path, image: str) -> Path | None:
    """The bytes of an image in a store's directory, not to be written to; None: it has none, or is no store."""
    path = store / "images" / image
    return path if is_uuid(image) and path.exists() else None
