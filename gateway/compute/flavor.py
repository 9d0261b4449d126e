"""Flavors over HTTP. Source: Compute API reference, "Flavors (flavors)"."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from events.compute import flavor as flavors
from events.compute.flavor import CreateFlavor, DeleteFlavor, Flavor
from events.ids import new_id
from events.refusals import Conflict, NotFound
from gateway.links import Link
from gateway.microversions import since
from gateway.serving import Call

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Count = Annotated[int, Meta(ge=1, le=0x7FFFFFFF)]
Size = Annotated[int, Meta(ge=0, le=0x7FFFFFFF)]


class FlavorView(Struct, kw_only=True):
    id: str
    name: str
    links: list[Link]
    ram: int
    disk: int
    swap: int | str
    ephemeral: int = field(name="OS-FLV-EXT-DATA:ephemeral")
    disabled: bool = field(name="OS-FLV-DISABLED:disabled")
    vcpus: int
    public: bool = field(name="os-flavor-access:is_public")
    rxtx_factor: float
    description: Annotated[str | None, since(2, 55)] = None
    extra_specs: Annotated[dict[str, str], since(2, 61)] = {}


class FlavorAnswer(Struct):
    flavor: FlavorView


class NewFlavor(Struct, kw_only=True, forbid_unknown_fields=True):
    name: Name
    ram: Count
    vcpus: Count
    disk: Size
    id: Name | None = None
    ephemeral: Size = field(name="OS-FLV-EXT-DATA:ephemeral", default=0)
    swap: Size = 0
    rxtx_factor: float = 1.0
    public: bool = field(name="os-flavor-access:is_public", default=True)
    description: Annotated[str | UnsetType | None, since(2, 55)] = UNSET


class CreateFlavorBody(Struct, forbid_unknown_fields=True):
    flavor: NewFlavor


def not_found(id: str) -> NotFound:
    return NotFound(f"Flavor {id} could not be found.")


def view(call: Call, flavor: Flavor) -> FlavorView:
    return FlavorView(
        id=flavor.id,
        name=flavor.name,
        links=[
            Link("self", f"{call.root}/v2.1/flavors/{flavor.id}"),
            Link("bookmark", f"{call.root}/flavors/{flavor.id}"),
        ],
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
    if call.fold.by(flavors, "name", new.name):
        raise Conflict(f"Flavor with name {new.name} already exists.")
    wish = CreateFlavor(
        id=new.id or new_id(),
        name=new.name,
        ram=new.ram,
        vcpus=new.vcpus,
        disk=new.disk,
        ephemeral=new.ephemeral,
        swap=new.swap,
        rxtx_factor=new.rxtx_factor,
        public=new.public,
        description=new.description or None,
    )
    return FlavorAnswer(view(call, await call.do(flavors, wish)))


async def show(call: Call) -> FlavorAnswer:
    """One flavor. Raises NotFound."""
    id = call.path["id"]
    return FlavorAnswer(view(call, call.find(flavors, id, not_found(id))))


async def delete(call: Call) -> None:
    """Servers made from it keep their sizes. Raises NotFound."""
    await call.do(flavors, DeleteFlavor(id=call.path["id"]))


__all__ = ["create", "delete", "show"]
