"""Flavors over HTTP. Source: Compute API reference, "Flavors (flavors)"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field

from events.compute import flavor as flavors
from events.compute.flavor import CreateFlavor, DeleteFlavor, DescribeFlavor, Flavor
from events.ids import new_id
from events.refusals import Conflict, Invalid, NotFound
from gateway.compute.server_wish import checked_name
from gateway.compute.words import Flag, boolean, is_true, known_queries, limit_of, of_query
from gateway.links import Link, with_query
from gateway.microversions import since
from gateway.serving import Call

MOST = 0x7FFFFFFF
Name = Annotated[str, Meta(min_length=1, max_length=255)]
Id = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^(?! )[a-zA-Z0-9. _-]+(?<! )$")]
Digits = Annotated[str, Meta(pattern=r"^[0-9]+$", max_length=10)]
Count = Annotated[int, Meta(ge=1, le=MOST)] | Digits
Size = Annotated[int, Meta(ge=0, le=MOST)] | Digits
Factor = Annotated[float, Meta(gt=0, le=1e10)] | Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)?$", max_length=20)]
Description = Annotated[str, Meta(max_length=65535)]


class FlavorBrief(Struct, kw_only=True):
    id: str
    name: str
    links: list[Link]
    description: Annotated[str | UnsetType | None, since(2, 55)] = None


class FlavorView(FlavorBrief, kw_only=True):
    ram: int
    disk: int
    swap: int | str
    ephemeral: int = field(name="OS-FLV-EXT-DATA:ephemeral")
    disabled: bool = field(name="OS-FLV-DISABLED:disabled")
    vcpus: int
    public: bool = field(name="os-flavor-access:is_public")
    rxtx_factor: float
    extra_specs: Annotated[dict[str, str] | UnsetType, since(2, 61)] = UNSET


class FlavorAnswer(Struct):
    flavor: FlavorView


class FlavorList(Struct):
    flavors: list[FlavorView] | list[FlavorBrief]
    flavors_links: list[Link] | UnsetType = UNSET


class NewFlavor(Struct, kw_only=True, forbid_unknown_fields=True):
    name: Name
    ram: Count
    vcpus: Count
    disk: Size
    id: Id | None = None
    ephemeral: Size = field(name="OS-FLV-EXT-DATA:ephemeral", default=0)
    swap: Size = 0
    rxtx_factor: Factor = 1.0
    public: Flag = field(name="os-flavor-access:is_public", default=True)
    description: Annotated[Description | UnsetType | None, since(2, 55)] = UNSET


class CreateFlavorBody(Struct, forbid_unknown_fields=True):
    flavor: NewFlavor


class ChangedFlavor(Struct, forbid_unknown_fields=True):
    description: Description | None


class UpdateFlavorBody(Struct, forbid_unknown_fields=True):
    flavor: ChangedFlavor


def not_found(id: str) -> NotFound:
    return NotFound(f"Flavor {id[:255]} could not be found.")


def visible(call: Call, flavor: Flavor) -> bool:
    def open_to(flavor: Flavor) -> bool:
        return flavor.public or call.who.project in flavor.projects

    return call.is_admin or (open_to(flavor) and call.still(flavors, flavor.id, open_to))


def find(call: Call) -> Flavor:
    """The flavor that the path names. Raises NotFound."""
    id = call.path["id"]
    flavor = call.fold.get(flavors, id)
    if flavor is None or not visible(call, flavor):
        raise not_found(id)
    return flavor


def links(call: Call, id: str) -> list[Link]:
    return [Link("self", f"{call.root}/v2.1/flavors/{id}"), Link("bookmark", f"{call.root}/flavors/{id}")]


def brief(call: Call, flavor: Flavor) -> FlavorBrief:
    return FlavorBrief(id=flavor.id, name=flavor.name, links=links(call, flavor.id), description=flavor.description)


def view(call: Call, flavor: Flavor) -> FlavorView:
    return FlavorView(
        id=flavor.id,
        name=flavor.name,
        links=links(call, flavor.id),
        ram=flavor.ram,
        disk=flavor.disk,
        swap=flavor.swap if flavor.swap or call.version >= (2, 75) else "",
        ephemeral=flavor.ephemeral,
        disabled=flavor.disabled,
        vcpus=flavor.vcpus,
        public=flavor.public,
        rxtx_factor=flavor.rxtx_factor,
        description=flavor.description,
        extra_specs=flavor.extra_specs,
    )


async def create(call: Call, body: CreateFlavorBody) -> FlavorAnswer:
    """A new flavor. Raises Conflict if its id or name is in use."""
    new = body.flavor
    name = checked_name(new.name)
    if call.fold.by(flavors, "name", name):
        raise Conflict(f"Flavor with name {name} already exists.")
    wish = CreateFlavor(
        id=new.id or new_id(),
        name=name,
        ram=_number("ram", new.ram, 1),
        vcpus=_number("vcpus", new.vcpus, 1),
        disk=_number("disk", new.disk, 0),
        ephemeral=_number("OS-FLV-EXT-DATA:ephemeral", new.ephemeral, 0),
        swap=_number("swap", new.swap, 0),
        rxtx_factor=_factor(new.rxtx_factor),
        public=is_true(new.public),
        description=new.description or None,
    )
    return FlavorAnswer(view(call, await call.do(flavors, wish)))


def _number(name: str, given: int | str, least: int) -> int:
    number = int(given)
    if not least <= number <= MOST:
        wrong = f"less than the minimum of {least}" if number < least else f"greater than the maximum of {MOST}"
        raise Invalid(f"Invalid input for field/attribute {name}. Value: {given}. {given!r} is {wrong}")
    return number


def _factor(given: float | str) -> float:
    factor = float(given)
    if factor <= 0:
        raise Invalid(f"Invalid input for field/attribute rxtx_factor. Value: {given}. {given!r} is not above 0")
    return factor


async def show(call: Call) -> FlavorAnswer:
    """One flavor. Raises NotFound."""
    return FlavorAnswer(view(call, find(call)))


async def update(call: Call, body: UpdateFlavorBody) -> FlavorAnswer:
    """Describe it anew. Raises NotFound."""
    wish = DescribeFlavor(id=find(call).id, description=body.flavor.description)
    return FlavorAnswer(view(call, await call.do(flavors, wish)))


async def delete(call: Call) -> None:
    """Servers made from it keep their sizes. Raises NotFound."""
    await call.do(flavors, DeleteFlavor(id=find(call).id))


# Lists

_SORT_KEYS: dict[str, Callable[[Flavor], Any]] = {
    "created_at": lambda flavor: 0,  # the order of the fold
    "description": lambda flavor: flavor.description or "",
    "disabled": lambda flavor: flavor.disabled,
    "ephemeral_gb": lambda flavor: flavor.ephemeral,
    "flavorid": lambda flavor: flavor.id,
    "id": lambda flavor: 0,
    "is_public": lambda flavor: flavor.public,
    "memory_mb": lambda flavor: flavor.ram,
    "name": lambda flavor: flavor.name,
    "root_gb": lambda flavor: flavor.disk,
    "rxtx_factor": lambda flavor: flavor.rxtx_factor,
    "swap": lambda flavor: flavor.swap,
    "updated_at": lambda flavor: 0,
    "vcpu_weight": lambda flavor: 0,
    "vcpus": lambda flavor: flavor.vcpus,
}
_KNOWN = {"limit", "marker", "is_public", "minRam", "minDisk", "sort_key", "sort_dir"}


async def list_brief(call: Call) -> FlavorList:
    """Names and links. Raises Invalid."""
    found, links = _page(call)
    return FlavorList([brief(call, one) for one in found], links)


async def list_detailed(call: Call) -> FlavorList:
    """All of each. Raises Invalid."""
    found, links = _page(call)
    return FlavorList([view(call, one) for one in found], links)


def _page(call: Call) -> tuple[list[Flavor], list[Link] | UnsetType]:
    values = known_queries(call, _KNOWN)
    limit = limit_of(values, call.cloud.settings.gateway.page)
    key, direction = values.get("sort_key", ["flavorid"])[0], values.get("sort_dir", ["asc"])[0]
    if key not in _SORT_KEYS:
        raise of_query("sort_key", key, f"{key[:255]!r} is not one of {list(_SORT_KEYS)}")
    if direction not in ("asc", "desc"):
        raise of_query("sort_dir", direction, f"{direction[:255]!r} is not one of ['asc', 'desc']")
    found = _filtered(call, values)
    found.sort(key=_SORT_KEYS[key], reverse=direction == "desc")
    if "marker" in values:
        marker = values["marker"][-1]
        at = next((number for number, one in enumerate(found) if one.id == marker), None)
        if at is None:
            raise Invalid(f"marker [{marker[:255]}] not found")
        found = found[at + 1 :]
    page = found[:limit]
    if not page or len(page) < limit:
        return page, UNSET
    path = call.root + call.request.url.path.partition(call.face.path)[2]
    return page, [Link("next", with_query(path, call.request.url.query, marker=page[-1].id))]


def _filtered(call: Call, values: dict[str, list[str]]) -> list[Flavor]:
    ram, disk = _least("minRam", values), _least("minDisk", values)
    public = _public(call, values)
    return [
        one
        for one in call.fold.all(flavors)
        if visible(call, one) and one.ram >= ram and one.disk >= disk and public in (None, one.public)
    ]


def _least(name: str, values: dict[str, list[str]]) -> int:
    text = values.get(name, ["0"])[-1]
    try:
        return int(text[:20])
    except ValueError as fault:
        raise Invalid(f"Invalid {name} filter [{text[:255]}]") from fault


def _public(call: Call, values: dict[str, list[str]]) -> bool | None:
    """Which flavors: public ones or private ones, None for both. Only admins may ask; others see what they may use."""
    if not call.is_admin:
        return None
    text = values.get("is_public", ["true"])[-1]
    if text.lower() == "none":
        return None
    try:
        return boolean(text)
    except Invalid as fault:
        raise Invalid(f"Invalid is_public filter [{text[:255]}]") from fault


__all__ = ["create", "delete", "find", "list_brief", "list_detailed", "show", "update"]
