"""What is asked of libvirt, call by call: each of these blocks, and raises libvirtError.

A domain may be gone, or off, between two calls; what was to be reached by that call is then reached already.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import libvirt
import msgspec

from agents import names
from agents.compute import domain
from agents.compute.hypervisor import Capacity, Found

WITH_ALL = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)
OVER = (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID)


def of_cloud(connection: Any, cloud: str) -> list[Any]:
    """The domains of `cloud`."""
    return [one for one in connection.listAllDomains() if one.name().startswith(names.domains(cloud))]


def found(connection: Any, cloud: str) -> dict[str, Found]:
    """The servers of `cloud`, by id."""
    guests = {}
    for one in of_cloud(connection, cloud):
        with _vanishing():
            guests[one.UUIDString()] = Found(running=bool(one.isActive()), generation=_mark(one).generation)
    return guests


def mark(connection: Any, server: str) -> domain.Mark | None:
    """Whose the domain of `server` is, and its generation; None if there is none."""
    one = _find(connection, server)
    return None if one is None else _mark(one)


def set_generation(connection: Any, server: str, cloud: str, generation: int) -> None:
    """Keep `generation` with the domain of `server`, if there is one."""
    if (one := _find(connection, server)) is not None:
        flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG | (libvirt.VIR_DOMAIN_AFFECT_LIVE if one.isActive() else 0)
        element = domain.mark(cloud, generation)
        one.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, element, "cumulog", domain.NAMESPACE, flags)


def run(connection: Any, server: str, definition: str) -> None:
    """Define and start it; one that runs is left as it is."""
    one = _find(connection, server)
    if one is None or not one.isActive():
        connection.defineXML(definition).create()


def start_and_drop(connection: Any, definition: str) -> None:
    """Start it, kept from running, and drop it again: whether that works is what is asked."""
    flags = libvirt.VIR_DOMAIN_START_PAUSED | libvirt.VIR_DOMAIN_START_AUTODESTROY
    one = connection.createXML(definition, flags)
    with _vanishing():
        one.destroy()


def press(connection: Any, server: str, *, again: bool) -> bool:
    """Press the power button, to have it run `again` or not; whether it was on."""
    one = _find(connection, server)
    if one is None or not one.isActive():
        return False
    with _vanishing():
        if again:
            one.reboot(libvirt.VIR_DOMAIN_REBOOT_ACPI_POWER_BTN)
        else:
            one.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
    return True


def unplug(connection: Any, server: str) -> None:
    """Switch it off at once."""
    if (one := _find(connection, server)) is not None and one.isActive():
        with _vanishing():
            one.destroy()


def undefine(connection: Any, server: str) -> None:
    """Forget it."""
    if (one := _find(connection, server)) is not None:
        one.undefineFlags(WITH_ALL)


def capacity(connection: Any, disk: int) -> Capacity:
    """What the host has, with a disk of `disk` GiB."""
    ram, vcpus = connection.getInfo()[1:3]
    return Capacity(
        vcpus=vcpus,
        ram=ram,
        disk=disk,
        hypervisor_version=connection.getVersion(),
        hypervisor_hostname=connection.getHostname(),
        cpu_info=_cpu_info(connection.getCapabilities()),
    )


def _find(connection: Any, server: str) -> Any:
    try:
        return connection.lookupByUUIDString(server)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise
    return None


def _mark(one: Any) -> domain.Mark:
    try:
        return domain.read_mark(one.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, domain.NAMESPACE))
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN_METADATA:
            raise
    return domain.Mark("", 0)  # nobody's we know


@contextlib.contextmanager
def _vanishing() -> Iterator[None]:
    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_code() not in OVER:
            raise


def _cpu_info(capabilities: str) -> str:
    """The host's processor as the API shows it, JSON."""
    cpu = ElementTree.fromstring(capabilities).find("host/cpu")
    if cpu is None:
        return ""
    info = {name: cpu.findtext(name) or "" for name in ("arch", "model", "vendor")}
    topology = cpu.find("topology")
    shape = {} if topology is None else {name: int(topology.get(name, "1")) for name in ("sockets", "cores", "threads")}
    return msgspec.json.encode(info | {"topology": shape}).decode()
