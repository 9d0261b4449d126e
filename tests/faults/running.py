"""A cloud as people run it: `cumulog up` in its own process, that can be killed at any moment, and started again."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path
from types import TracebackType

from events import process
from gateway.clouds import Clouds
from gateway.directory import Directory

CUMULOG = Path(sys.executable).parent / "cumulog"
PATIENCE = 60.0  # seconds until a cloud that is started must be ready


class Running:
    """One cloud in one directory."""

    def __init__(self, state: Path, *options: str) -> None:
        self.state = state
        self.url = ""
        self.starts = 0
        self._options = ("--listen", "127.0.0.1:0", "--set", "identity.bcrypt_cost=4", *options)
        self.log = state.with_name(state.name + ".log")
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Running:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, fault: object, trace: TracebackType | None) -> None:
        if kind is not None:
            print("\n".join(self.log.read_text(errors="replace").splitlines()[-60:]))
        await self.kill()

    async def start(self) -> None:
        """Return once it is ready."""
        self.starts += 1
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *map(str, (CUMULOG, "up", "--state", self.state, *self._options)),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while not (line := (await self._process.stdout.readline()).decode()).startswith("ready "):
                assert line, f"cumulog up ended: {self.log.read_text(errors='replace')[-3000:]}"
        self.url = line.split()[1]

    async def kill(self) -> None:
        """Without a word, as power cuts and the kernel's memory keeper do."""
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()
            self._process = None

    async def stop(self) -> None:
        """Cleanly; it must end well."""
        assert self._process is not None
        self._process.terminate()
        async with asyncio.timeout(40):
            assert await self._process.wait() == 0
        self._process = None

    def signal_nats(self, number: signal.Signals) -> None:
        """To the NATS server beneath it."""
        who = process.remembered(self.state / "journal" / "nats.pid")
        if who is not None and process.lives(who):
            os.kill(who.pid, number)

    @property
    def password(self) -> str:
        word = Clouds(Directory(self.state)).password("cumulog")
        assert word is not None
        return word

    async def verify(self) -> None:
        """The log and the tables, checked by the command that checks them."""
        check = await asyncio.create_subprocess_exec(
            *(CUMULOG, "verify", "--state", self.state),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await check.communicate()
        assert check.returncode == 0, output.decode()
        assert re.search(r"and the tables checked: 0 findings", output.decode()), output.decode()
