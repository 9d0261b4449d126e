"""A cloud with a store of images."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.image.bucket import BucketStore
from gateway.image.store import ImageStore
from tests.buckets import bucket, endpoint
from tests.gateway.image.calls import Images
from tests.worlds import world


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ImageStore]:
    store = ImageStore(tmp_path / "images")
    yield store
    store.close()


@pytest.fixture
async def elsewhere(bucket: str, tmp_path: Path) -> AsyncIterator[tuple[BucketStore, BucketStore]]:
    """One bucket, as two machines see it."""
    stores = BucketStore(tmp_path / "one", bucket), BucketStore(tmp_path / "other", bucket)
    yield stores
    for store in stores:
        store.close()


@pytest.fixture
async def images(store: ImageStore) -> AsyncIterator[Images]:
    async with world(parts=[store]) as w:
        yield Images(w, store)


__all__ = ["bucket", "elsewhere", "endpoint", "images", "store"]
