"""The keys that seal tokens: a directory of numbered files, so that a rotation voids no token that is still in use.

File `0` is staged: it unseals what another gateway that rotated first has sealed, and is the next primary. The highest
number is the primary, which seals; those between unseal what is older. Source: the Fernet specification.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from events.ids import new_hex

KEPT = 3  # keys: the staged, the primary, and one before it


class KeyRepository:
    """The keys of a directory, made at first use (mode 0700, each file 0600), read again when they change."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._numbers():
            self._write(1)
        if 0 not in self._numbers():
            self._write(0)
        self._seen = -1
        self._load()

    def seal(self, data: bytes) -> str:
        return self._fernet.encrypt(data).decode().rstrip("=")

    def unseal(self, text: str) -> bytes | None:
        """What was sealed; None if by nobody who has a key of ours."""
        data = text.encode("ascii", "replace")
        data += b"=" * (-len(data) % 4)
        for _ in range(2):
            try:
                return self._fernet.decrypt(data)
            except InvalidToken:
                if not self._load():
                    return None
        return None

    def rotate(self) -> None:
        """The staged key seals from now on, another is staged, and the oldest goes."""
        primary = max(self._numbers()) + 1
        (self._directory / "0").rename(self._directory / str(primary))
        self._write(0)
        for number in sorted(self._numbers() - {0})[: -(KEPT - 1)]:
            (self._directory / str(number)).unlink()
        self._load()

    def _numbers(self) -> set[int]:
        return {int(file.name) for file in self._directory.iterdir() if file.name.isascii() and file.name.isdigit()}

    def _write(self, number: int) -> None:
        scratch = self._directory / f".{number}.{new_hex()}"
        with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another gateway was faster: its key is the one that seals
            os.link(scratch, self._directory / str(number))
        scratch.unlink()

    def _load(self) -> bool:
        """Read the keys if the directory has changed since; whether it had."""
        changed = self._directory.stat().st_mtime_ns
        if changed == self._seen:
            return False
        order = sorted(self._numbers(), reverse=True)  # the primary first, the staged last
        self._fernet = MultiFernet([Fernet((self._directory / str(number)).read_bytes()) for number in order])
        self._seen = changed
        return True
