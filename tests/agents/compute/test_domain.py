"""A server as XML: whatever its owner called it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from agents import names
from agents.compute import domain
from agents.compute.hypervisor import Guest, Interface

MACHINE = domain.Machine(cloud="c10ddead", virt_type="qemu", translation_cache=32, run_as=None)
DISK = domain.Disk(path=Path("/s/disk"), base=Path("/s/base"), base_format="raw")
PORT = Interface(port="9090e0e0-0000-4000-8000-000000000001", mac="fa:16:3e:00:00:01", network="n1", mtu=1400)


def made(name: str = "web", machine: domain.Machine = MACHINE) -> ElementTree.Element:
    guest = Guest(id="5e5e5e5e-0000-4000-8000-000000000001", name=name, hostname="web", project="p", wanted="on",
                  generation=4, vcpus=2, ram=96, interfaces=(PORT,))  # fmt: skip
    return ElementTree.fromstring(domain.definition(guest, machine, DISK, Path("/s/console.log"), 3))


@pytest.mark.parametrize("name", ["</title><os>", "a & b", "line\nbreak\x00\x1b", 'quo"te', "ünï", "\x01"])
def test_a_name_is_only_ever_a_title(name: str) -> None:
    xml = made(name)
    assert [child.tag for child in xml] == [child.tag for child in made()]
    assert xml.findtext("name") == names.domain("c10ddead", "5e5e5e5e-0000-4000-8000-000000000001")
    assert "\n" not in (xml.findtext("title") or "")


def test_the_mark_says_whose_it_is_and_how_far_it_has_come() -> None:
    element = made().find(f"metadata/{{{domain.NAMESPACE}}}server")
    assert element is not None
    assert element.attrib == {"cloud": "c10ddead", "generation": "3"}
    assert domain.read_mark(domain.mark("c10ddead", 7)) == domain.Mark("c10ddead", 7)


def test_an_interface_has_its_tap_on_its_bridge() -> None:
    interface = made().find("devices/interface")
    assert interface is not None
    found = {child.tag: child.attrib for child in interface}
    assert found["source"] == {"bridge": names.bridge("c10ddead", "n1")}
    assert found["target"] == {"dev": names.tap("c10ddead", PORT.port)}
    assert found["mtu"] == {"size": "1400"}


def test_the_base_is_told_and_never_guessed() -> None:
    backing = made().find("devices/disk/backingStore/format")
    assert backing is not None
    assert backing.attrib == {"type": "raw"}


def test_only_kvm_shows_the_guest_the_hosts_processor() -> None:
    kvm = domain.Machine(cloud="c10ddead", virt_type="kvm", translation_cache=32, run_as="+0:+0")
    for machine, mode in ((MACHINE, "custom"), (kvm, "host-passthrough")):
        cpu = made(machine=machine).find("cpu")
        assert cpu is not None
        assert cpu.get("mode") == mode


def test_names_fit_the_kernel() -> None:
    made_names = [make("c10ddead", PORT.port) for make in (names.tap, names.bridge, names.veth)]
    assert all(len(name) <= 15 and "c10ddead" in name for name in made_names)
    assert len(set(made_names)) == 3
