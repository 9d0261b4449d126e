"""What a process that died left behind is put in order, and nothing else is touched."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from events.envelope import CLOUD
from events.image import image as images_
from events.image import member as members
from events.image.image import DeleteImage, StartUpload
from events.journal import MemoryJournal
from gateway.image import recovery
from gateway.image.recovery import recover
from gateway.image.store import ImageStore
from tests.gateway.image.calls import Images
from tests.worlds import FOREIGN, world

UPLOADS = """
import asyncio, sys
from pathlib import Path
from gateway.image.store import ImageStore
async def main():
    upload = await ImageStore(Path(sys.argv[1])).upload()
    print(upload.id, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def uploading(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """Another process that takes an upload, and the upload's id."""
    process = subprocess.Popen([sys.executable, "-c", UPLOADS, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


async def test_the_upload_of_a_killed_process_is_given_up(images: Images) -> None:
    process, upload = uploading(images.store.images.parent)
    with process:
        id = await images.make("member")
        wish = StartUpload(id=id, upload=upload, store=images.store.id)
        await images.world.execute(images_, wish, CLOUD)
        await recover(images.world.cloud)
        assert (await images.show(id))["status"] == "saving"  # its process lives
        process.kill()
    await recover(images.world.cloud)
    assert (await images.show(id))["status"] == "queued"
    assert images.store.listing() == ([], [])
    assert (await images.send("PUT", f"/images/{id}/file", b"again", "member")).status_code == 204


async def test_one_process_at_a_time_puts_a_store_in_order(images: Images) -> None:
    id = await images.make("member")
    wish = StartUpload(id=id, upload="0" * 32, store=images.store.id)
    await images.world.execute(images_, wish, CLOUD)
    with ImageStore(images.store.directory).alone() as alone:  # as another process has it
        assert alone
        await recover(images.world.cloud)
        assert (await images.show(id))["status"] == "saving"
    await recover(images.world.cloud)
    assert (await images.show(id))["status"] == "queued"


async def test_death_between_the_bytes_and_the_journal_leaves_a_queued_image(images: Images) -> None:
    id = await images.make("member")
    async with await images.store.upload() as coming:
        await images.world.execute(images_, StartUpload(id=id, upload=coming.id, store=images.store.id), CLOUD)
        await images.store.link(coming.id, id)
        await coming.keep()
    await recover(images.world.cloud)
    assert (await images.show(id))["status"] == "queued"
    assert images.store.listing() == ([], [])


async def test_what_another_store_has_is_left_to_it(images: Images) -> None:
    id = await images.make("member")
    await images.world.execute(images_, StartUpload(id=id, upload="u", store="another"), CLOUD)
    await recover(images.world.cloud)
    assert (await images.show(id))["status"] == "saving"


async def test_active_and_staged_images_keep_their_bytes(images: Images) -> None:
    active, staged = await images.make("member", b"data"), await images.make("member")
    await images.send("PUT", f"/images/{staged}/stage", b"data", "member")
    before = images.store.listing()
    await recover(images.world.cloud)
    assert images.store.listing() == before
    assert (await images.show(staged))["status"] == "uploading"
    assert (await images.call("GET", f"/images/{active}/file")).content == b"data"


async def test_bytes_of_the_deleted_go_and_of_the_unknown_stay(images: Images) -> None:
    id = await images.make("member", b"data")
    await images.call("POST", f"/images/{id}/members", {"member": FOREIGN}, "member")
    await images.world.execute(images_, DeleteImage(id=id), CLOUD)  # and then the process died
    unknown = images.store.images / "00000000-0000-0000-0000-000000000000"
    unknown.write_bytes(b"of a journal that was lost")
    await recover(images.world.cloud)
    assert images.store.listing()[0] == [unknown.name]
    assert images.world.fold.get(members, id) is None


async def test_leftovers_of_no_upload_go(images: Images) -> None:
    (images.store.uploads / "dead").write_bytes(b"x")
    (images.store.uploads / "born.new").write_bytes(b"x")
    await recover(images.world.cloud)
    assert [name for name, _ in images.store.listing()[1]] == ["born.new"]


async def test_a_store_is_known_again(store: ImageStore) -> None:
    again = ImageStore(store.images.parent)
    assert again.id == store.id
    again.close()


async def test_a_second_start_finds_the_bytes(store: ImageStore) -> None:
    journal = MemoryJournal()
    async with world(parts=[store], journal=journal) as w:
        id = await Images(w, store).make("member", b"data")
    again = ImageStore(store.images.parent)
    async with world(parts=[again], journal=journal) as w:
        await recover(w.cloud)
        assert (await Images(w, again).call("GET", f"/images/{id}/file")).content == b"data"
        path = again.path(id)
        assert path is not None
        assert path.read_bytes() == b"data"
        assert b"".join([chunk async for chunk in await again.open(id, 1, 2)]) == b"at"
    again.close()


async def test_an_upload_whose_store_never_comes_back_is_given_up_in_time(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await images.make("member")
    await images.world.execute(images_, StartUpload(id=id, upload="elsewhere", store="another"), CLOUD)
    await recover(images.world.cloud)
    assert (await images.show(id))["status"] == "saving"
    monkeypatch.setattr(recovery, "LONGEST", timedelta(0))
    await recover(images.world.cloud)
    assert (await images.show(id))["status"] == "queued"
