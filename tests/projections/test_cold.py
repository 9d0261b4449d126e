"""Cold storage: a directory, and a real S3-compatible server."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.journal import MemoryJournal, Unavailable
from projections.archive import Archive, Chronicle
from projections.cold import Bucket, Cold, Directory, cold
from tests.buckets import bucket, endpoint
from tests.projections.test_archive import Place, all_of, lived


@pytest.fixture(params=["directory", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Cold:
    if request.param == "directory":
        return cold("", tmp_path / "cold")
    return cold(request.getfixturevalue("bucket"), tmp_path)


async def test_what_is_put_is_found_again(storage: Cold, tmp_path: Path) -> None:
    file, copy = tmp_path / "file", tmp_path / "copy"
    file.write_bytes(b"x" * (6 << 20))
    assert await storage.names() == []
    assert not await storage.get("epoch-0001/a", copy)
    await storage.put("epoch-0001/a", file)
    file.write_bytes(b"other")
    await storage.put("epoch-0002/b", file)
    await storage.put("epoch-0002/b", file)
    assert await storage.names() == ["epoch-0001/a", "epoch-0002/b"]
    assert await storage.get("epoch-0001/a", copy)
    assert copy.read_bytes() == b"x" * (6 << 20)
    assert await storage.get("epoch-0002/b", copy)
    assert copy.read_bytes() == b"other"


async def test_storage_that_is_away_is_unavailable(bucket: str, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = cold("s3://nosuch/part", Path("/"))
    with pytest.raises(Unavailable):
        await storage.names()


async def test_an_archive_on_s3_is_read_as_any_other(bucket: str, tmp_path: Path) -> None:
    place = Place(MemoryJournal(), Bucket(bucket), tmp_path)
    await place.fold.follow(place.journal)
    await lived(place)
    other = Archive(Bucket(bucket), tmp_path / "elsewhere")  # another process, which has nothing of it yet
    entries = await all_of(Chronicle(place.journal, other).entries())
    assert [entry.sequence for entry in entries] == list(range(1, await place.journal.last() + 1))
    assert [manifest.number for manifest in await other.look()] == [1, 2]
    await place.fold.stop()
    for archive in (place.archive, other):
        await archive.close()


__all__ = ["bucket", "endpoint"]


def test_a_setting_names_the_storage(tmp_path: Path) -> None:
    for url in (str(tmp_path), f"file://{tmp_path}"):
        found = cold(url, Path("/nowhere"))
        assert isinstance(found, Directory)
        assert found.root == tmp_path
