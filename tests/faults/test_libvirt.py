"""libvirtd, a guest's QEMU and the cloud itself are killed while real guests are made, stopped and deleted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest_asyncio

from agents import names as host_names
from agents.commands import running
from agents.destroy import belongings, destroy
from gateway.composition.hosts import HOST
from tests.agents.conftest import guest_image, real_host
from tests.faults.checks import kept, log_agrees
from tests.faults.people import COLLECTIONS, Person
from tests.faults.promises import Promises
from tests.faults.together import Together

DAEMON = Path("/run/libvirtd.pid")


@pytest_asyncio.fixture
async def cloud(real_host: None) -> AsyncIterator[Together]:
    """A cloud on this machine's own hypervisor, of which nothing is left in the end."""
    state = Path(tempfile.mkdtemp(prefix="cumulog-test-", dir="/var/tmp"))
    state.chmod(0o755)
    settings = ("--set", "compute.shutdown=2", "--set", "compute.host_down=10", "--driver", "libvirt")
    running = Together(state, *settings)
    try:
        async with running:
            yield running
    finally:
        id = (state / "cloud").read_text().strip()
        await destroy(id, state / HOST)
        shutil.rmtree(state)
        running.main.log.unlink()


async def a_person(cloud: Together, image: Path) -> Person:
    person = Person(cloud, Promises(), Random(0))
    flavor = {"name": "nano", "ram": 128, "vcpus": 1, "disk": 1}
    person.flavor = await person.make(COLLECTIONS["flavor"], "flavor", flavor)
    guest = {"name": "guest", "disk_format": "qcow2", "container_format": "bare"}
    person.image = await person.make(COLLECTIONS["image"], "", guest)
    assert await person.upload(image.read_bytes())
    person.network = await person.make(COLLECTIONS["network"], "network", {"name": "net"})
    subnet = {"network_id": person.network.rpartition("/")[2], "ip_version": 4, "cidr": "10.9.0.0/24"}
    assert await person.make(COLLECTIONS["subnet"], "subnet", subnet)
    return person


async def create(person: Person, name: str) -> str:
    url = await person.make(COLLECTIONS["server"], "server", person.server(name))
    assert url, person.promises.answers
    return url


async def becomes(person: Person, url: str, *statuses: str, seconds: float = 60) -> dict[str, Any]:
    """The server, once it rests in one of the statuses; an empty one once it is gone."""
    end = time.monotonic() + seconds
    while True:
        answer = await person.call("GET", url)
        if answer is not None and answer.status_code == 404 and "GONE" in statuses:
            return {}
        server: dict[str, Any] = answer.json().get("server", {}) if answer is not None else {}
        if server.get("status") in statuses and not server["OS-EXT-STS:task_state"]:
            return server
        assert time.monotonic() < end, f"{url} does not become {statuses}: {answer and answer.text}"
        await asyncio.sleep(0.1)


def qemu_of(cloud: str, url: str) -> int | None:
    """The process that runs a server's guest."""
    domain = host_names.domain(cloud, url.rpartition("/")[2])
    return running(Path(f"/run/libvirt/qemu/{domain}.pid"), domain)


def kill(pid: int | None) -> None:
    assert pid is not None, "there is nobody to be killed"
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def kill_libvirtd() -> None:
    kill(running(DAEMON, "libvirtd"))


async def again(cloud: Together) -> None:
    """The cloud dies, and is started again."""
    await cloud.kill()
    await cloud.start()


async def test_whatever_dies_while_guests_come_and_go(cloud: Together, guest_image: Path) -> None:
    person = await a_person(cloud, guest_image)
    id = (cloud.state / "cloud").read_text().strip()

    # libvirtd dies while one guest is made, the cloud while another is.
    first = await create(person, "first")
    await asyncio.sleep(0.5)
    kill_libvirtd()
    second = await create(person, "second")
    await asyncio.sleep(0.3)
    await again(cloud)
    await becomes(person, first, "ACTIVE")
    await becomes(person, second, "ACTIVE")

    # A guest's QEMU dies: that is seen, and the server starts again when somebody asks for it.
    kill(qemu_of(id, first))
    await becomes(person, first, "SHUTOFF")
    await person.call("POST", f"{first}/action", {"os-start": None})
    await becomes(person, first, "ACTIVE")

    # The cloud dies while a guest is stopped, a QEMU while it is deleted.
    await person.call("POST", f"{first}/action", {"os-stop": None})
    await asyncio.sleep(0.2)
    await again(cloud)
    await becomes(person, first, "SHUTOFF")
    machine = qemu_of(id, second)
    await person.delete(second)
    kill(machine)
    kill_libvirtd()
    await becomes(person, second, "GONE")

    # The cloud dies while a guest is deleted, and while one that is just being made is.
    third = await create(person, "third")
    await asyncio.sleep(0.4)
    await person.delete(third)
    await person.delete(first)
    await again(cloud)
    await becomes(person, first, "GONE")
    await becomes(person, third, "GONE")

    await kept(person)
    await person.close()
    await cloud.stop()
    await log_agrees(cloud)
    assert not cloud.main.troubles
    left = await belongings(id, cloud.state / HOST)
    assert not left.domains, left
    assert not list((cloud.state / HOST / "servers").glob("*")), left
    assert not [device for device in left.devices if device.startswith("t")], left


__all__ = ["guest_image", "real_host"]
