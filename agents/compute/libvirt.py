"""The hypervisor of a real host: QEMU through libvirt.

    create -> running <-> off;   each of them -> removed

Everything a driver must remember lies with the host: the generation in the domain's metadata, disk and console log
in a folder per server, the network's own things in the kernel and under /run. Guests outlive agent and libvirtd.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol
from weakref import WeakValueDictionary

from msgspec import Struct
from msgspec.structs import replace

from agents import names
from agents.commands import HostError
from agents.compute import console, daemons, domain, domains, virtualization
from agents.compute.connection import POWER, REBOOT, Connection
from agents.compute.hypervisor import Capacity, DriverError, Found, Guest, Interface
from agents.compute.images import FetchImage, Images, make_passable, overlay
from agents.compute.leftovers import note

PRESS_AGAIN = 5.0  # s; a guest that still boots does not hear the power button
ROOT = "+0:+0"


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
        self._machine: domain.Machine | None = None
        self._connection = Connection(settings.uri, self._ensure_daemons, self._happened, self._look_at_all)
        self._changed: Callable[[str], None] = lambda server: None
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._looking = asyncio.Lock()
        self._next: asyncio.Task[dict[str, Found]] | None = None  # the next look that is shared
        self._bells: dict[str, asyncio.Event] = {}  # of servers somebody waits for; rung when something happened
        self._rebooted: set[str] = set()  # servers whose guest has restarted by itself since it was asked to
        self._restarting: set[str] = set()  # off for a moment only: nobody is to think they have stopped

    async def open(self, changed: Callable[[str], None]) -> None:
        """Connect, finding or starting libvirt's daemons. Raises DriverError with the missing step."""
        self._changed = changed
        self._images.open()
        make_passable(self._settings.state / "servers")
        with _driver_errors():
            virt_type = self._settings.virt_type
            if virt_type == "auto":
                virt_type = (await virtualization.probe(self._settings.state / "libvirt" / "probe.json")).virt_type
            self._machine = domain.Machine(
                cloud=self._settings.cloud,
                virt_type=virt_type,
                translation_cache=self._settings.translation_cache,
                run_as=None if _open_to_all(self._settings.state) else ROOT,
            )
            await self._connection.open()
            await self._try_once(self._machine)
            await self._network.open()
            await self._network.keep(set(await self.guests()))

    async def close(self) -> None:
        """Disconnect; guests go on running, and so do their networks."""
        await self._network.close()
        await self._connection.close()

    async def capacity(self) -> Capacity:
        """What the host has; its disk is the file system of the state folder."""
        disk = shutil.disk_usage(self._settings.state).total // 1024**3
        return await self._connection.call(lambda connection: domains.capacity(connection, disk))

    async def guests(self) -> dict[str, Found]:
        """This cloud's guests. A guest that is being restarted runs."""
        found = await self._connection.call(lambda connection: domains.found(connection, self._settings.cloud))
        for server in self._restarting & found.keys():
            found[server] = replace(found[server], running=True)
        return found

    async def find(self, server: str) -> Found | None:
        """One of them. All who ask at a moment share a look, none joins one that has begun."""
        if self._next is None:
            self._next = asyncio.create_task(self._share(), name="a look at all guests")
        return (await asyncio.shield(self._next)).get(server)

    async def _share(self) -> dict[str, Found]:
        async with self._looking:
            self._next = None
            return await self.guests()

    async def create(self, guest: Guest) -> None:
        """Disk, network and domain, started. What a crash left half-made is made anew."""
        async with self._alone(guest.id):
            found = await self._mark(guest.id)
            if found and found.generation:
                await self._start(guest)
                return
            await self._wipe(guest.id)
            base = await self._images.base(guest)
            folder = self._folder(guest.id)
            make_passable(folder)
            await overlay(base, guest.image_format, folder / "disk.qcow2", guest.disk)
            await self._run(guest, 0)

    async def start(self, guest: Guest) -> None:
        """Run it, as it is wanted now."""
        async with self._alone(guest.id):
            await self._start(guest)

    async def stop(self, guest: Guest) -> None:
        """Press the power button, after the timeout pull the plug; returns when it is off."""
        async with self._alone(guest.id):
            if not await self._press(guest.id, again=False):
                await self._connection.call(functools.partial(domains.unplug, server=guest.id))
            await self._keep_generation(guest)

    async def end_all(self) -> None:
        """Stop every guest of the cloud, as its user would; what was wanted of it stays as it is."""

        async def end(server: str) -> None:
            async with self._alone(server):
                if not await self._press(server, again=False):
                    await self._connection.call(functools.partial(domains.unplug, server=server))

        await asyncio.gather(*(end(server) for server, found in (await self.guests()).items() if found.running))

    async def reboot(self, guest: Guest) -> None:
        """By `guest.reboot`; a soft one that does not come about in time becomes a hard one."""
        async with self._alone(guest.id):
            await self._network.plug(guest.id, guest.hostname, guest.interfaces)
            if guest.reboot == "SOFT" and await self._press(guest.id, again=True):
                await self._keep_generation(guest)
                return
            self._restarting.add(guest.id)
            try:
                await self._connection.call(functools.partial(domains.unplug, server=guest.id))
                await self._start(guest)
            finally:
                self._restarting.discard(guest.id)
            self._changed(guest.id)

    async def refresh(self, guest: Guest) -> None:
        """Bring DHCP's answers and the packet filter of a guest up to `guest.interfaces`, whether it runs or not."""
        async with self._alone(guest.id):
            await self._network.plug(guest.id, guest.hostname, guest.interfaces)

    async def remove(self, server: str) -> None:
        """Domain, disk, taps, addresses, console log; nothing of it stays on the host."""
        async with self._alone(server):
            await self._wipe(server)
            await self._network.unplug(server)

    async def console(self, server: str, lines: int | None) -> str:
        """The end of the serial console's log; all of it (at most 100 KiB) if `lines` is None."""
        return await asyncio.to_thread(console.tail, self._folder(server) / console.LOG, lines)

    async def _ensure_daemons(self) -> None:
        await daemons.ensure(note(self._settings.state))

    async def _try_once(self, machine: domain.Machine) -> None:
        """Find out once for each boot of the host whether domains start at all. Raises DriverError."""
        tried = self._settings.state / "libvirt" / "tried"
        now = f"{virtualization.boot()} {machine.virt_type} {machine.run_as}"
        if not tried.exists() or tried.read_text() != now:
            xml = domain.trial(machine)
            await self._connection.call(functools.partial(domains.start_and_drop, definition=xml))
            tried.parent.mkdir(exist_ok=True)
            tried.write_text(now)

    def _folder(self, server: str) -> Path:
        return self._settings.state / "servers" / server

    @contextlib.asynccontextmanager
    async def _alone(self, server: str) -> AsyncIterator[None]:
        """One thing at a time is done to a server."""
        async with self._locks.setdefault(server, asyncio.Lock()):
            with _driver_errors():
                yield

    async def _mark(self, server: str) -> domain.Mark | None:
        """The mark of a server's domain; None if there is none. Raises DriverError if it is another cloud's."""
        found = await self._connection.call(functools.partial(domains.mark, server=server))
        if found and found.cloud != self._settings.cloud:
            raise DriverError(f"Server {server} is another cloud's on this host.", permanent=True)
        return found

    async def _start(self, guest: Guest) -> None:
        found = await self._mark(guest.id)
        if found is None:
            raise DriverError(f"Server {guest.id} is not on this host.")
        await self._images.base(guest)  # it may have been fetched again, never changed
        await self._run(guest, found.generation)

    async def _run(self, guest: Guest, generation: int) -> None:
        """Plug in, define and start; then, and not before, the wish is fulfilled."""
        assert self._machine is not None, "open() comes first"
        await self._ensure_daemons()  # without virtlogd there is no console log, and libvirt starts nothing
        await self._network.plug(guest.id, guest.hostname, guest.interfaces)
        folder = self._folder(guest.id)
        disk = domain.Disk(path=folder / "disk.qcow2", base=self._images.path(guest), base_format=guest.image_format)
        definition = domain.definition(guest, self._machine, disk, folder / console.LOG, generation)
        await self._connection.call(functools.partial(domains.run, server=guest.id, definition=definition))
        await self._keep_generation(guest)

    async def _keep_generation(self, guest: Guest) -> None:
        cloud, generation = self._settings.cloud, guest.generation
        await self._connection.call(lambda connection: domains.set_generation(connection, guest.id, cloud, generation))

    async def _press(self, server: str, *, again: bool) -> bool:
        """Press the power button until the guest is off, or has come up again; whether it did in time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.shutdown_timeout
        bell = self._bells[server] = asyncio.Event()
        self._rebooted.discard(server)
        try:
            while (left := deadline - loop.time()) > 0:
                bell.clear()
                if not await self._connection.call(functools.partial(domains.press, server=server, again=again)):
                    return not again
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(PRESS_AGAIN, left)):
                        await bell.wait()
                if again and server in self._rebooted:
                    return True
            return False
        finally:
            self._bells.pop(server)
            self._rebooted.discard(server)

    async def _wipe(self, server: str) -> None:
        """Domain and folder of `server`."""
        await self._mark(server)  # not another cloud's
        await self._connection.call(functools.partial(domains.unplug, server=server))
        await self._connection.call(functools.partial(domains.undefine, server=server))
        if self._folder(server).exists():
            await asyncio.to_thread(shutil.rmtree, self._folder(server))

    def _happened(self, name: str, what: str) -> None:
        """libvirt tells of a domain: ours or another cloud's."""
        beginning = names.domains(self._settings.cloud)
        if not name.startswith(beginning):
            return
        server = name.removeprefix(beginning)
        if bell := self._bells.get(server):
            bell.set()
            if what == REBOOT:
                self._rebooted.add(server)
        if what == POWER and server not in self._restarting:
            self._changed(server)

    def _look_at_all(self) -> None:
        """libvirtd is back: whatever happened meanwhile was not told."""
        for folder in (self._settings.state / "servers").glob("*"):
            self._happened(names.domain(self._settings.cloud, folder.name), POWER)


@contextlib.contextmanager
def _driver_errors() -> Iterator[None]:
    try:
        yield
    except HostError as error:
        raise DriverError(str(error)) from error


def _open_to_all(folder: Path) -> bool:
    """Whether any user of the host, and so an unprivileged QEMU, can reach what lies in `folder`."""
    return all(path.stat().st_mode & 0o001 for path in (folder, *folder.resolve().parents))
