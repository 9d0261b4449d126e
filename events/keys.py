"""Keys that are made at the first start and kept in a file that only the owner reads."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from events.ids import new_hex

SIZE = 32  # bytes


def kept(path: Path) -> bytes:
    """The key in the file; a random one is put there if there is none, by one of all the processes that come first."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{path.name}.{new_hex()}")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(SIZE))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was faster
            os.link(draft, path)
        draft.unlink()
    return path.read_bytes()


def is_kept(path: Path) -> bool:
    """Whether the file holds a key."""
    return path.exists()
