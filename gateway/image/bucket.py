"""A store of images in a bucket of an S3-compatible store: for gateways on several machines.

    PREFIX/images/<image>      what has come
    PREFIX/uploads/<upload>    what was staged
    DIR/uploads/<upload>       what is coming in: hashed, fsynced and locked here, as in a store that is a directory

What was acknowledged is in the bucket, whole. An upload's name begins with its machine, which alone judges whether it
is dead. Credentials and endpoint are the usual AWS_… variables of the library obstore. Source: Amazon S3 API reference.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, TypeVar

from events.ids import derived, new_hex
from events.image.image import Image
from events.refusals import Busy, NotFound
from gateway.image import formats
from gateway.image.store import CHUNK, ImageStore, Upload

T = TypeVar("T")

OWN = 12  # characters of an upload's name that tell its machine


class BucketStore(ImageStore):
    """A store in a part of a bucket, `s3://BUCKET/PREFIX`; it is the same store wherever this URL is set."""

    kind = "s3"

    def __init__(self, directory: Path, url: str) -> None:
        from obstore.store import from_url

        super().__init__(directory)
        self._machine = self.id[:OWN]
        self._bucket: Any = from_url(url)
        self.id = derived("store of images", url.rstrip("/")).replace("-", "")
        self.place = url

    def is_of(self, image: Image) -> bool:
        return super().is_of(image) and (image.upload or "").startswith(self._machine)

    def _new_upload(self) -> Upload:
        return Upload(self, self._machine + new_hex()[OWN:])

    async def stage(self, upload: str) -> None:
        await super().stage(upload)
        await self._put(f"uploads/{upload}", self.uploads / upload)

    async def link(self, upload: str, image: str) -> None:
        import obstore

        here = self.uploads / upload
        if here.exists():
            await self._put(f"images/{image}", here)
            return
        try:
            await _tried(obstore.copy_async(self._bucket, f"uploads/{upload}", f"images/{image}"))
        except FileNotFoundError as fault:
            raise NotFound(f"The bytes of image {image} are not in this store.") from fault

    async def _put(self, name: str, file: Path) -> None:
        import obstore

        try:
            await _tried(obstore.put_async(self._bucket, name, file))
            kept, size = await _tried(obstore.head_async(self._bucket, name)), file.stat().st_size
        except FileNotFoundError as fault:
            raise Busy("The store of images has no such bucket now.") from fault
        if kept["size"] != size:
            raise Busy(f"The store of images has kept {kept['size']} of {size} bytes.")

    async def open(self, image: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        import obstore

        part: Any = {"offset": start} if length is None else (start, start + length)
        if length == 0:
            return _nothing()
        options: Any = {} if (start, length) == (0, None) else {"range": part}
        try:
            answer = await _tried(obstore.get_async(self._bucket, f"images/{image}", options=options))
        except FileNotFoundError as fault:
            raise NotFound(f"The bytes of image {image} are not in this store.") from fault
        return _pieces(answer)

    def path(self, image: str) -> Path | None:
        return None

    async def remove(self, image: str) -> None:
        await self._delete(f"images/{image}")

    async def discard(self, upload: str) -> None:
        await super().discard(upload)
        await self._delete(f"uploads/{upload}")

    async def _delete(self, name: str) -> None:
        import obstore

        try:
            await _tried(obstore.delete_async(self._bucket, name))
        except FileNotFoundError:
            return

    async def head(self, upload: str) -> bytes:
        import obstore

        if (self.uploads / upload).exists():
            return await super().head(upload)
        name = f"uploads/{upload}"
        try:
            size = (await _tried(obstore.head_async(self._bucket, name)))["size"]
            end = min(size, formats.HEAD)
            return bytes(await _tried(obstore.get_range_async(self._bucket, name, start=0, end=end))) if end else b""
        except FileNotFoundError as fault:
            raise NotFound("What was staged is not in this store.") from fault

    def listing(self) -> tuple[list[str], list[tuple[str, float]]]:
        import obstore

        _, uploads = super().listing()
        kept: dict[str, list[Any]] = {}
        for folder in ("images", "uploads"):
            kept[folder] = [one for some in obstore.list(self._bucket, prefix=f"{folder}/") for one in some]
        staged = [(one["path"].rpartition("/")[2], one["last_modified"].timestamp()) for one in kept["uploads"]]
        return [one["path"].rpartition("/")[2] for one in kept["images"]], [*uploads, *staged]


async def _pieces(answer: Any) -> AsyncIterator[bytes]:
    async for piece in answer.stream(min_chunk_size=CHUNK):
        yield bytes(piece)


async def _nothing() -> AsyncIterator[bytes]:
    nothing: tuple[bytes, ...] = ()
    for piece in nothing:
        yield piece


async def _tried(work: Awaitable[T]) -> T:
    """Raises Busy, FileNotFoundError."""
    try:
        return await work
    except FileNotFoundError:
        raise
    except Exception as fault:  # the library's own
        raise Busy("The store of images is out of reach now.") from fault


def store(setting: str, directory: Path) -> ImageStore:
    """The store that `image.store` names: a URL of S3, a directory, or the default if it is empty."""
    if "://" in setting and not setting.startswith("file://"):
        return BucketStore(directory, setting)
    return ImageStore(Path(setting.removeprefix("file://")) if setting else directory)


__all__ = ["BucketStore", "store"]
