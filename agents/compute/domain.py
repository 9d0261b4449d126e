"""A server as a libvirt domain: its XML, and the mark by which its cloud knows it again.

The mark is a metadata element: the cloud's id and the generation of the last wish that was fulfilled.
Source: libvirt, "Domain XML format".
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from msgspec import Struct

from agents import names
from agents.compute.hypervisor import Guest, Interface

NAMESPACE = "urn:cumulog:server"
ElementTree.register_namespace("cumulog", NAMESPACE)


class Mark(Struct, frozen=True, gc=False):
    """Whose a domain is, and how far it has come."""

    cloud: str
    generation: int  # 0: defined, never started


class Machine(Struct, frozen=True, kw_only=True):
    """What all domains of a host have in common."""

    cloud: str
    virt_type: Literal["kvm", "qemu"]
    translation_cache: int  # MiB, of TCG: most of an emulated guest's memory on the host
    run_as: str | None  # "+0:+0": QEMU runs as root; None: as libvirt is configured


class Disk(Struct, frozen=True, kw_only=True):
    """An overlay and what lies beneath it."""

    path: Path
    base: Path
    base_format: str


def mark(cloud: str, generation: int) -> str:
    """The metadata element, as libvirt's setMetadata wants it: without its namespace."""
    return ElementTree.tostring(
        ElementTree.Element("server", cloud=cloud, generation=str(generation)), encoding="unicode"
    )


def read_mark(xml: str) -> Mark:
    """The mark in the metadata element `xml`."""
    element = ElementTree.fromstring(xml)
    return Mark(element.get("cloud", ""), int(element.get("generation", "0")))


def definition(guest: Guest, machine: Machine, disk: Disk, console: Path, generation: int) -> str:
    """The domain of `guest` as XML, bearing `generation`."""
    domain = ElementTree.Element("domain", type=machine.virt_type)
    _add(domain, "name", names.domain(machine.cloud, guest.id))
    _add(domain, "uuid", guest.id)
    _add(domain, "title", "".join(letter for letter in guest.name if letter.isprintable()) or guest.id)
    marked = ElementTree.SubElement(_add(domain, "metadata"), f"{{{NAMESPACE}}}server")
    marked.attrib.update(cloud=machine.cloud, generation=str(generation))
    _add(domain, "memory", str(guest.ram), unit="MiB")
    _add(domain, "vcpu", str(guest.vcpus))
    _identity(domain, guest)
    _processor(domain, machine)
    _add(domain, "clock", offset="utc")
    for event, action in (("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy")):
        _add(domain, event, action)
    _run_as(domain, machine)
    devices = _add(domain, "devices")
    _disk(devices, disk)
    for interface in guest.interfaces:
        _interface(devices, machine.cloud, interface)
    serial = _add(devices, "serial", type="pty")
    _add(serial, "log", file=str(console), append="on")
    _add(serial, "target", type="isa-serial", port="0")
    _add(devices, "controller", type="usb", model="none")
    _add(_add(devices, "rng", model="virtio"), "backend", "/dev/urandom", model="random")
    _add(devices, "memballoon", model="virtio")
    return ElementTree.tostring(domain, encoding="unicode")


def trial(machine: Machine) -> str:
    """A domain with nothing in it, to see whether domains start."""
    domain = ElementTree.Element("domain", type=machine.virt_type)
    _add(domain, "name", f"cumulog-trial-{machine.cloud}")
    _add(domain, "memory", "16", unit="MiB")
    _add(_add(domain, "os"), "type", "hvm", arch="x86_64", machine="pc")
    _processor(domain, machine)
    _run_as(domain, machine)
    _add(_add(domain, "devices"), "controller", type="usb", model="none")
    return ElementTree.tostring(domain, encoding="unicode")


def _run_as(domain: ElementTree.Element, machine: Machine) -> None:
    if machine.run_as:
        _add(_add(domain, "seclabel", type="static", model="dac", relabel="no"), "label", machine.run_as)


def _add(parent: ElementTree.Element, tag: str, text: str | None = None, **attributes: str) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, tag, attributes)
    child.text = text
    return child


def _identity(domain: ElementTree.Element, guest: Guest) -> None:
    """How the guest finds out where it is. Source: cloud-init, "OpenStack" data source, "Discovery"."""
    system = _add(domain, "os")
    _add(system, "type", "hvm", arch="x86_64", machine="pc")
    _add(system, "boot", dev="hd")
    _add(system, "smbios", mode="sysinfo")
    table = _add(_add(domain, "sysinfo", type="smbios"), "system")
    for name, value in (("manufacturer", "Cumulog"), ("product", "OpenStack Nova"), ("uuid", guest.id)):
        _add(table, "entry", value, name=name)


def _processor(domain: ElementTree.Element, machine: Machine) -> None:
    features = _add(domain, "features")
    _add(features, "acpi")
    _add(features, "apic")
    if machine.virt_type == "kvm":
        _add(domain, "cpu", mode="host-passthrough")
        return
    _add(_add(features, "tcg"), "tb-cache", str(machine.translation_cache), unit="MiB")
    # What the host has means nothing to an emulated processor, and a named model can be migrated.
    _add(_add(domain, "cpu", mode="custom", match="exact", check="none"), "model", "Nehalem", fallback="forbid")


def _disk(devices: ElementTree.Element, disk: Disk) -> None:
    device = _add(devices, "disk", type="file", device="disk")
    _add(device, "driver", name="qemu", type="qcow2", discard="unmap")
    _add(device, "source", file=str(disk.path))
    backing = _add(device, "backingStore", type="file")  # told, so that libvirt does not guess from a guest's bytes
    _add(backing, "format", type=disk.base_format)
    _add(backing, "source", file=str(disk.base))
    _add(backing, "backingStore")
    _add(device, "target", dev="vda", bus="virtio")


def _interface(devices: ElementTree.Element, cloud: str, interface: Interface) -> None:
    device = _add(devices, "interface", type="bridge")
    _add(device, "mac", address=interface.mac)
    _add(device, "source", bridge=names.bridge(cloud, interface.network))
    _add(device, "target", dev=names.tap(cloud, interface.port))
    _add(device, "model", type="virtio")
    _add(device, "mtu", size=str(interface.mtu))
