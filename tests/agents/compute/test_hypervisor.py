"""What every hypervisor promises its agent: one suite over the real driver and the simulated one."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace

from agents.compute.hypervisor import Found, Guest, Hypervisor
from agents.compute.libvirt import LibvirtSettings
from agents.compute.simulated import Memory, SimulatedHypervisor
from agents.machine import libvirt_host
from events.compute.metadata import Metadata

pytestmark = pytest.mark.asyncio(loop_scope="module")

GUEST = Guest(
    id="7e7e7e7e-0000-4000-8000-000000000001",
    name="suite",
    hostname="suite",
    project="p1",
    wanted="on",
    generation=1,
    ram=128,
    disk=1,
    image="0a0a0a0a-0000-4000-8000-000000000002",
)
RUNNING, OFF = True, False


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["simulated", "libvirt"])
async def driver(
    request: pytest.FixtureRequest, cloud: str, state: Path, guest_image: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Hypervisor]:
    memory = Memory(tmp_path_factory.mktemp("memory") / "simulated.db")
    made: Hypervisor = SimulatedHypervisor("host-1", memory)
    if request.param == "libvirt":

        async def fetch(image: str, destination: Path) -> None:
            await asyncio.to_thread(shutil.copyfile, guest_image, destination)

        async def metadata(server: str) -> Metadata | None:
            return None

        made = libvirt_host(LibvirtSettings(cloud=cloud, state=state, shutdown_timeout=1.0), fetch, metadata)
    await made.open(lambda server: None)
    yield made
    await made.close()
    memory.close()


@pytest_asyncio.fixture(loop_scope="module")
async def guest(driver: Hypervisor) -> AsyncIterator[Guest]:
    """A guest that runs."""
    await driver.create(GUEST)
    yield GUEST
    await driver.remove(GUEST.id)
    assert await driver.guests() == {}


async def test_a_host_says_what_it_has(driver: Hypervisor) -> None:
    capacity = await driver.capacity()
    assert capacity.vcpus > 0
    assert capacity.ram > 0
    assert capacity.disk > 0


async def test_what_nobody_made_is_not_found_and_is_removed_in_peace(driver: Hypervisor) -> None:
    assert await driver.find(GUEST.id) is None
    await driver.remove(GUEST.id)
    assert await driver.guests() == {}
    assert await driver.console(GUEST.id, None) == ""


async def test_a_guest_is_made_once_and_runs(driver: Hypervisor, guest: Guest) -> None:
    found = Found(running=RUNNING, generation=1)
    assert await driver.find(guest.id) == found
    await driver.create(guest)
    assert await driver.guests() == {guest.id: found}
    await driver.refresh(guest)
    assert await driver.find(guest.id) == found
    assert isinstance(await driver.console(guest.id, 1), str)


async def test_it_is_stopped_and_started_and_the_second_time_changes_nothing(driver: Hypervisor, guest: Guest) -> None:
    off = replace(guest, wanted="off", generation=2)
    for _ in range(2):
        await driver.stop(off)
        assert await driver.find(guest.id) == Found(running=OFF, generation=2)
    on = replace(guest, generation=3)
    for _ in range(2):
        await driver.start(on)
        assert await driver.find(guest.id) == Found(running=RUNNING, generation=3)


async def test_a_hard_reboot_brings_it_to_the_next_generation(driver: Hypervisor, guest: Guest) -> None:
    await driver.reboot(replace(guest, generation=2, reboot="HARD"))
    assert await driver.find(guest.id) == Found(running=RUNNING, generation=2)


async def test_a_simulated_hosts_memory_outlives_its_agent(tmp_path: Path) -> None:
    first = Memory(tmp_path / "simulated.db")
    first.put("host-1", "s", Found(running=True, generation=4))
    first.put("host-2", "t", Found(running=False, generation=1))
    first.put("host-2", "t", None)
    first.close()
    again = Memory(tmp_path / "simulated.db")
    assert again.guests == {"host-1": {"s": Found(running=True, generation=4)}}
    again.close()
