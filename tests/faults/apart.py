"""A cloud of many machines: three NATS servers of an operator's own, gateways, handlers and agents, each apart."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from random import Random

import msgspec

from gateway.clouds import Clouds
from gateway.composition.directory import Directory
from tests.faults.harms import Cut, Full, Harm, Jump, Kill, Pause
from tests.faults.network import Network
from tests.faults.parts import CUMULOG, Lived, Process, command
from tests.faults.surroundings import SteppedClock, Volume, clock_library
from tests.faults.together import SETTINGS

NATS = ("nats-1", "nats-2", "nats-3")
GATEWAYS = ("gateway-1", "gateway-2")
HANDLERS = ("handlers-1", "handlers-2")
AGENTS = {"agent-1": ("host-1", "host-2"), "agent-2": ("host-3",)}
ALL = [*NATS, *GATEWAYS, *HANDLERS, *AGENTS]


class NatsNode(Process):
    """A NATS server: it is ready when it takes connections."""

    def at(self, address: str) -> NatsNode:
        self._address = address
        return self

    async def _readiness(self, child: asyncio.subprocess.Process) -> str:
        while child.returncode is None:
            try:
                _, writer = await asyncio.open_connection(self._address, 4222)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return f"nats://{self._address}:4222"
        return ""


class Apart(Lived):
    """One cloud, entered when it is ready and left when it is dead."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.network = Network(ALL)
        self.volume = Volume(state / "images", 96)
        library = clock_library(state.parent)
        clocks = {name: SteppedClock(library, name) for name in (*GATEWAYS, *HANDLERS, *AGENTS)}
        self._urls = ",".join(f"nats://{self.network.addresses[name]}:4222" for name in NATS)
        self.gateways = [
            self._process("gateway", name, clocks[name], "--listen", f"{self.network.addresses[name]}:8774")
            for name in GATEWAYS
        ]
        handlers = [self._process("handlers", name, clocks[name]) for name in HANDLERS]
        agents = [
            self._process("agent", name, clocks[name], "--driver", "simulated", *_hosts(hosts))
            for name, hosts in AGENTS.items()
        ]
        self.nats = [self._node(name) for name in NATS]
        self.cloud = [*self.gateways, *handlers, *agents]
        self.processes = [*self.nats, *self.cloud]
        self.harms: list[Harm] = [kind(part) for part in self.processes for kind in (Kill, Pause)]
        self.harms += [Jump(name, clock) for name, clock in clocks.items()]
        self.harms += [Cut(self.network, one, [other]) for one, other in combinations(NATS, 2)]
        self.harms += [Cut(self.network, one, [other for other in NATS if other != one]) for one in NATS]
        self.harms += [Cut(self.network, one, [node]) for one in (*GATEWAYS, *HANDLERS) for node in NATS]
        self.harms += [Cut(self.network, one, NATS) for one in (*GATEWAYS, *HANDLERS, *AGENTS)]
        self.harms.append(Full("images", self.volume))

    def _process(self, role: str, name: str, clock: SteppedClock, *words: str) -> Process:
        line: list[str | Path] = [
            CUMULOG,
            role,
            "--state",
            self.state,
            "--name",
            name,
            "--nats",
            self._urls,
            *SETTINGS,
            *words,
        ]
        return Process(name, line, self._log(name), environment=clock.environment, within=self.network.within(name))

    def _node(self, name: str) -> NatsNode:
        binary = shutil.which("nats-server", path=str(Path(sys.executable).parent))
        assert binary is not None
        line = (binary, "-c", self._configuration(name))
        return NatsNode(name, line, self._log(name), within=self.network.within(name)).at(self.network.addresses[name])

    def _log(self, name: str) -> Path:
        return self.state.with_name(f"{name}.log")

    def _configuration(self, name: str) -> Path:
        return self.state.with_name(f"{name}.conf")

    async def enter(self) -> None:
        await self._prepare()
        await self.start()

    async def leave(self) -> None:
        await asyncio.gather(*(process.kill() for process in self.processes))
        self.volume.remove()
        self.network.remove()

    async def _prepare(self) -> None:
        """Credentials for everybody, and the configuration of the NATS servers."""
        for hosts in AGENTS.values():
            for host in hosts:
                status, said = await self.ask("credentials", "agent", host)
                assert status == 0, said
        accounts = msgspec.json.decode((self.state / "credentials" / "accounts.conf").read_bytes())
        routes = [f"nats://{self.network.addresses[name]}:6222" for name in NATS]
        for name in NATS:
            address = self.network.addresses[name]
            configuration = {
                **accounts,
                "server_name": name,
                "host": address,
                "port": 4222,
                "max_payload": 8 << 20,
                "jetstream": {"store_dir": str(self.state.with_name(name)), "sync_interval": "always"},
                "cluster": {"name": "faults", "host": address, "port": 6222, "routes": routes},
            }
            self._configuration(name).write_bytes(msgspec.json.encode(configuration))

    async def start(self) -> None:
        await asyncio.gather(*(process.start() for process in self.processes))

    async def stop(self) -> None:
        """All but NATS, which the commands that look after the cloud still need."""
        await asyncio.gather(*(process.stop() for process in self.cloud))

    @property
    def starts(self) -> int:
        return sum(process.starts for process in self.processes)

    @property
    def password(self) -> str:
        word = Clouds(Directory(self.state)).password("cumulog")
        assert word is not None
        return word

    def address(self, random: Random) -> str:
        return random.choice(self.gateways).url

    @property
    def memories(self) -> list[Path]:
        return list(self.state.glob("agent-*/simulated.db"))

    @property
    def tables(self) -> Iterator[Path]:
        yield from self.state.glob("*/tables.duckdb")

    async def ask(self, *words: str) -> tuple[int, str]:
        where = ("--set", f"journal.nats={self._urls}")
        return await command(CUMULOG, words[0], "--state", self.state, *where, *words[1:])


def _hosts(hosts: tuple[str, ...]) -> list[str]:
    return [word for host in hosts for word in ("--host", host)]
