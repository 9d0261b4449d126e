"""The connection to libvirt's daemon: made again whenever it breaks.

away -> connected -> away (libvirtd ended) -> connected ...

libvirt's own event loop runs in a thread, and what it tells is handed to ours. libvirtaio would put it on ours, but
every blocking call, made in a thread as it must be, then touches our loop from there: undone by uvloop's checks, and
unsafe without them.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import libvirt

from agents.commands import HostError
from agents.compute.hypervisor import DriverError

Answer = TypeVar("Answer")

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # s, between attempts to connect
POWER, REBOOT = "power", "reboot"  # what happened: it was switched on or off; the guest restarted
POWER_EVENTS = (libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_CRASHED)


class Connection:
    """Blocking calls run in threads; `happened(domain's name, POWER or REBOOT)` is called on the loop."""

    def __init__(
        self,
        uri: str,
        ensure: Callable[[], Awaitable[None]],
        happened: Callable[[str, str], None],
        returned: Callable[[], None],
    ) -> None:
        self._uri = uri
        self._ensure = ensure  # finds or starts the daemons
        self._happened = happened
        self._returned = returned  # called after each connection but the first: events may have been missed
        self._libvirt: Any = None
        self._dead: Any = None
        self._lost = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, and stay so. Raises DriverError."""
        _run_events()
        await self._connect()
        self._keeper = asyncio.create_task(self._keep(), name="libvirt")

    async def close(self) -> None:
        """Disconnect."""
        if self._keeper:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        connection, self._libvirt = self._libvirt, None
        if connection is not None:
            await asyncio.to_thread(_close, connection)

    async def call(self, function: Callable[[Any], Answer]) -> Answer:
        """What `function` of the connection answers. Raises DriverError, also while libvirtd is away."""
        if self._libvirt is None:
            raise DriverError("libvirtd is away.")
        call = asyncio.ensure_future(asyncio.to_thread(function, self._libvirt))
        try:
            return await asyncio.shield(call)
        except asyncio.CancelledError:
            await asyncio.wait([call])  # a call once made cannot be taken back: nobody is to act in between
            raise
        except libvirt.libvirtError as error:
            raise DriverError(f"libvirt: {error}") from error

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await self._ensure()
            connection = await asyncio.to_thread(libvirt.open, self._uri)
        except HostError as error:
            raise DriverError(str(error)) from error
        except libvirt.libvirtError as error:
            raise DriverError(f"libvirt: {error}") from error

        def tell(function: Callable[..., None], *arguments: object) -> None:
            with contextlib.suppress(RuntimeError):  # our loop has ended
                loop.call_soon_threadsafe(function, *arguments)

        def lifecycle(_: Any, domain: Any, event: int, detail: int, __: Any) -> None:
            if event in POWER_EVENTS:
                tell(self._happened, domain.name(), POWER)

        def reboot(_: Any, domain: Any, __: Any) -> None:
            tell(self._happened, domain.name(), REBOOT)

        def lost(_: Any, reason: int, __: Any) -> None:
            tell(self._forget, connection)

        def register() -> None:
            connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lifecycle, None)
            connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, reboot, None)
            connection.registerCloseCallback(lost, None)
            connection.setKeepAlive(5, 3)

        try:
            await asyncio.to_thread(register)
        except libvirt.libvirtError as error:
            raise DriverError(f"libvirt: {error}") from error
        self._libvirt = connection
        self._lost.clear()

    def _forget(self, connection: Any) -> None:
        if self._libvirt is connection:
            self._libvirt, self._dead = None, connection
            self._lost.set()

    async def _keep(self) -> None:
        while True:
            await self._lost.wait()
            await asyncio.to_thread(_close, self._dead)
            pause = FIRST_PAUSE
            while self._libvirt is None:
                try:
                    await self._connect()
                except DriverError:
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
            self._returned()


@functools.cache
def _run_events() -> None:
    """Run libvirt's event loop, once in the life of the process."""
    libvirt.registerErrorHandler(lambda context, error: None, None)  # else it prints what it also raises
    libvirt.virEventRegisterDefaultImpl()

    def run() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=run, name="libvirt events", daemon=True).start()


def _close(connection: Any) -> None:
    with contextlib.suppress(libvirt.libvirtError):
        connection.unregisterCloseCallback()
        connection.close()
