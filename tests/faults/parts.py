"""Processes that can be started, killed, stopped and continued, and that are noticed when they end by themselves."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from events import process

CUMULOG = str(Path(sys.executable).parent / "cumulog")
PATIENCE = 90.0  # seconds until a part that is started must be ready
AGAIN = 1.0  # seconds after which a part that could not start is started again, as a keeper of services does
_TROUBLE = re.compile(  # a line of the log, or a traceback to its end
    r"^.*\b(?:CRITICAL|ERROR)\b.*$|^ *[+|]? *(?:Exception Group )?Traceback .*\n(?:[ |].*\n)*.*$", re.MULTILINE
)


class Part(Protocol):
    """What a fault can befall."""

    name: str

    async def start(self) -> None:
        """Return once it is ready; nothing if it runs."""

    async def kill(self) -> None:
        """End it without a word, as power cuts and the kernel's memory keeper do."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...


class Process:
    """A process of the cloud."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        within: Sequence[str] = (),  # the command that runs it elsewhere, such as in a network namespace
    ) -> None:
        self.name = name
        self.log = log
        self.url = ""
        self.starts = 0
        self.troubles: list[str] = []  # how it ended by itself
        self._command = [*within, *map(str, command)]
        self._environment = {**os.environ, **(environment or {})}
        self._child: asyncio.subprocess.Process | None = None
        self._asked: set[asyncio.subprocess.Process] = set()  # to end
        self._starting = asyncio.Lock()
        self._watcher: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        return self._child is not None and self._child.returncode is None

    async def start(self) -> None:
        async with self._starting, asyncio.timeout(PATIENCE):
            while not self.is_running and not await self._attempt():
                await asyncio.sleep(AGAIN)

    async def _attempt(self) -> bool:
        """Whether it became ready."""
        self.starts += 1
        with self.log.open("ab") as log:
            self._child = child = await asyncio.create_subprocess_exec(
                *self._command, stdout=asyncio.subprocess.PIPE, stderr=log, env=self._environment
            )
        try:
            found = await self._readiness(child)
        except asyncio.CancelledError:
            await self.kill()
            raise
        if found:
            self.url = found
            self._watcher = asyncio.create_task(self._watch(child), name=f"watch over {self.name}")
        return bool(found)

    async def _readiness(self, child: asyncio.subprocess.Process) -> str:
        """What it says when it is ready; empty if it ends before."""
        assert child.stdout is not None
        while line := (await child.stdout.readline()).decode():
            if line.startswith("ready"):
                return line.removeprefix("ready").strip() or "-"
        await child.wait()
        return ""

    async def _watch(self, child: asyncio.subprocess.Process) -> None:
        assert child.stdout is not None
        while await child.stdout.readline():
            pass
        status = await child.wait()
        if child not in self._asked:
            self.troubles.append(f"{self.name} ended by itself with status {status}")

    async def kill(self) -> None:
        if self._child is not None:
            self._asked.add(self._child)
            if self._child.returncode is None:
                self._child.kill()
            await self._child.wait()

    async def stop(self) -> None:
        """Cleanly; it must end well."""
        if self._child is None or self._child.returncode is not None:
            return
        self._asked.add(self._child)
        self._child.terminate()
        try:
            async with asyncio.timeout(60):
                status = await self._child.wait()
        except TimeoutError:
            self.troubles.append(f"{self.name} did not stop when it was asked to")
            await self.kill()
        else:
            if status:
                self.troubles.append(f"{self.name} stopped with status {status}")

    def pause(self) -> None:
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        if self._child is not None and self._child.returncode is None:
            with suppress(ProcessLookupError):
                self._child.send_signal(number)

    def complaints(self) -> list[str]:
        """The lines of its log that speak of trouble."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return [found[0] for found in _TROUBLE.finditer(text)]


class Child:
    """A process that another one starts, and starts again: it is known by the file that names it."""

    def __init__(self, name: str, file: Path) -> None:
        self.name = name
        self._file = file
        self._paused: process.Identity | None = None

    def _who(self) -> process.Identity | None:
        who = process.remembered(self._file)
        return who if who is not None and process.lives(who) else None

    async def start(self) -> None:
        """Its parent does."""

    async def kill(self) -> None:
        _signal(self._who(), signal.SIGKILL)

    def pause(self) -> None:
        self._paused = self._who()
        _signal(self._paused, signal.SIGSTOP)

    def resume(self) -> None:
        _signal(self._paused, signal.SIGCONT)
        self._paused = None


def _signal(who: process.Identity | None, number: signal.Signals) -> None:
    if who is not None and process.lives(who):
        os.kill(who.pid, number)


async def command(*words: str | Path, timeout: float = 120.0) -> tuple[int, str]:
    """A command's status and all that it says."""
    child = await asyncio.create_subprocess_exec(
        *map(str, words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(timeout):
            output, _ = await child.communicate()
    except TimeoutError:
        child.kill()
        await child.wait()
        return -1, f"{words[0]} did not end within {timeout} s"
    assert child.returncode is not None
    return child.returncode, output.decode(errors="replace")


class Lived(ABC):
    """A cloud of real processes, entered when it is ready and left when it is dead."""

    @abstractmethod
    async def enter(self) -> None: ...

    @abstractmethod
    async def leave(self) -> None: ...

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:  # what was started is ended if the rest cannot be
            stack.push_async_callback(self.leave)
            await self.enter()
            stack.pop_all()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, fault: object, trace: TracebackType | None) -> None:
        await self.leave()
