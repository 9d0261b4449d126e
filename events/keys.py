"""Keys that are made at the first start and kept in a file that only the owner reads."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

SIZE = 32  # bytes


def kept(path: Path) -> bytes:
    """The key in the file; a random one is put there if there is none."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(path.name + ".new")
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(SIZE))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    return path.read_bytes()


def is_kept(path: Path) -> bool:
    """Whether the file holds a key."""
    return path.exists()
