"""A flavor: how much of a host a server gets. Its sizes never change; its access and extra specs may.

    CREATED -> DELETED

Source: Compute API reference, "Flavors", "Flavors access", "Flavors extra-specs".
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from msgspec.structs import asdict, replace

from events.envelope import Command, Event, State
from events.refusals import Conflict, NotFound

INDEXES = ("name",)


class Flavor(State, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    ram: int  # MiB
    vcpus: int
    disk: int  # GiB; 0: as large as the image
    ephemeral: int = 0  # GiB
    swap: int = 0  # MiB
    rxtx_factor: float = 1.0
    public: bool = True
    disabled: bool = False
    description: str | None = None
    extra_specs: dict[str, str] = {}
    projects: tuple[str, ...] = ()  # that may use it, if it is not public


class FlavorCreated(Event, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    ram: int  # MiB
    vcpus: int
    disk: int  # GiB
    ephemeral: int = 0  # GiB
    swap: int = 0  # MiB
    rxtx_factor: float = 1.0
    public: bool = True
    description: str | None = None
    projects: tuple[str, ...] = ()


class FlavorDescribed(Event, frozen=True, gc=False, kw_only=True):
    description: str | None


class FlavorSpecsSet(Event, frozen=True, gc=False, kw_only=True):
    specs: dict[str, str]


class FlavorSpecRemoved(Event, frozen=True, gc=False, kw_only=True):
    name: str


class FlavorAccessGranted(Event, frozen=True, gc=False, kw_only=True):
    project: str


class FlavorAccessRevoked(Event, frozen=True, gc=False, kw_only=True):
    project: str


class FlavorDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = (
    FlavorCreated
    | FlavorDescribed
    | FlavorSpecsSet
    | FlavorSpecRemoved
    | FlavorAccessGranted
    | FlavorAccessRevoked
    | FlavorDeleted
)


class CreateFlavor(Command, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    ram: int
    vcpus: int
    disk: int
    ephemeral: int = 0
    swap: int = 0
    rxtx_factor: float = 1.0
    public: bool = True
    description: str | None = None
    projects: tuple[str, ...] = ()


class DescribeFlavor(Command, frozen=True, gc=False, kw_only=True):
    description: str | None


class SetFlavorSpecs(Command, frozen=True, gc=False, kw_only=True):
    specs: dict[str, str]


class RemoveFlavorSpec(Command, frozen=True, gc=False, kw_only=True):
    name: str


class GrantFlavorAccess(Command, frozen=True, gc=False, kw_only=True):
    project: str


class RevokeFlavorAccess(Command, frozen=True, gc=False, kw_only=True):
    project: str


class DeleteFlavor(Command, frozen=True, gc=False, kw_only=True):
    pass


Commands = (
    CreateFlavor
    | DescribeFlavor
    | SetFlavorSpecs
    | RemoveFlavorSpec
    | GrantFlavorAccess
    | RevokeFlavorAccess
    | DeleteFlavor
)


def decide(flavor: Flavor | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    if isinstance(command, CreateFlavor):
        if flavor and not flavor.deleted:
            raise Conflict(f"Flavor with ID {command.id} already exists.")
        return [FlavorCreated(**asdict(command))]
    if flavor is None or flavor.deleted:
        raise NotFound(f"Flavor {command.id} could not be found.")
    match command:
        case DescribeFlavor(description=description):
            return [] if flavor.description == description else [FlavorDescribed(description=description)]
        case SetFlavorSpecs(specs=specs):
            return [] if specs.items() <= flavor.extra_specs.items() else [FlavorSpecsSet(specs=specs)]
        case RemoveFlavorSpec(name=name):
            if name not in flavor.extra_specs:
                raise NotFound(f"Flavor {flavor.id} has no extra specs with key {name}.")
            return [FlavorSpecRemoved(name=name)]
        case GrantFlavorAccess(project=project):
            if project in flavor.projects:
                raise Conflict(
                    f"Flavor access already exists for flavor {flavor.id} and project {project} combination."
                )
            return [FlavorAccessGranted(project=project)]
        case RevokeFlavorAccess(project=project):
            if project not in flavor.projects:
                raise NotFound(f"Flavor access not found for {flavor.id} / {project} combination.")
            return [FlavorAccessRevoked(project=project)]
        case DeleteFlavor():
            return [FlavorDeleted()]
    assert_never(command)


def evolve(flavor: Flavor | None, event: Events, at: datetime) -> Flavor:
    """The flavor after `event`."""
    if isinstance(event, FlavorCreated):
        return Flavor(**asdict(event))
    assert flavor is not None, f"{event!r} before FlavorCreated"
    match event:
        case FlavorDescribed(description=description):
            return replace(flavor, description=description)
        case FlavorSpecsSet(specs=specs):
            return replace(flavor, extra_specs={**flavor.extra_specs, **specs})
        case FlavorSpecRemoved(name=name):
            return replace(flavor, extra_specs={k: v for k, v in flavor.extra_specs.items() if k != name})
        case FlavorAccessGranted(project=project):
            return replace(flavor, projects=(*flavor.projects, project))
        case FlavorAccessRevoked(project=project):
            return replace(flavor, projects=tuple(p for p in flavor.projects if p != project))
        case FlavorDeleted():
            return replace(flavor, deleted=True)
    assert_never(event)
