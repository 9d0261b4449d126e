"""Members over HTTP. Source: Image API reference, "Sharing"."""

from __future__ import annotations

from typing import Any, get_args

from events.image import member as members
from events.image.image import Image
from events.image.member import AddMember, AnswerAsMember, Member, Members, RemoveMember, Status, unknown
from events.refusals import Forbidden, Invalid, NotFound
from gateway.image import access
from gateway.image.bodies import read
from gateway.image.image import NOT_FOUND, moment
from gateway.serving import Answer, Call

View = dict[str, Any]

LONGEST = 255  # characters of a member


def view(image: str, member: Member) -> View:
    return {
        "member_id": member.id,
        "image_id": image,
        "status": member.status,
        "created_at": moment(member.created_at),
        "updated_at": moment(member.updated_at),
        "schema": "/v2/schemas/member",
    }


def _visible(call: Call, image: Image) -> list[Member]:
    """All for who owns it, themselves for a member."""
    known = access.of(call, image).members
    if call.is_admin or image.project == call.who.project:
        return list(known.values())
    return [member for id, member in known.items() if id == call.who.project]


def _shared(image: Image, doing: str) -> None:
    if image.visibility != "shared":
        raise Forbidden(f"Not allowed to {doing} members for image {image.id}.")


async def list_(call: Call) -> View:
    """Who it is offered to. Raises NotFound, Forbidden."""
    image = access.seen(call, NOT_FOUND)
    if image.visibility != "shared":
        raise Forbidden(f"Not allowed to list members for image {image.id}: Only shared images have members.")
    return {
        "members": [view(image.id, member) for member in _visible(call, image)],
        "schema": "/v2/schemas/members",
    }


async def show(call: Call) -> View:
    """One of them. Raises NotFound."""
    image = access.seen(call, NOT_FOUND)
    if image.visibility != "shared":
        raise NotFound("Only shared images have members.")
    for member in _visible(call, image):
        if member.id == call.path["member"]:
            return view(image.id, member)
    raise unknown(image.id, call.path["member"])


async def add(call: Call) -> View:
    """The project, to which the image is offered. Raises NotFound, Forbidden, Conflict, Invalid, TooLarge."""
    body = await read(call)
    if not isinstance(body, dict):
        raise Invalid('Expected a member in the form: {"member": "image_id"}')
    if "member" not in body:
        raise Invalid("Member to be added not specified")
    member = body["member"]
    if not member:
        raise Invalid("Member can't be empty")
    if not isinstance(member, str) or len(member) > LONGEST:
        raise Invalid(f"Member must be a string of {LONGEST} characters at most")
    image = access.find(call, call.path["id"], NOT_FOUND)
    _shared(image, "create")
    access.ask(call, image)
    return _view(await call.do(members, AddMember(id=image.id, member=member)), member)


async def answer(call: Call) -> View:
    """What the member says. Raises NotFound, Forbidden, Invalid."""
    body = await read(call)
    if not isinstance(body, dict):
        raise Invalid('Expected a status in the form: {"status": "status"}')
    if "status" not in body:
        raise Invalid("Status not specified")
    status, member = body["status"], call.path["member"]
    image = access.find(call, call.path["id"], NOT_FOUND)
    _shared(image, "update")
    if member not in access.of(call, image).members:
        raise unknown(image.id, member)
    call.enforce({**access.target(call, image), "member_id": member})
    if not isinstance(status, str) or status not in get_args(Status):
        raise Invalid('Incorrect request: Status must be "pending", "accepted" or "rejected".')
    wish = AnswerAsMember(id=image.id, member=member, status=status)  # type: ignore[arg-type]  # looked at above
    return _view(await call.do(members, wish), member)


async def remove(call: Call) -> Answer:
    """The image is offered to them no more. Raises NotFound, Forbidden."""
    image = access.find(call, call.path["id"], NOT_FOUND)
    _shared(image, "delete")
    member = call.path["member"]
    access.ask(call, image)
    if member not in access.of(call, image).members:
        raise unknown(image.id, member)
    await call.do(members, RemoveMember(id=image.id, member=member))
    return Answer(status=204)


def _view(group: Members, member: str) -> View:
    return view(group.id, group.members[member])
