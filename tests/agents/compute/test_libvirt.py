"""A real guest's life: one server, told in order; each test takes it up where the one before left it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_asyncio
from msgspec.structs import replace

from agents import names
from agents.commands import started_at
from agents.compute.hypervisor import Address, DriverError, Guest, Interface, Rule
from agents.compute.libvirt import LibvirtHypervisor, LibvirtSettings
from agents.destroy import belongings, destroy
from agents.machine import libvirt_host
from events.compute.metadata import Metadata

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVER = "5e5e5e5e-0000-4000-8000-000000000001"
Answer = TypeVar("Answer")

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJq1test somebody@somewhere"
USER_DATA = b"""#!/bin/sh
cat ~root/.ssh/authorized_keys
ask() { echo "asked: $(wget -qO- http://169.254.169.254/$1)"; }
ask latest/meta-data/instance-id
ask latest/meta-data/public-keys/0/openssh-key
ask openstack/2018-08-27/network_data.json
"""
GUEST = Guest(
    id=SERVER,
    name='web <1> & "two"',
    hostname="web",
    project="p1",
    wanted="on",
    generation=1,
    ram=128,
    disk=1,
    image="0a0a0a0a-0000-4000-8000-000000000001",
    interfaces=(
        Interface(
            port="9090e0e0-0000-4000-8000-000000000001",
            mac="fa:16:3e:5e:00:01",
            network="1e1e1e1e-0000-4000-8000-000000000001",
            mtu=1442,
            dhcp_ip="10.66.0.2",
            addresses=(Address(ip="10.66.0.7", prefix=24, subnet="s1", gateway="10.66.0.1", dns=("10.66.0.3",)),),
            rules=(Rule(direction="egress"),),
        ),
    ),
)


class Host:
    """A host of a cloud, its agent's driver and what that was told."""

    def __init__(self, cloud: str, state: Path, image: Path) -> None:
        self.settings = LibvirtSettings(cloud=cloud, state=state, shutdown_timeout=40)
        self.image = image
        self.changes: list[str] = []
        self.asked: list[str] = []
        self.driver = self.new_driver()

    def new_driver(self) -> LibvirtHypervisor:
        return libvirt_host(self.settings, self.fetch, self.metadata)

    async def fetch(self, image: str, destination: Path) -> None:
        await asyncio.to_thread(shutil.copyfile, self.image, destination)

    async def metadata(self, server: str) -> Metadata | None:
        self.asked.append(server)
        return Metadata(
            id=server, name="web", hostname="web.cloud", project="p1", keys={"mine": KEY}, user_data=USER_DATA
        )

    async def shows(self, text: str, times: int = 1, seconds: float = 60) -> str:
        """The console's log, once `text` stands there so often."""
        return await until(lambda: self.driver.console(SERVER, None), lambda log: log.count(text) >= times, seconds)

    def qemu(self) -> int:
        """The process of the guest."""
        return int(Path(f"/run/libvirt/qemu/{names.domain(self.settings.cloud, SERVER)}.pid").read_text())


async def until(ask: Callable[[], Awaitable[Answer]], true: Callable[[Answer], bool], seconds: float) -> Answer:
    """What `ask` answers, once `true` of it."""
    end = time.monotonic() + seconds
    while not true(answer := await ask()):
        assert time.monotonic() < end, f"after {seconds} s still: {answer}"
        await asyncio.sleep(0.1)
    return answer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host(cloud: str, state: Path, guest_image: Path) -> AsyncIterator[Host]:
    host = Host(cloud, state, guest_image)
    await host.driver.open(host.changes.append)
    yield host
    await host.driver.close()


async def test_a_guest_boots_and_gets_its_address_by_dhcp(host: Host) -> None:
    await host.driver.create(GUEST)
    found = await host.driver.guests()
    assert (found[SERVER].running, found[SERVER].generation) == (True, 1)
    log = await host.shows("boot finished")
    assert "ip=10.66.0.7 mask=24 router=10.66.0.1 dns=10.66.0.3 mtu=1442" in log
    assert SERVER in host.changes


async def test_its_key_and_user_data_arrived(host: Host) -> None:
    log = await host.driver.console(SERVER, None)
    assert f"datasource=openstack instance-id={SERVER} hostname=web.cloud keys=1" in log
    assert log.count(KEY) == 2  # as authorized, and by EC2's path
    assert "asked: i-00000001" in log
    assert '"ethernet_mac_address":"fa:16:3e:5e:00:01"' in log
    assert (await host.driver.console(SERVER, 1)).count("\n") <= 1


async def test_creating_it_again_changes_nothing(host: Host) -> None:
    pid = host.qemu()
    await host.driver.create(GUEST)
    assert host.qemu() == pid


async def test_its_qemu_is_no_root_and_its_base_is_as_it_was(host: Host) -> None:
    assert Path(f"/proc/{host.qemu()}").stat().st_uid != 0
    (base,) = (host.settings.state / "images").iterdir()
    assert base.read_bytes() == host.image.read_bytes()


async def test_another_cloud_neither_sees_nor_touches_it(host: Host, tmp_path: Path) -> None:
    other = Host("00000000", tmp_path, host.image)
    await other.driver.open(other.changes.append)
    try:
        assert await other.driver.guests() == {}
        with pytest.raises(DriverError, match="another cloud's") as refused:
            await other.driver.remove(SERVER)
        assert refused.value.permanent
    finally:
        await other.driver.close()
        await destroy("00000000", tmp_path)


async def test_it_outlives_its_agent_and_reboots_softly_under_the_next(host: Host) -> None:
    await host.driver.close()
    host.driver = host.new_driver()
    await host.driver.open(host.changes.append)
    host.changes.clear()
    host.asked.clear()
    pid = host.qemu()
    await host.driver.reboot(replace(GUEST, generation=2, reboot="SOFT"))
    assert (await host.driver.guests())[SERVER].generation == 2
    await host.shows("boot finished", times=2)
    assert host.asked  # the new agent answers for metadata
    assert host.qemu() == pid
    assert host.changes == []  # it was never off


async def test_libvirtd_is_killed_and_the_guest_lives_on(host: Host) -> None:
    pid, daemon = host.qemu(), int(Path("/run/libvirtd.pid").read_text())
    os.kill(daemon, signal.SIGKILL)
    await until(lambda: asyncio.to_thread(started_at, daemon), lambda started: started is None, 5)

    async def seen() -> bool:
        try:
            return (await host.driver.guests())[SERVER].running
        except DriverError:
            return False

    await until(seen, bool, 30)
    assert host.qemu() == pid


async def test_it_is_stopped_by_its_power_button(host: Host) -> None:
    await host.driver.stop(replace(GUEST, wanted="off", generation=3))
    found = (await host.driver.guests())[SERVER]
    assert (found.running, found.generation) == (False, 3)
    assert "power button" in await host.driver.console(SERVER, None) or "going down" in await host.driver.console(
        SERVER, None
    )


async def test_it_starts_again_and_a_killed_qemu_is_noticed(host: Host) -> None:
    await host.driver.start(replace(GUEST, generation=4))
    assert (await host.driver.guests())[SERVER].running
    host.changes.clear()
    os.kill(host.qemu(), signal.SIGKILL)

    async def changes() -> list[str]:
        return host.changes

    assert await until(changes, bool, 5) == [SERVER]
    found = (await host.driver.guests())[SERVER]
    assert (found.running, found.generation) == (False, 4)


async def test_a_hard_reboot_starts_it_anew(host: Host) -> None:
    await host.driver.start(replace(GUEST, generation=5))
    pid = host.qemu()
    await host.driver.reboot(replace(GUEST, generation=6, reboot="HARD"))
    assert (await host.driver.guests())[SERVER].generation == 6
    assert host.qemu() != pid


async def test_nothing_of_it_stays_after_its_removal(host: Host) -> None:
    await host.driver.remove(SERVER)
    await host.driver.remove(SERVER)
    left = await belongings(host.settings.cloud, host.settings.state)
    assert (left.domains, left.devices, left.namespaces, left.processes, left.tables) == ([], [], [], [], [])
    assert list((host.settings.state / "servers").iterdir()) == []


async def test_destroy_finds_and_removes_everything_after_a_crash(host: Host) -> None:
    await host.driver.create(GUEST)
    await host.driver.close()  # and nobody comes back
    found = await belongings(host.settings.cloud, host.settings.state)
    assert len(found.domains) == len(found.namespaces) == len(found.processes) == 1
    assert len(found.devices) == 3
    assert len(found.tables) == 2
    await destroy(host.settings.cloud, host.settings.state)
    assert not await belongings(host.settings.cloud, host.settings.state)
