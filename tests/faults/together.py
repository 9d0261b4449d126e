"""A cloud that one command runs: `cumulog up` beside one NATS server, or `up --nodes 3` with each part in processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

from gateway.clouds import Clouds
from gateway.composition.directory import Directory
from tests.faults.harms import Full, Harm, Jump, Kill, Pause
from tests.faults.parts import CUMULOG, Child, Lived, Part, Process, command
from tests.faults.surroundings import SteppedClock, Volume, clock_library, need

SETTINGS = ("--set", "identity.bcrypt_cost=4", "--set", "journal.deadline=3")
SIMULATED = ("--driver", "simulated", "--hosts", "3")
THREE = ("gateway-1", "gateway-2", "handlers-1", "handlers-2", "agent-1", "agent-2", "agent-3")


class Together(Lived):
    """One cloud in one directory, entered when it is ready and left when it is dead."""

    def __init__(self, state: Path, *options: str, nodes: int = 1, faulty: bool = False) -> None:
        self.state = state
        self.nodes = nodes
        self.volumes: dict[str, Volume] = {}
        self.harms: list[Harm] = []
        environment: dict[str, str] = {}
        journals = {"nats": state / "journal"} if nodes == 1 else {}
        journals |= {f"nats-{n}": state / "journal" / f"n{n}" for n in range(1, nodes + 1) if nodes > 1}
        if faulty:
            need("mount", "umount", "gcc")
            clock = SteppedClock(clock_library(state.parent), "cloud")
            environment = clock.environment
            places = {"tables": state, **journals, "images": state / "images"}
            self.volumes = {name: Volume(path, 192) for name, path in places.items()}
            self.harms = [Jump("cloud", clock), *(Full(name, volume) for name, volume in self.volumes.items())]
        up: list[str | Path] = [CUMULOG, "up", "--state", state, "--listen", "127.0.0.1:0", *SETTINGS, *options]
        if nodes > 1:
            up += ["--nodes", str(nodes)]
        self.main = Process("cloud", up, state.with_name(state.name + ".log"), environment=environment)
        self.processes = [self.main]
        children = [Child(name, path / "nats.pid") for name, path in journals.items()]
        children += [Child(name, state / name / "pid") for name in THREE if nodes > 1]
        self.nats = children[0]
        self.parts: list[Part] = [self.main, *children]
        if faulty:
            self.harms += [kind(part) for part in self.parts for kind in (Kill, Pause)]

    async def enter(self) -> None:
        await self.start()

    async def leave(self) -> None:
        for part in self.parts:
            part.resume()
        await self.main.kill()
        for volume in self.volumes.values():
            volume.remove()

    @property
    def starts(self) -> int:
        return self.main.starts

    @property
    def password(self) -> str:
        word = Clouds(Directory(self.state)).password("cumulog")
        assert word is not None
        return word

    def address(self, random: Random) -> str:
        return self.main.url

    async def start(self) -> None:
        await self.main.start()

    async def kill(self) -> None:
        await self.main.kill()

    async def stop(self) -> None:
        await self.main.stop()

    @property
    def memories(self) -> list[Path]:
        return [self.state / "simulated.db", *self.state.glob("agent-*/simulated.db")]

    @property
    def tables(self) -> Iterator[Path]:
        """The tables of its processes, each in a file of its own."""
        yield from self.state.glob("*/tables.duckdb")

    async def ask(self, *words: str) -> tuple[int, str]:
        """What a command about it says, and its status."""
        return await command(CUMULOG, words[0], "--state", self.state, *words[1:])
