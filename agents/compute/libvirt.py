"""The hypervisor of a real host: QEMU through libvirt.

    create -> running <-> off;   each of them -> removed

Everything a driver must remember lies with the host: the generation in the domain's metadata, disk and console log
in a folder per server, the network's own things in the kernel and under /run. Guests outlive agent and libvirtd.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol
from xml.etree import ElementTree

import libvirt
import msgspec
from msgspec import Struct

from agents import names
from agents.commands import HostError
from agents.compute import console, daemons, domain, virtualization
from agents.compute.connection import LIFECYCLE, REBOOT, Connection
from agents.compute.hypervisor import Capacity, DriverError, Found, Guest, Interface
from agents.compute.images import FetchImage, Images, overlay

PRESS_AGAIN = 5.0  # s; a guest that still boots does not hear the power button
LIVE_AND_KEPT = libvirt.VIR_DOMAIN_AFFECT_LIVE | libvirt.VIR_DOMAIN_AFFECT_CONFIG
WITH_ALL = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)


class LibvirtSettings(Struct, frozen=True, kw_only=True):
    """How a host's guests are run."""

    cloud: str  # 8 hexadecimal digits
    state: Path  # disks, console logs, base images; if only root can reach it, QEMU runs as root
    uri: str = "qemu:///system"
    virt_type: Literal["auto", "kvm", "qemu"] = "auto"  # auto: found out by booting
    shutdown_timeout: float = 60.0  # s, from the power button to the plug
    translation_cache: int = 64  # MiB per emulated guest


class HostNetwork(Protocol):
    """What a server's ports need on the host. Calls may be repeated; they raise HostError."""

    async def open(self) -> None: ...
    async def close(self) -> None: ...
    async def plug(self, server: str, hostname: str, interfaces: Sequence[Interface]) -> None: ...
    async def unplug(self, server: str) -> None: ...
    async def keep(self, servers: set[str]) -> None: ...


class LibvirtHypervisor:
    """A Hypervisor. See the protocol for what its calls promise."""

    def __init__(self, settings: LibvirtSettings, fetch_image: FetchImage, network: HostNetwork) -> None:
        self._settings = settings
        self._network = network
        self._images = Images(settings.state / "images", fetch_image)
        self._note = settings.state / "libvirt" / "daemons.json"
        self._machine: domain.Machine | None = None
        self._connection = Connection(
            settings.uri, lambda: daemons.ensure(self._note), self._happened, self._look_at_all
        )
        self._changed: Callable[[str], None] = lambda server: None
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._bells: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)  # rung by every event of a server
        self._rebooted: set[str] = set()  # servers whose guest has restarted by itself since it was asked to
        self._restarting: set[str] = set()  # off for a moment only: nobody is to think they have stopped
        self._seen: set[str] = set()

    async def open(self, changed: Callable[[str], None]) -> None:
        """Connect, finding or starting libvirt's daemons. Raises DriverError with the missing step."""
        self._changed = changed
        self._images.open()
        (self._settings.state / "servers").mkdir(parents=True, exist_ok=True)
        with _driver_errors():
            virt_type = self._settings.virt_type
            if virt_type == "auto":
                virt_type = (await virtualization.probe(self._settings.state / "libvirt" / "probe.json")).virt_type
            self._machine = domain.Machine(
                cloud=self._settings.cloud,
                virt_type=virt_type,
                translation_cache=self._settings.translation_cache,
                run_as=None if _open_to_all(self._settings.state) else "+0:+0",
            )
            await self._connection.open()
            await self._network.open()
            await self._network.keep(set(await self.guests()))

    async def close(self) -> None:
        """Disconnect; guests go on running, and so do their networks."""
        await self._network.close()
        await self._connection.close()

    async def capacity(self) -> Capacity:
        """What the host has; its disk is the file system of the state folder."""
        disk = shutil.disk_usage(self._settings.state).total // 1024**3

        def ask(connection: Any) -> Capacity:
            ram, vcpus = connection.getInfo()[1:3]
            return Capacity(
                vcpus=vcpus,
                ram=ram,
                disk=disk,
                hypervisor_version=connection.getVersion(),
                hypervisor_hostname=connection.getHostname(),
                cpu_info=_cpu_info(connection.getCapabilities()),
            )

        return await self._connection.call(ask)

    async def guests(self) -> dict[str, Found]:
        """This cloud's guests. A guest that is being restarted runs."""
        beginning = names.domains(self._settings.cloud)

        def ask(connection: Any) -> dict[str, Found]:
            found = {}
            for one in connection.listAllDomains():
                if one.name().startswith(beginning):
                    with _vanishing():
                        marked = domain.read_mark(_mark_of(one))
                        found[one.UUIDString()] = Found(running=bool(one.isActive()), generation=marked.generation)
            return found

        found = await self._connection.call(ask)
        return {
            server: msgspec.structs.replace(guest, running=True) if server in self._restarting else guest
            for server, guest in found.items()
        }

    async def create(self, guest: Guest) -> None:
        """Disk, network and domain, started. What a crash left half-made is made anew."""
        async with self._alone(guest.id):
            found = await self._find(guest.id)
            if found and found.generation:
                await self._start(guest)
                return
            await self._wipe(guest.id)
            base = await self._images.base(guest)
            await self._network.plug(guest.id, guest.hostname, guest.interfaces)
            folder = self._folder(guest.id)
            folder.mkdir()
            await overlay(base, guest.image_format, folder / "disk.qcow2", guest.disk)
            await self._run(guest, 0)

    async def start(self, guest: Guest) -> None:
        """Run it, as it is wanted now."""
        async with self._alone(guest.id):
            await self._start(guest)

    async def stop(self, guest: Guest) -> None:
        """Press the power button, after the timeout pull the plug; returns when it is off."""
        async with self._alone(guest.id):
            await self._press(guest.id)
            await self._mark(guest)

    async def reboot(self, guest: Guest) -> None:
        """By `guest.reboot`; a soft one that does not come about in time becomes a hard one."""
        async with self._alone(guest.id):
            await self._network.plug(guest.id, guest.hostname, guest.interfaces)
            if guest.reboot == "SOFT" and await self._ask_to_reboot(guest.id):
                await self._mark(guest)
                return
            self._restarting.add(guest.id)
            try:
                await self._destroy(guest.id)
                await self._start(guest)
            finally:
                self._restarting.discard(guest.id)
            self._changed(guest.id)

    async def refresh(self, guest: Guest) -> None:
        """Bring a running guest's DHCP answers and packet filter up to `guest.interfaces`."""
        async with self._alone(guest.id):
            await self._network.plug(guest.id, guest.hostname, guest.interfaces)

    async def remove(self, server: str) -> None:
        """Domain, disk, taps, addresses, console log; nothing of it stays on the host."""
        async with self._alone(server):
            await self._wipe(server)
            await self._network.unplug(server)
        self._locks.pop(server, None)
        self._bells.pop(server, None)

    async def console(self, server: str, lines: int | None) -> str:
        """The end of the serial console's log; all of it (at most 100 KiB) if `lines` is None."""
        return await asyncio.to_thread(console.tail, self._folder(server) / console.LOG, lines)

    def _folder(self, server: str) -> Path:
        return self._settings.state / "servers" / server

    @contextlib.asynccontextmanager
    async def _alone(self, server: str) -> AsyncIterator[None]:
        """One thing at a time is done to a server."""
        async with self._locks[server]:
            with _driver_errors():
                yield

    async def _find(self, server: str) -> domain.Mark | None:
        """The mark of a server's domain; None if there is none. Raises DriverError if it is another cloud's."""

        def ask(connection: Any) -> domain.Mark | None:
            one = _domain(connection, server)
            return None if one is None else domain.read_mark(_mark_of(one))

        found = await self._connection.call(ask)
        if found and found.cloud != self._settings.cloud:
            raise DriverError(f"Server {server} is another cloud's on this host.", permanent=True)
        return found

    async def _start(self, guest: Guest) -> None:
        found = await self._find(guest.id)
        if found is None:
            raise DriverError(f"Server {guest.id} is not on this host.")
        await self._network.plug(guest.id, guest.hostname, guest.interfaces)
        await self._run(guest, found.generation)

    async def _run(self, guest: Guest, generation: int) -> None:
        """Define, start and mark; a running one is only marked."""
        assert self._machine is not None, "open() comes first"
        folder = self._folder(guest.id)
        disk = domain.Disk(path=folder / "disk.qcow2", base=self._images.path(guest), base_format=guest.image_format)
        definition = domain.definition(guest, self._machine, disk, folder / console.LOG, generation)

        def do(connection: Any) -> None:
            one = _domain(connection, guest.id)
            if one is None or not one.isActive():
                one = connection.defineXML(definition)
                one.create()
            self._write_mark(one, guest.generation)

        await self._connection.call(do)

    async def _mark(self, guest: Guest) -> None:
        def do(connection: Any) -> None:
            if (one := _domain(connection, guest.id)) is not None:
                self._write_mark(one, guest.generation)

        await self._connection.call(do)

    def _write_mark(self, one: Any, generation: int) -> None:
        flags = LIVE_AND_KEPT if one.isActive() else libvirt.VIR_DOMAIN_AFFECT_CONFIG
        xml = domain.mark(self._settings.cloud, generation)
        one.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, xml, "cumulog", domain.NAMESPACE, flags)

    async def _press(self, server: str) -> None:
        """Press the power button until it is off; pull the plug after the timeout."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.shutdown_timeout

        def press(connection: Any) -> bool:
            one = _domain(connection, server)
            if one is None or not one.isActive():
                return False
            with _vanishing():
                one.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
            return True

        while loop.time() < deadline:
            self._bells[server].clear()
            if not await self._connection.call(press):
                return
            await self._ring(server, min(PRESS_AGAIN, deadline - loop.time()))
        await self._destroy(server)

    async def _ask_to_reboot(self, server: str) -> bool:
        """Whether the guest went down and up again by itself in time. QEMU lives on meanwhile."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.shutdown_timeout

        def press(connection: Any) -> bool:
            one = _domain(connection, server)
            if one is None or not one.isActive():
                return False
            one.reboot(libvirt.VIR_DOMAIN_REBOOT_ACPI_POWER_BTN)
            return True

        self._rebooted.discard(server)
        while loop.time() < deadline:
            self._bells[server].clear()
            if not await self._connection.call(press):
                return False
            await self._ring(server, min(PRESS_AGAIN, deadline - loop.time()))
            if server in self._rebooted:
                self._rebooted.discard(server)
                return True
        return False

    async def _ring(self, server: str, seconds: float) -> None:
        """Wait for an event of `server`, at most so long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._bells[server].wait(), max(seconds, 0.01))

    async def _destroy(self, server: str) -> None:
        def do(connection: Any) -> None:
            if (one := _domain(connection, server)) is not None and one.isActive():
                with _vanishing():
                    one.destroy()

        await self._connection.call(do)

    async def _wipe(self, server: str) -> None:
        """Domain and folder of `server`."""
        await self._find(server)  # not another cloud's
        await self._destroy(server)

        def undefine(connection: Any) -> None:
            if (one := _domain(connection, server)) is not None:
                one.undefineFlags(WITH_ALL)

        await self._connection.call(undefine)
        folder = self._folder(server)
        if folder.exists():
            await asyncio.to_thread(shutil.rmtree, folder)

    def _happened(self, name: str, event: str) -> None:
        """libvirt tells of a domain: ours or another cloud's."""
        cloud, server = names.domains(self._settings.cloud), name.removeprefix(names.domains(self._settings.cloud))
        if not name.startswith(cloud):
            return
        if event == REBOOT:
            self._rebooted.add(server)
        if server in self._bells:
            self._bells[server].set()
        if event == LIFECYCLE and server not in self._restarting:
            self._changed(server)

    def _look_at_all(self) -> None:
        """libvirtd is back: whatever happened meanwhile was not told."""
        for server in self._settings.state.joinpath("servers").iterdir():
            self._happened(names.domain(self._settings.cloud, server.name), LIFECYCLE)


@contextlib.contextmanager
def _driver_errors() -> Any:
    try:
        yield
    except HostError as error:
        raise DriverError(str(error)) from error


@contextlib.contextmanager
def _vanishing() -> Any:
    """A domain may be gone, or off, between two calls."""
    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_code() not in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID):
            raise


def _domain(connection: Any, server: str) -> Any:
    try:
        return connection.lookupByUUIDString(server)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise
    return None


def _mark_of(one: Any) -> str:
    try:
        return str(one.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, domain.NAMESPACE))
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN_METADATA:
            raise
    return domain.mark("", 0)  # nobody's we know


def _cpu_info(capabilities: str) -> str:
    """The host's processor as the API shows it, JSON."""
    cpu = ElementTree.fromstring(capabilities).find("host/cpu")
    if cpu is None:
        return ""
    topology = cpu.find("topology")
    info = {name: cpu.findtext(name) or "" for name in ("arch", "model", "vendor")}
    counts = (
        {name: int(topology.get(name, "1")) for name in ("sockets", "cores", "threads")} if topology is not None else {}
    )
    return msgspec.json.encode(info | {"topology": counts}).decode()


def _open_to_all(folder: Path) -> bool:
    """Whether any user of the host, and so an unprivileged QEMU, can reach what lies in `folder`."""
    return all(path.stat().st_mode & 0o001 for path in (folder, *folder.resolve().parents))
