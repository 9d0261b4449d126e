"""An image: the bytes that a disk begins with, and what is known of them.

    queued -> saving -> active <-> deactivated;   queued -> uploading (staged) -> active
    saving, uploading -> queued if the upload breaks;   each of them -> deleted

Bytes come by an upload, that has an id of its own: a late word of a broken one changes nothing.
Source: Image API guide, "Image statuses"; Image API reference, "Image data", "Interoperable image import".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, assert_never

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict, replace

from events.envelope import Command, Event, State
from events.refusals import Conflict, Forbidden, Invalid, NotFound, TooLarge

INDEXES = ("project", "name", "status", "visibility", "upload", "task_id")

Status = Literal["queued", "saving", "uploading", "importing", "active", "deactivated"]
Visibility = Literal["public", "community", "shared", "private"]

PROPERTIES = 128  # most of an image
TAGS = 128
WITH_BYTES = ("active", "deactivated")


class Bytes(Struct, frozen=True, gc=False, kw_only=True):
    """What was found out about an image's bytes while they came in."""

    size: int  # bytes
    virtual_size: int | None = None  # bytes of the disk that it unfolds to
    format: str = "raw"  # that the bytes themselves tell
    checksum: str  # MD5, hexadecimal
    hash: str  # SHA-512, hexadecimal


class Task(Struct, frozen=True, gc=False, kw_only=True):
    """An import, done: clients ask for it as for something that takes its time."""

    id: str
    user: str
    request: str
    at: datetime


class Image(State, frozen=True, gc=False, kw_only=True):
    id: str
    project: str | None
    name: str | None = None
    status: Status = "queued"
    visibility: Visibility = "shared"
    disk_format: str | None = None
    container_format: str | None = None
    min_ram: int = 0  # MiB
    min_disk: int = 0  # GiB
    protected: bool = False
    hidden: bool = False
    tags: tuple[str, ...] = ()
    properties: dict[str, str] = {}
    bytes: Bytes | None = None  # staged or in the store
    upload: str | None = None  # the id of the one under way, or of what it staged
    store: str | None = None  # the id of the store that has the bytes, or gets them
    task: Task | None = None  # that imported what was staged

    @property
    def size(self) -> int | None:
        """How many bytes there are, staged ones too."""
        return self.bytes.size if self.bytes else None

    @property
    def task_id(self) -> str | None:
        return self.task.id if self.task else None

    @property
    def staged(self) -> bool:
        return self.status == "uploading" and self.bytes is not None


class ImageCreated(Event, frozen=True, gc=False, kw_only=True):
    id: str
    project: str | None
    name: str | None = None
    visibility: Visibility = "shared"
    disk_format: str | None = None
    container_format: str | None = None
    min_ram: int = 0  # MiB
    min_disk: int = 0  # GiB
    protected: bool = False
    hidden: bool = False
    tags: tuple[str, ...] = ()
    properties: dict[str, str] = {}


class ImageUpdated(Event, frozen=True, gc=False, kw_only=True):
    """What is set has a new value."""

    project: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    visibility: Visibility | UnsetType = UNSET
    disk_format: str | UnsetType | None = UNSET
    container_format: str | UnsetType | None = UNSET
    min_ram: int | UnsetType = UNSET  # MiB
    min_disk: int | UnsetType = UNSET  # GiB
    protected: bool | UnsetType = UNSET
    hidden: bool | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    properties: dict[str, str] | UnsetType = UNSET  # all that it has from then on


class ImageTagged(Event, frozen=True, gc=False, kw_only=True):
    tag: str


class ImageUntagged(Event, frozen=True, gc=False, kw_only=True):
    tag: str


class ImageUploadStarted(Event, frozen=True, gc=False, kw_only=True):
    upload: str
    store: str
    staging: bool = False


class ImageStaged(Event, frozen=True, gc=False, kw_only=True):
    bytes: Bytes


class ImageActivated(Event, frozen=True, gc=False, kw_only=True):
    """Its bytes are in the store, for good."""

    bytes: Bytes
    task: Task | None = None  # if they were staged before


class ImageUploadFailed(Event, frozen=True, gc=False, kw_only=True):
    reason: str


class ImageDeactivated(Event, frozen=True, gc=False, kw_only=True):
    pass


class ImageReactivated(Event, frozen=True, gc=False, kw_only=True):
    pass


class ImageDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = (
    ImageCreated
    | ImageUpdated
    | ImageTagged
    | ImageUntagged
    | ImageUploadStarted
    | ImageStaged
    | ImageActivated
    | ImageUploadFailed
    | ImageDeactivated
    | ImageReactivated
    | ImageDeleted
)


class Change(Struct, frozen=True, gc=False):
    """One step of an update: of a field of the image, or of a property of its own."""

    what: Literal["add", "replace", "remove"]
    name: str
    value: Any = None
    field: bool = False  # a field, under the name that it has here


class CreateImage(Command, frozen=True, gc=False, kw_only=True):
    id: str
    project: str | None
    name: str | None = None
    visibility: Visibility = "shared"
    disk_format: str | None = None
    container_format: str | None = None
    min_ram: int = 0  # MiB
    min_disk: int = 0  # GiB
    protected: bool = False
    hidden: bool = False
    tags: tuple[str, ...] = ()
    properties: dict[str, str] = {}


class UpdateImage(Command, frozen=True, gc=False, kw_only=True):
    """All of the changes, in order, or none."""

    changes: tuple[Change, ...]


class TagImage(Command, frozen=True, gc=False, kw_only=True):
    tag: str


class UntagImage(Command, frozen=True, gc=False, kw_only=True):
    tag: str


class StartUpload(Command, frozen=True, gc=False, kw_only=True):
    upload: str
    store: str
    staging: bool = False


class FinishUpload(Command, frozen=True, gc=False, kw_only=True):
    """The bytes of this upload are safe: staged, or in the store."""

    upload: str
    bytes: Bytes


class ImportStaged(Command, frozen=True, gc=False, kw_only=True):
    """What this upload staged is in the store."""

    upload: str
    bytes: Bytes
    task: Task


class FailUpload(Command, frozen=True, gc=False, kw_only=True):
    upload: str
    reason: str


class DeactivateImage(Command, frozen=True, gc=False, kw_only=True):
    pass


class ReactivateImage(Command, frozen=True, gc=False, kw_only=True):
    pass


class DeleteImage(Command, frozen=True, gc=False, kw_only=True):
    pass


Commands = (
    CreateImage
    | UpdateImage
    | TagImage
    | UntagImage
    | StartUpload
    | FinishUpload
    | ImportStaged
    | FailUpload
    | DeactivateImage
    | ReactivateImage
    | DeleteImage
)


def decide(image: Image | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict, Forbidden, TooLarge."""
    if isinstance(command, CreateImage):
        if image is not None:  # an id is never given twice: bytes are kept under it
            raise Conflict(f"Image ID {command.id} already exists!")
        _bounded(command.tags, command.properties)
        return [ImageCreated(**asdict(command))]
    if image is None or image.deleted:
        raise NotFound(f"No image found with ID {command.id}")
    match command:
        case UpdateImage(changes=changes):
            return _update(image, changes)
        case TagImage(tag=tag):
            return [] if tag in image.tags else _tag(image, tag)
        case UntagImage(tag=tag):
            if tag not in image.tags:
                raise NotFound("The resource could not be found.")
            return [ImageUntagged(tag=tag)]
        case StartUpload(upload=upload):
            return [] if image.upload == upload else _start(image, command)
        case FinishUpload():
            return _finish(image, command)
        case ImportStaged(upload=upload):
            if image.status in WITH_BYTES:
                return []
            if not image.staged or image.upload != upload:
                raise Conflict("Image needs to be staged before 'glance-direct' method can be used")
            return [ImageActivated(bytes=command.bytes, task=command.task)]
        case FailUpload(upload=upload, reason=reason):
            return [ImageUploadFailed(reason=reason)] if image.upload == upload else []
        case DeactivateImage() | ReactivateImage():
            return _switch(image, command)
        case DeleteImage():
            if image.protected:
                raise Forbidden(f"Image {image.id} is protected and cannot be deleted.")
            return [ImageDeleted()]
    assert_never(command)


def _bounded(tags: tuple[str, ...], properties: Mapping[str, str]) -> None:
    for what, held, most in (("properties", len(properties), PROPERTIES), ("tags", len(tags), TAGS)):
        if held > most:
            raise TooLarge(
                f"The limit has been exceeded on the number of allowed image {what}. Attempted: {held}, Maximum: {most}"
            )


def _update(image: Image, changes: tuple[Change, ...]) -> list[Events]:
    fields: dict[str, Any] = {}
    properties = dict(image.properties)
    for change in changes:
        if change.field:
            if change.what == "remove":
                raise Forbidden(f"Property {change.name} may not be removed.", kind="detail")
            fields[change.name] = change.value
        elif change.what == "add":
            properties[change.name] = change.value
        elif change.name not in properties:
            raise Conflict(f"Property {change.name} does not exist.", kind="detail")
        elif change.what == "replace":
            properties[change.name] = change.value
        else:
            del properties[change.name]
    for name in ("disk_format", "container_format"):
        if name in fields and image.status != "queued":
            raise Forbidden(f"Attribute {name} can be only replaced for a queued image.")
    fields = {name: value for name, value in fields.items() if getattr(image, name) != value}
    if properties != image.properties:
        fields["properties"] = properties
    _bounded(fields.get("tags", ()), fields.get("properties", {}))
    return [ImageUpdated(**fields)] if fields else []


def _tag(image: Image, tag: str) -> list[Events]:
    if len(image.tags) >= TAGS:
        raise TooLarge(
            f"Image tag limit exceeded for image {image.id}: The limit has been exceeded on the number of allowed "
            f"image tags. Attempted: {len(image.tags) + 1}, Maximum: {TAGS}:"
        )
    return [ImageTagged(tag=tag)]


def _start(image: Image, command: StartUpload) -> list[Events]:
    if not command.staging and (image.disk_format is None or image.container_format is None):
        lacking = [name for name in ("disk_format", "container_format") if getattr(image, name) is None]
        raise Invalid(f"Properties {', '.join(lacking)} must be set prior to saving data.")
    if image.status != "queued":
        to = "uploading" if command.staging else "saving"
        raise Conflict(f"Image status transition from {image.status} to {to} is not allowed")
    return [ImageUploadStarted(upload=command.upload, store=command.store, staging=command.staging)]


def _finish(image: Image, command: FinishUpload) -> list[Events]:
    if image.bytes == command.bytes and image.status != "queued":
        return []
    if image.upload != command.upload or image.bytes is not None:
        raise Conflict(f"The upload to image {image.id} has been given up.")
    staging = image.status == "uploading"
    return [ImageStaged(bytes=command.bytes) if staging else ImageActivated(bytes=command.bytes)]


def _switch(image: Image, command: DeactivateImage | ReactivateImage) -> list[Events]:
    off = isinstance(command, DeactivateImage)
    if image.status not in WITH_BYTES:
        raise Forbidden(f"Not allowed to {'deactivate' if off else 'reactivate'} image in status '{image.status}'")
    if (image.status == "deactivated") == off:
        return []
    return [ImageDeactivated() if off else ImageReactivated()]


def evolve(image: Image | None, event: Events, at: datetime) -> Image:
    """The image after `event`."""
    if isinstance(event, ImageCreated):
        return Image(**asdict(event))
    assert image is not None, f"{event!r} before ImageCreated"
    match event:
        case ImageUpdated():
            return replace(image, **{name: value for name, value in asdict(event).items() if value is not UNSET})
        case ImageTagged(tag=tag):
            return replace(image, tags=(*image.tags, tag))
        case ImageUntagged(tag=tag):
            return replace(image, tags=tuple(one for one in image.tags if one != tag))
        case ImageUploadStarted(upload=upload, store=store, staging=staging):
            return replace(image, status="uploading" if staging else "saving", upload=upload, store=store)
        case ImageStaged():
            return replace(image, bytes=event.bytes)
        case ImageActivated():
            return replace(image, status="active", bytes=event.bytes, upload=None, task=event.task)
        case ImageUploadFailed():
            return replace(image, status="queued", bytes=None, upload=None, store=None)
        case ImageDeactivated():
            return replace(image, status="deactivated")
        case ImageReactivated():
            return replace(image, status="active")
        case ImageDeleted():
            return replace(image, deleted=True)
    assert_never(event)
