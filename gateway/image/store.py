"""Where the bytes of images are: a directory, written so that what was acknowledged survives anything.

    DIR/id                     of this store: images name the one that has their bytes
    DIR/uploads/<upload>       what is coming in, or was staged; locked while its process lives
    DIR/images/<image>         what has come; never changed, once its image is active

An upload's file gets its second name, the image's, before the journal is told, and loses its first one afterwards: so
a `saving` image whose upload's file is missing or unlocked is one whose process died, whatever machine it was on.
Source: DESIGN, "Hard cases, decided", 12.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import fcntl
import hashlib
import mmap
import os
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from events.ids import new_hex
from events.image.image import Bytes, Image
from events.refusals import Invalid, NotFound, TooLarge
from gateway.composition.directory import stored
from gateway.image import formats

T = TypeVar("T")

CHUNK = 1 << 20  # bytes that are hashed, written and read at once
IDLE = 120.0  # seconds that an upload may stand still
NEW = ".new"  # ends the name of an upload's file until it is locked
BEHIND = 8 << 20  # bytes that may wait in memory before the disk begins with them
_LIBC = ctypes.CDLL(None, use_errno=True)
_WRITE = 2  # SYNC_FILE_RANGE_WRITE; source: sync_file_range(2)
_THREADS = 8


class Store(Protocol):
    """What the gateway and the hosts' agents want of a store."""

    id: str

    async def upload(self) -> Upload: ...

    async def open(self, image: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes of an active image, piece by piece. Raises NotFound."""

    def path(self, image: str) -> Path | None:
        """A file of this machine with the bytes of an active image, not to be written to; None: there is none."""

    async def remove(self, image: str) -> None: ...


class ImageStore:
    """A store in a directory."""

    kind = "file"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.place = str(directory / "images")
        self.images = directory / "images"
        self.uploads = directory / "uploads"
        for folder in (self.images, self.uploads):
            folder.mkdir(parents=True, exist_ok=True)
        self.id = _own_id(directory)
        self._threads = ThreadPoolExecutor(_THREADS, "image")

    async def upload(self) -> Upload:
        """A place for bytes to come. Raises TooLarge: the disk is full."""
        try:
            return await self.run(self._new_upload)
        except OSError as fault:
            raise _full(fault) from fault

    def _new_upload(self) -> Upload:
        return Upload(self, new_hex())

    def is_of(self, image: Image) -> bool:
        """Whether the upload that an image waits for comes in here."""
        return image.store == self.id

    async def stage(self, upload: str) -> None:
        """Have an upload's bytes stay for an import."""
        await self.run(_sync, self.uploads)

    async def open(self, image: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        try:
            file = await self.run(os.open, self.images / image, os.O_RDONLY)
        except FileNotFoundError as fault:
            raise NotFound(f"The bytes of image {image} are not in this store.") from fault
        return _Reading(self, file, start, length)

    def path(self, image: str) -> Path | None:
        return stored(self.directory, image)

    async def remove(self, image: str) -> None:
        """Remove an image's bytes; who reads them goes on."""
        await self.run(_unlink, self.images / image)

    async def discard(self, upload: str) -> None:
        """Remove what an upload left or staged."""
        await self.run(_unlink, self.uploads / upload)

    async def link(self, upload: str, image: str) -> None:
        """Give an upload's bytes the image's name, for good."""
        await self.run(self._link, upload, image)

    def _link(self, upload: str, image: str) -> None:
        _unlink(self.images / image)  # of an upload that died after this and before the journal was told
        os.link(self.uploads / upload, self.images / image)
        _sync(self.images)

    async def head(self, upload: str) -> bytes:
        """The beginning of what was staged."""
        return await self.run(_head, self.uploads / upload)

    def listing(self) -> tuple[list[str], list[tuple[str, float]]]:
        """The images that have bytes here; the uploads, and when each was last written to."""
        with os.scandir(self.images) as images, os.scandir(self.uploads) as uploads:
            return [one.name for one in images], [(one.name, one.stat().st_mtime) for one in uploads]

    def is_dead(self, upload: str) -> bool:
        """Whether nobody writes it any more."""
        try:
            file = os.open(self.uploads / upload, os.O_RDONLY)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(file)
        return True

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether nobody else puts this store in order now: no other does until the end of the context."""
        file = os.open(self.directory / "order.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(file)

    def run(self, function: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def close(self) -> None:
        self._threads.shutdown()


class Upload:
    """Bytes that come in; by the end of its context they are gone, unless `keep` was called."""

    def __init__(self, store: ImageStore, id: str) -> None:
        self.id = id
        self._store = store
        self._path = store.uploads / id
        new = store.uploads / f"{id}{NEW}"
        self._file = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        new.rename(self._path)
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._written = self._started = 0  # bytes handed to the kernel, and by it to the disk
        self._sha512 = hashlib.sha512()
        self._kept = False

    async def receive(
        self, source: AsyncIterator[bytes], limit: int, idle: float = IDLE
    ) -> tuple[Bytes, formats.Found]:
        """All of `source`, of at most `limit` bytes, on the disk. Raises TooLarge, Invalid: nothing came for too long.

        While one chunk is hashed and written by threads, the next one comes in; no more than these two are in memory.
        """
        size, head, filled = 0, b"", 0
        coming, going = (memoryview(mmap.mmap(-1, CHUNK)) for _ in range(2))
        working: asyncio.Future[Any] | None = None
        try:
            while (piece := await _next(source, idle)) is not None:
                size += len(piece)
                if size > limit:
                    raise TooLarge("The provided image is too large.")
                head += piece[: formats.HEAD - len(head)]
                rest = memoryview(piece)
                while rest:
                    taken = min(len(rest), CHUNK - filled)
                    coming[filled : filled + taken] = rest[:taken]
                    filled, rest = filled + taken, rest[taken:]
                    if filled == CHUNK:
                        if working is not None:
                            await asyncio.shield(working)
                        working = self._work(coming)
                        coming, going, filled = going, coming, 0
            if working is not None:
                await asyncio.shield(working)
            working = self._work(coming[:filled])
            await asyncio.shield(working)
            working = self._store.run(os.fsync, self._file)
            await asyncio.shield(working)
        except OSError as fault:
            raise _full(fault) from fault
        finally:
            if working is not None and not working.done():  # the file is not closed under a thread's hands
                await asyncio.wait([working])
        found = formats.inspect(head)
        bytes_ = Bytes(
            size=size,
            virtual_size=found.virtual_size,
            format=found.format,
            checksum=self._md5.hexdigest(),
            hash=self._sha512.hexdigest(),
        )
        return bytes_, found

    def _work(self, chunk: memoryview) -> asyncio.Future[Any]:
        run = self._store.run
        return asyncio.gather(run(self._write, chunk), run(self._md5.update, chunk), run(self._sha512.update, chunk))

    def _write(self, chunk: memoryview) -> None:
        rest = chunk
        while rest:
            rest = rest[os.write(self._file, rest) :]
        self._written += len(chunk)
        if self._written - self._started >= BEHIND:
            _start_writing(self._file, self._started, self._written - self._started)
            self._started = self._written

    async def keep(self) -> None:
        """Leave the file where it is, for good."""
        await self._store.stage(self.id)
        self._kept = True

    async def __aenter__(self) -> Upload:
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._kept:
            _unlink(self._path)
        os.close(self._file)  # and with it the lock


class _Reading:
    """A file in chunks: while one is sent, the next is read."""

    def __init__(self, store: ImageStore, file: int, start: int, length: int | None) -> None:
        self._store = store
        self._file = file
        self._at = start
        self._left = length
        self._next: asyncio.Future[bytes] | None = None

    def __aiter__(self) -> _Reading:
        return self

    async def __anext__(self) -> bytes:
        chunk = await (self._next or self._read())
        self._at += len(chunk)
        if self._left is not None:
            self._left -= len(chunk)
        if not chunk:
            raise StopAsyncIteration
        self._next = self._read()
        return chunk

    def _read(self) -> asyncio.Future[bytes]:
        wanted = CHUNK if self._left is None else min(CHUNK, self._left)
        return self._store.run(self._pread, wanted, self._at)

    def _pread(self, wanted: int, at: int) -> bytes:
        return os.pread(self._file, wanted, at)  # a method, so that the file stays open under a thread's hands

    def __del__(self) -> None:
        os.close(self._file)


async def _next(source: AsyncIterator[bytes], idle: float) -> bytes | None:
    try:
        async with asyncio.timeout(idle):
            return await anext(source)
    except StopAsyncIteration:
        return None
    except TimeoutError as fault:
        raise Invalid(f"Nothing came for {idle:.0f} seconds; the upload is given up.") from fault


def _own_id(directory: Path) -> str:
    file = directory / "id"
    if not file.exists():
        new = directory / f"id.{new_hex()}"
        new.write_text(new_hex())
        with new.open() as written:
            os.fsync(written.fileno())
        with suppress(FileExistsError):  # another process was faster
            os.link(new, file)
        new.unlink()
        _sync(directory)
    return file.read_text()


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(formats.HEAD)


def _full(fault: OSError) -> Exception:
    if fault.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return TooLarge("Image storage media is full: There is not enough disk space on the image storage media.")
    return fault


def _sync(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _start_writing(file: int, start: int, length: int) -> None:
    """Have the disk begin with these bytes, without waiting: the fsync at the end then has little left to do."""
    _LIBC.sync_file_range(file, ctypes.c_int64(start), ctypes.c_int64(length), _WRITE)


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)
