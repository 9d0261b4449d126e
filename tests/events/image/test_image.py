"""What can happen to an image."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from events.image.image import (
    Bytes,
    Change,
    CreateImage,
    DeactivateImage,
    DeleteImage,
    Events,
    FailUpload,
    FinishUpload,
    Image,
    ImageActivated,
    ImageCreated,
    ImageDeactivated,
    ImageDeleted,
    ImageStaged,
    ImageUpdated,
    ImageUploadFailed,
    ImageUploadStarted,
    ImportStaged,
    ReactivateImage,
    StartUpload,
    TagImage,
    Task,
    UntagImage,
    UpdateImage,
    decide,
    evolve,
)
from events.refusals import Conflict, Forbidden, Invalid, NotFound, TooLarge

NOW = datetime(2026, 1, 1, tzinfo=UTC)
I1 = "00000000-0000-4000-8000-000000000001"
FOUND = Bytes(size=4, virtual_size=4, checksum="c", hash="h")
created = ImageCreated(id=I1, project="p", disk_format="raw", container_format="bare", properties={"a": "1"})
started = ImageUploadStarted(upload="u1", store="s")
staging = ImageUploadStarted(upload="u1", store="s", staging=True)
staged = ImageStaged(bytes=FOUND)
activated = ImageActivated(bytes=FOUND)


def given(*events: Events) -> Image:
    image = None
    for event in events:
        image = evolve(image, event, NOW)
    assert image is not None
    return image


def update(*changes: Change) -> UpdateImage:
    return UpdateImage(id=I1, changes=changes)


def test_an_id_is_never_given_twice() -> None:
    wish = CreateImage(id=I1, project="p")
    assert decide(None, wish) == [ImageCreated(id=I1, project="p")]
    for image in (given(created), given(created, ImageDeleted())):
        with pytest.raises(Conflict, match="already exists"):
            decide(image, wish)


def test_properties_and_tags_are_bounded() -> None:
    many = {str(n): "" for n in range(129)}
    with pytest.raises(TooLarge, match=r"image properties\. Attempted: 129, Maximum: 128"):
        decide(None, CreateImage(id=I1, project="p", properties=many))
    with pytest.raises(TooLarge, match=r"image tags\. Attempted: 129"):
        decide(None, CreateImage(id=I1, project="p", tags=tuple(many)))
    full = given(ImageCreated(id=I1, project="p", tags=tuple(many)[:128]))
    assert decide(full, TagImage(id=I1, tag="1")) == []
    with pytest.raises(TooLarge, match="Image tag limit exceeded"):
        decide(full, TagImage(id=I1, tag="another"))


def test_an_update_is_all_or_nothing() -> None:
    image = given(created)
    wish = update(Change("replace", "name", "n", True), Change("add", "b", "2"), Change("remove", "a"))
    assert decide(image, wish) == [ImageUpdated(name="n", properties={"b": "2"})]
    with pytest.raises(Conflict, match="Property nosuch does not exist"):
        decide(image, update(Change("add", "b", "2"), Change("replace", "nosuch", "x")))
    with pytest.raises(Conflict, match="Property a does not exist"):
        decide(image, update(Change("remove", "a"), Change("remove", "a")))
    with pytest.raises(Forbidden, match="may not be removed"):
        decide(image, update(Change("remove", "name", None, True)))
    assert decide(image, update(Change("replace", "a", "1"), Change("replace", "name", None, True))) == []


def test_what_is_not_updated_stays() -> None:
    image = given(created, ImageUpdated(name="n"), ImageUpdated(hidden=True, name=None))
    assert (image.name, image.hidden, image.disk_format, image.properties) == (None, True, "raw", {"a": "1"})


def test_formats_are_fixed_once_bytes_come() -> None:
    change = update(Change("replace", "disk_format", "qcow2", True))
    assert decide(given(created), change) == [ImageUpdated(disk_format="qcow2")]
    for image in (given(created, started), given(created, started, activated)):
        with pytest.raises(Forbidden, match="only replaced for a queued image"):
            decide(image, change)


def test_bytes_come_once() -> None:
    start = StartUpload(id=I1, upload="u1", store="s")
    assert decide(given(created), start) == [started]
    assert decide(given(created, started), start) == []
    second = StartUpload(id=I1, upload="u2", store="s")
    with pytest.raises(Conflict, match="from saving to saving is not allowed"):
        decide(given(created, started), second)
    with pytest.raises(Conflict, match="from active to saving is not allowed"):
        decide(given(created, started, activated), second)


def test_bytes_need_formats_unless_they_are_staged() -> None:
    bare = given(ImageCreated(id=I1, project="p"))
    with pytest.raises(Invalid, match="Properties disk_format, container_format must be set"):
        decide(bare, StartUpload(id=I1, upload="u1", store="s"))
    assert decide(bare, StartUpload(id=I1, upload="u1", store="s", staging=True)) == [staging]


def test_a_broken_upload_leaves_a_queued_image() -> None:
    image = given(created, started)
    failed = ImageUploadFailed(reason="cut")
    assert decide(image, FailUpload(id=I1, upload="u1", reason="cut")) == [failed]
    again = given(created, started, failed)
    assert (again.status, again.upload, again.bytes) == ("queued", None, None)
    assert decide(again, FailUpload(id=I1, upload="u1", reason="cut")) == []


def test_a_late_word_of_a_broken_upload_changes_nothing() -> None:
    other = given(created, started, ImageUploadFailed(reason=""), ImageUploadStarted(upload="u2", store="s"))
    with pytest.raises(Conflict, match="given up"):
        decide(other, FinishUpload(id=I1, upload="u1", bytes=FOUND))
    assert decide(other, FailUpload(id=I1, upload="u1", reason="")) == []


def test_finishing_twice_changes_nothing() -> None:
    finish = FinishUpload(id=I1, upload="u1", bytes=FOUND)
    assert decide(given(created, started), finish) == [activated]
    assert decide(given(created, started, activated), finish) == []


def test_staged_bytes_are_imported() -> None:
    finish = FinishUpload(id=I1, upload="u1", bytes=FOUND)
    assert decide(given(created, staging), finish) == [staged]
    task = Task(id="t", user="u", request="r", at=NOW)
    import_ = ImportStaged(id=I1, upload="u1", bytes=FOUND, task=task)
    with pytest.raises(Conflict, match="needs to be staged"):
        decide(given(created, staging), import_)
    assert decide(given(created, staging, staged), import_) == [ImageActivated(bytes=FOUND, task=task)]
    assert decide(given(created, staging, staged, activated), import_) == []


def test_only_an_image_with_bytes_is_deactivated() -> None:
    with pytest.raises(Forbidden, match="Not allowed to deactivate image in status 'queued'"):
        decide(given(created), DeactivateImage(id=I1))
    image = given(created, started, activated)
    assert decide(image, DeactivateImage(id=I1)) == [ImageDeactivated()]
    assert decide(image, ReactivateImage(id=I1)) == []
    assert decide(given(created, started, activated, ImageDeactivated()), DeactivateImage(id=I1)) == []


def test_a_protected_image_is_not_deleted() -> None:
    with pytest.raises(Forbidden, match="is protected and cannot be deleted"):
        decide(given(created, ImageUpdated(protected=True)), DeleteImage(id=I1))


def test_delete_is_possible_in_every_status() -> None:
    for image in (given(created), given(created, started), given(created, staging, staged), given(created, activated)):
        assert decide(image, DeleteImage(id=I1)) == [ImageDeleted()]
    with pytest.raises(NotFound):
        decide(given(created, ImageDeleted()), DeleteImage(id=I1))


def test_a_tag_that_is_not_there_is_not_removed() -> None:
    with pytest.raises(NotFound):
        decide(given(created), UntagImage(id=I1, tag="x"))
