"""Three NATS servers on loopback, any of which may be killed and started again."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

from events.nats.wire import ApiError, NoAnswer, Wire
from tests.ports import free_port
from tests.waiting import PATIENCE


class Cluster:
    """Three servers on loopback."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        ports = [free_port() for _ in range(6)]
        self.ports, self.routes = ports[:3], ports[3:]
        self.children: dict[str, asyncio.subprocess.Process] = {}

    @property
    def urls(self) -> list[str]:
        return [f"nats://127.0.0.1:{port}" for port in self.ports]

    async def start(self) -> None:
        for n, (port, route) in enumerate(zip(self.ports, self.routes, strict=True)):
            config = {
                "server_name": f"n{n}",
                "host": "127.0.0.1",
                "port": port,
                "log_file": str(self._directory / f"n{n}.log"),
                "jetstream": {"store_dir": str(self._directory / f"n{n}")},
                "cluster": {
                    "name": "three",
                    "host": "127.0.0.1",
                    "port": route,
                    "routes": [f"nats://127.0.0.1:{one}" for one in self.routes],
                },
            }
            (self._directory / f"n{n}.conf").write_bytes(msgspec.json.encode(config))
            await self.start_one(f"n{n}")

    async def start_one(self, name: str) -> None:
        binary = shutil.which("nats-server", path=str(Path(sys.executable).parent))
        assert binary is not None
        file = str(self._directory / f"{name}.conf")
        self.children[name] = await asyncio.create_subprocess_exec(binary, "-c", file)

    async def leader(self, wire: Wire, stream: str, *, after: str = "") -> str:
        """The name of the server that leads a stream, once there is one, and another than `after`."""
        async with asyncio.timeout(PATIENCE):
            while True:
                with suppress(NoAnswer, ApiError):  # until one is elected
                    leader: str = (await wire.api(f"STREAM.INFO.{stream}"))["cluster"].get("leader", "")
                    if leader not in ("", after):
                        return leader
                await asyncio.sleep(0.05)

    async def idle(self, wire: Wire, stream: str) -> str:
        """The name of a server that leads neither a stream nor the cluster: its death delays nothing."""
        leader = await self.leader(wire, stream)
        elected = [
            (line.partition("] ")[2], name)  # a line begins with the process, then the time
            for name in self.children
            for line in (self._directory / f"{name}.log").read_text().splitlines()
            if "Self is new JetStream cluster metadata leader" in line
        ]
        return next(name for name in self.children if name not in (leader, max(elected)[1]))

    async def kill_leader(self, wire: Wire, stream: str) -> str:
        """Have a stream's leader die; its name."""
        name = await self.leader(wire, stream)
        await self.kill(name)
        return name

    async def kill(self, name: str) -> None:
        self.children[name].kill()
        await self.children[name].wait()

    async def stop(self) -> None:
        for child in self.children.values():
            if child.returncode is None:
                child.kill()
            await child.wait()


@asynccontextmanager
async def three(directory: Path) -> AsyncIterator[Cluster]:
    """A cluster that runs for as long as it is asked for."""
    cluster = Cluster(directory)
    try:
        await cluster.start()
        yield cluster
    finally:
        await cluster.stop()
