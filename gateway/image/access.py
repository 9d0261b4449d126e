"""Who sees which image, and who may change it. Source: Image API guide, "Image visibility", "Sharing images"."""

from __future__ import annotations

from typing import cast

from events.fold import Fold
from events.image import image as images
from events.image import member as members
from events.image.image import Image
from events.image.member import Members
from events.refusals import NotFound
from gateway.serving import Answer, Call

PAGE = "text/html; charset=UTF-8"
DONE = Answer(status=204, media_type=PAGE)
UNKNOWN = "No image found with ID {id}"


def sees(call: Call, image: Image) -> bool:
    """Whether the caller may see it at all."""
    return _sees(call, call.fold, image) and still_sees(call, image)


def still_sees(call: Call, image: Image) -> bool:
    """Whether the caller, who could see it at a former moment, still can."""
    present = call.present
    return present is None or call.still(images, image.id, lambda now: _sees(call, present, now))


def _sees(call: Call, fold: Fold, image: Image) -> bool:
    mine = call.who.project
    if call.is_admin or image.visibility in ("public", "community") or (mine is not None and image.project == mine):
        return True
    if image.visibility != "shared" or mine is None:
        return False
    group = fold.get(members, image.id)
    return group is not None and mine in group.members


def find(call: Call, id: str, unknown: str = UNKNOWN) -> Image:
    """A live image that the caller may see. Raises NotFound in the words of `unknown`."""
    image = call.fold.get(images, id)
    if image is None or not sees(call, image):
        raise NotFound(unknown.format(id=id))
    return image


def seen(call: Call, unknown: str = UNKNOWN) -> Image:
    """The image that the path names, if the caller may do this with it. Raises NotFound, Forbidden."""
    image = find(call, call.path["id"], unknown)
    ask(call, image)
    return image


def ask(call: Call, image: Image) -> None:
    """Put an image to the call's rule. Raises Forbidden."""
    call.enforce(target(call, image))


def target(call: Call, image: Image) -> dict[str, str]:
    """What rules are told of an image."""
    owner = image.project or ""
    found = {"project_id": owner, "tenant_id": owner, "owner": owner}
    mine = call.who.project
    if mine is not None and mine in of(call, image).members:
        found["member_id"] = mine
    return {**found, "visibility": image.visibility}


def of(call: Call, image: Image) -> Members:
    """The projects that a shared image is offered to."""
    return cast("Members | None", call.fold.get(members, image.id)) or Members(id=image.id)
