"""Who may use a flavor, and its extra specs. Source: Compute API reference, "Flavors access", "Flavors extra-specs"."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from events.compute import flavor as flavors
from events.compute.flavor import Flavor, GrantFlavorAccess, RemoveFlavorSpec, RevokeFlavorAccess, SetFlavorSpecs
from events.refusals import Conflict, Invalid, NotFound
from gateway.compute import projects, words
from gateway.compute.flavor import find
from gateway.serving import Call

Name = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9-_:. ]{1,255}$")]
Value = Annotated[str, Meta(max_length=255)] | int | float
Specs = dict[Name, Value]


class SpecsView(Struct):
    extra_specs: dict[str, str]


class SpecsBody(Struct, forbid_unknown_fields=True):
    extra_specs: Annotated[Specs, Meta(max_length=1000)]


class Access(Struct):
    flavor_id: str
    tenant_id: str


class AccessList(Struct):
    flavor_access: list[Access]


class Tenant(Struct, forbid_unknown_fields=True):
    tenant: Annotated[str, Meta(min_length=1, max_length=255)]


# Access


def _accesses(flavor: Flavor) -> AccessList:
    return AccessList([Access(flavor.id, project) for project in flavor.projects])


async def access(call: Call) -> AccessList:
    """The projects that may use a private flavor. Raises NotFound."""
    flavor = find(call)
    if flavor.public:
        raise NotFound("Access list not available for public flavors.")
    return _accesses(flavor)


async def act(call: Call, body: dict[str, Raw]) -> AccessList:
    """Give a project access, or take it away. Raises Invalid, NotFound, Conflict."""
    if len(body) != 1:
        raise Invalid("Malformed request body")
    name, raw = next(iter(body.items()))
    if name not in ("addTenantAccess", "removeTenantAccess"):
        raise Invalid(f"There is no such action: {name[:255]}")
    if name == "removeTenantAccess":
        call.begin("os_compute_api:os-flavor-access:remove_tenant_access", "own")
    try:
        project = msgspec.json.decode(raw, type=Tenant).tenant
    except msgspec.ValidationError as fault:
        raise Invalid(words.explain(str(fault), bytes(raw), Tenant, name)) from fault
    flavor = find(call)
    projects.check(call, project)
    if name == "removeTenantAccess":
        return _accesses(await call.do(flavors, RevokeFlavorAccess(id=flavor.id, project=project)))
    if flavor.public and call.version >= (2, 7):
        raise Conflict("Can not add access to a public flavor.")
    return _accesses(await call.do(flavors, GrantFlavorAccess(id=flavor.id, project=project)))


# Extra specs

_CHOICES = {
    "hw:cpu_policy": ("dedicated", "shared", "mixed"),
    "hw:cpu_thread_policy": ("prefer", "isolate", "require"),
    "hw:emulator_threads_policy": ("isolate", "share"),
    "hw:watchdog_action": ("none", "pause", "poweroff", "reset", "disabled"),
    "hw:pci_numa_affinity_policy": ("required", "preferred", "legacy", "socket"),
    "hw:viommu_model": ("intel", "smmuv3", "virtio", "auto"),
}
_OF_HARDWARE = {
    *("boot_menu", "cpu_cores", "cpu_dedicated_mask", "cpu_max_cores", "cpu_max_sockets", "cpu_max_threads"),
    *("cpu_realtime", "cpu_realtime_mask", "cpu_sockets", "cpu_threads", "hide_hypervisor_id", "locked_memory"),
    *("maxphysaddr_bits", "maxphysaddr_mode", "mem_encryption", "mem_page_size", "numa_nodes", "pmu", "pmem"),
    *("serial_port_count", "tpm_model", "tpm_version", "tpm_secret_security", "vif_multiqueue_enabled"),
    *(
        "input_bus",
        "ephemeral_encryption",
        "ephemeral_encryption_format",
        "sound_model",
        "usb_model",
        "virtio_packed_ring",
    ),
    *("redirected_usb_ports", "mem_encryption_model"),
}


def _check(name: str, value: str) -> None:
    """What the compute service itself reads is checked from 2.86 on. Raises Invalid."""
    choices = _CHOICES.get(name)
    if choices is not None and value not in choices:
        raise Invalid(f"Validation failed; '{value}' is not one of: {', '.join(choices)}.")
    space, colon, rest = name.partition(":")
    known = choices is not None or rest in _OF_HARDWARE or rest.startswith(("numa_cpus.", "numa_mem."))
    if space == "hw" and colon and not known:
        raise Invalid(f"Validation failed; extra spec '{name}' does not appear to be a valid extra spec.")


def _checked(call: Call, given: dict[str, Any]) -> dict[str, str]:
    specs = {name: str(value) for name, value in given.items()}
    if call.version >= (2, 86):
        for name, value in specs.items():
            _check(name, value)
    return specs


async def specs(call: Call) -> SpecsView:
    return SpecsView(find(call).extra_specs)


async def add_specs(call: Call, body: SpecsBody) -> SpecsView:
    """Add extra specs, or change them. Raises NotFound, Invalid."""
    given = _checked(call, body.extra_specs)
    await call.do(flavors, SetFlavorSpecs(id=find(call).id, specs=given))
    return SpecsView(given)


async def spec(call: Call) -> dict[str, str]:
    """One extra spec. Raises NotFound."""
    flavor, name = find(call), call.path["key"]
    if name not in flavor.extra_specs:
        raise NotFound(f"Flavor {flavor.id} has no extra specs with key {name[:255]}.")
    return {name: flavor.extra_specs[name]}


async def set_spec(call: Call, body: Annotated[Specs, Meta(min_length=1, max_length=1)]) -> dict[str, str]:
    """One extra spec, whose name the path has too. Raises NotFound, Invalid."""
    if call.path["key"] not in body:
        raise Invalid("Request body and URI mismatch")
    given = _checked(call, body)
    await call.do(flavors, SetFlavorSpecs(id=find(call).id, specs=given))
    return given


async def remove_spec(call: Call) -> None:
    """One extra spec less. Raises NotFound."""
    await call.do(flavors, RemoveFlavorSpec(id=find(call).id, name=call.path["key"][:255]))
