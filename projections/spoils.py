"""Which resources could not be folded by the time of the tables' bookmark: what the tables have of them is too old.

Kept in a file beside the tables, so that the next start folds them anew from their own commits.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

SUFFIX = ".spoiled"


class Spoils:
    """The subjects that a file beside the tables names; none for tables in memory."""

    def __init__(self, tables: Path | None) -> None:
        self._file = tables.with_name(tables.name + SUFFIX) if tables is not None else None
        self._written: set[str] = set()

    def read(self) -> list[str]:
        """As it was kept when the tables were written last."""
        found = self._file.read_text().splitlines() if self._file is not None and self._file.exists() else []
        self._written = set(found)
        return found

    def keep(self, subjects: Iterable[str]) -> None:
        """Remember these, too. Raises OSError."""
        self._write(self._written | set(subjects))

    def forget(self, but: Iterable[str]) -> None:
        """Remember only these: the tables have all others. Raises OSError."""
        self._write(set(but))

    def _write(self, wanted: set[str]) -> None:
        if self._file is None or wanted == self._written:
            return
        part = self._file.with_name(self._file.name + ".part")
        with part.open("w") as file:
            file.write("".join(f"{subject}\n" for subject in sorted(wanted)))
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._file)
        self._written = wanted
