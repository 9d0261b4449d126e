"""A cloud in parts, as a large one runs: a NATS server, one gateway, one process of handlers, and simulated hosts."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from pathlib import Path

from benchmarks.clouds import CUMULOG, pss
from events import process
from events.nats.server import NatsServer
from gateway.composition.part_agents import host_names

AGENTS = 2  # processes that share the hosts
TICKS = os.sysconf("SC_CLK_TCK")


class Part:
    """One process."""

    def __init__(self, state: Path, name: str, *arguments: str) -> None:
        self.name = name
        self._arguments = (name.partition("-")[0], "--state", str(state), "--name", name, *arguments)
        self._process: asyncio.subprocess.Process | None = None
        self.seconds_to_ready = 0.0
        self.said = ""

    async def start(self) -> None:
        """Return once it is ready."""
        began = time.perf_counter()
        self._process = await asyncio.create_subprocess_exec(CUMULOG, *self._arguments, stdout=asyncio.subprocess.PIPE)
        assert self._process.stdout is not None
        while not self.said:
            line = (await self._process.stdout.readline()).decode()
            if not line:
                raise RuntimeError(f"{self.name} did not start")
            if line.startswith("ready"):
                self.said = line.strip()
        self.seconds_to_ready = time.perf_counter() - began

    async def stop(self) -> None:
        """End it, if it runs."""
        process, self._process, self.said = self._process, None, ""
        if process is not None:
            process.send_signal(signal.SIGTERM)
            await process.wait()

    def seconds(self) -> float:
        """Processor time that it has used."""
        return processor(self.pid)

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid


class Split:
    """All of it, in one directory."""

    def __init__(self, state: Path, hosts: int) -> None:
        self.state = state
        self.names = host_names(hosts)
        unlimited = ("--set", "limits.project_rate=1000000", "--set", "limits.address_rate=1000000")
        self.gateway = Part(state, "gateway", "--listen", "127.0.0.1:0", *unlimited)
        self.handlers = Part(state, "handlers")
        shares = [self.names[n::AGENTS] for n in range(AGENTS)]
        self.agents = [
            Part(state, f"agent-{n + 1}", "--driver", "simulated", *(word for h in share for word in ("--host", h)))
            for n, share in enumerate(shares)
        ]
        self.nats: NatsServer | None = None

    def remembers(self, host: str) -> Path:
        """Where the simulated hosts of a process keep their guests."""
        return self.state / f"agent-{self.names.index(host) % AGENTS + 1}" / "simulated.db"

    async def start_journal(self, sync: str = "always") -> NatsServer:
        """Start NATS; what is already stored is there."""
        self.nats = NatsServer(self.state / "journal", sync=sync, hosts=self.names)
        await self.nats.start()
        return self.nats

    async def stop_journal(self) -> None:
        if self.nats is not None:
            await self.nats.stop()
            self.nats = None

    async def start(self) -> None:
        """Start the parts; NATS runs."""
        for part in (self.gateway, self.handlers, *self.agents):
            await part.start()

    async def stop(self) -> None:
        """End the parts, and NATS."""
        for part in (*self.agents, self.handlers, self.gateway):
            await part.stop()
        await self.stop_journal()

    @property
    def url(self) -> str:
        return self.gateway.said.split()[1]

    @property
    def password(self) -> str:
        found = re.search(r'password: "(.*)"', (self.state / "clouds.yaml").read_text())
        assert found is not None
        return found[1]

    def memory(self) -> dict[str, float]:
        """MiB of each part, proportional set size."""
        found = {part.name: pss(part.pid) / 1024 for part in (self.gateway, self.handlers, *self.agents)}
        return found | {"nats": pss(self._nats_pid()) / 1024}

    def seconds(self) -> dict[str, float]:
        """Processor time that each part has used."""
        found = {part.name: processor(part.pid) for part in (self.gateway, self.handlers, *self.agents)}
        return found | {"nats": processor(self._nats_pid())}

    def disk(self) -> int:
        """Bytes of the journal's files."""
        return sum(path.stat().st_size for path in (self.state / "journal").rglob("JOURNAL_*/**/*.blk"))

    def _nats_pid(self) -> int:
        who = process.remembered(self.state / "journal" / "nats.pid")
        assert who is not None, "NATS does not run"
        return who.pid


def processor(pid: int) -> float:
    """Seconds that a process has had of the processors."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
