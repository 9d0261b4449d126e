"""A process of the cloud as another one's child: started, watched, started again when it dies, gone with its parent."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from events import process
from gateway.composition.alone import PID
from gateway.composition.parts import CannotStart

START = 120.0  # seconds until it must be ready, unless it waits for NATS as long as that is away
STOP = 30.0  # seconds that it may take to end
STEADY = 60.0  # seconds alive after which a death begins a new row of attempts
PAUSES = (0.0, 0.2, 1.0, 5.0)  # seconds before each of them; the last one repeats
READY = "ready "

log = logging.getLogger("cumulog.children")


class Child:
    """One of them, by the name of its folder."""

    def __init__(self, folder: Path, arguments: Sequence[str], files: Sequence[int] = ()) -> None:
        self.name = folder.name
        self.said = ""  # what it said when it was ready
        self._pid_file = folder / PID
        self._arguments = list(arguments)
        self._files = tuple(files)  # that it inherits
        self._process: Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    async def end_leftover(self) -> None:
        """End the one that a parent which was killed has left behind, if it is surely that."""
        left = process.remembered(self._pid_file)
        if left is not None and self.name in process.arguments(left):
            log.warning("%s of a former run is still there (pid %s): stopping it", self.name, left.pid)
            await process.end(left)

    async def start(self) -> None:
        """Return once it is ready. Raises CannotStart."""
        await self._launch()
        await self._until_ready()
        self._watcher = asyncio.create_task(self._watch(), name=f"watch over {self.name}")

    async def stop(self) -> None:
        """Let it finish what it has taken on."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None
        child = self._process
        if child is None:
            return
        with suppress(ProcessLookupError):
            child.terminate()
        try:
            async with asyncio.timeout(STOP):
                await child.wait()
        except TimeoutError:
            log.error("%s does not stop: killing it", self.name)
            child.kill()
        await child.wait()
        await self._read_to_the_end()
        self._process = None

    async def restart(self) -> None:
        """Stop it and start it again; it is ready then. Raises CannotStart; it is tried on, all the same."""
        await self.stop()
        await self._launch()
        self._watcher = asyncio.create_task(self._watch(), name=f"watch over {self.name}")
        await self._until_ready()

    async def _launch(self) -> None:
        guard = shutil.which("setpriv")
        if guard is None:
            log.warning("there is no setpriv: %s will outlive a killed parent until the next start", self.name)
        bound = (guard, "--pdeathsig", "TERM", "--") if guard else ()
        self._ready.clear()
        self._process = await asyncio.create_subprocess_exec(
            *(*bound, sys.executable, "-m", "gateway", *self._arguments),
            stdin=DEVNULL,
            stdout=PIPE,
            pass_fds=self._files,
            start_new_session=True,  # Ctrl-C is for the parent, which stops it
        )
        self._reader = asyncio.create_task(self._read(self._process), name=f"words of {self.name}")

    async def _read(self, child: Process) -> None:
        assert child.stdout is not None
        async for line in child.stdout:
            text = line.decode(errors="replace").rstrip()
            if text.startswith(READY):
                self.said = text.removeprefix(READY)
                self._ready.set()
            else:
                print(f"{self.name}: {text}", flush=True)

    async def _read_to_the_end(self) -> None:
        if self._reader is not None:
            await self._reader
            self._reader = None

    async def _until_ready(self) -> None:
        child = self._process
        assert child is not None
        ready, ended = asyncio.ensure_future(self._ready.wait()), asyncio.ensure_future(child.wait())
        try:
            await asyncio.wait((ready, ended), timeout=START, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise CannotStart(f"{self.name} {'ended' if ended.done() else 'is not ready'}; what it said is above")
        finally:
            ready.cancel()
            ended.cancel()
            await asyncio.gather(ready, ended, return_exceptions=True)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        attempt = 0
        while True:
            child, since = self._process, loop.time()
            assert child is not None
            status = await child.wait()
            await self._read_to_the_end()
            attempt = 0 if loop.time() - since > STEADY else attempt
            log.critical("%s died with status %s; starting it again", self.name, status)
            await asyncio.sleep(PAUSES[min(attempt, len(PAUSES) - 1)])
            attempt += 1
            await self._launch()
