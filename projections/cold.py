"""Cold storage: where the archive's files are, a directory or a bucket of an S3-compatible store.

A file is put whole or not at all, and stays as it is. S3 is reached by the library obstore, whose credentials and
endpoint are the usual AWS_… variables. Source: Amazon S3 API reference.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from events.journal import Unavailable

T = TypeVar("T")


class Cold(Protocol):
    """A place for files. Everything here may raise Unavailable."""

    async def put(self, name: str, file: Path) -> None:
        """Keep a copy of a file under a name; once it returns, the copy survives a loss of power."""

    async def get(self, name: str, file: Path) -> bool:
        """Copy what is kept into a file; False if nothing is kept under the name."""

    async def names(self) -> list[str]:
        """Everything that is kept."""

    def path(self, name: str) -> Path | None:
        """Where it can be read without a copy."""


class Directory:
    """A directory of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root

    async def put(self, name: str, file: Path) -> None:
        await _tried(asyncio.to_thread(self._put, self.root / name, file))

    @staticmethod
    def _put(place: Path, file: Path) -> None:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = place.with_name(place.name + ".new")
        with file.open("rb") as source, draft.open("wb") as copy:
            while block := source.read(1 << 20):
                copy.write(block)
            copy.flush()
            os.fsync(copy.fileno())
        draft.replace(place)
        for folder in (place.parent, place.parent.parent):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    async def get(self, name: str, file: Path) -> bool:
        found = self.root / name
        if not found.exists():
            return False
        await _tried(asyncio.to_thread(lambda: file.write_bytes(found.read_bytes())))
        return True

    async def names(self) -> list[str]:
        files = self.root.rglob("*")
        return sorted(str(one.relative_to(self.root)) for one in files if one.is_file() and one.suffix != ".new")

    def path(self, name: str) -> Path | None:
        return self.root / name


class Bucket:
    """A part of a bucket, `s3://BUCKET/PREFIX`."""

    def __init__(self, url: str) -> None:
        from obstore.store import from_url

        self._store: Any = from_url(url)

    async def put(self, name: str, file: Path) -> None:
        import obstore

        await _tried(obstore.put_async(self._store, name, file))

    async def get(self, name: str, file: Path) -> bool:
        import obstore

        try:
            answer = await obstore.get_async(self._store, name)
            with file.open("wb") as copy:
                async for block in answer.stream():
                    copy.write(block)
        except FileNotFoundError:
            return False
        except Exception as fault:  # as below
            raise Unavailable(f"the archive cannot be read: {fault}") from fault
        return True

    async def names(self) -> list[str]:
        import obstore

        async def listed() -> list[str]:
            return sorted([one["path"] async for some in obstore.list(self._store) for one in some])

        return await _tried(listed())

    def path(self, name: str) -> Path | None:
        return None


async def _tried(work: Awaitable[T]) -> T:
    try:
        return await work
    except Exception as fault:  # the libraries' own, and the system's
        raise Unavailable(f"the archive is out of reach: {fault}") from fault


def cold(url: str, default: Path) -> Cold:
    """The place that a setting names: a URL of S3, a directory, or the default if it is empty."""
    if "://" in url and not url.startswith("file://"):
        return Bucket(url)
    return Directory(Path(url.removeprefix("file://")) if url else default)
