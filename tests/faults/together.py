"""A cloud as most people run it: `cumulog up`, one process and the NATS server that it starts."""

from __future__ import annotations

from pathlib import Path
from random import Random
from types import TracebackType

from gateway.clouds import Clouds
from gateway.directory import Directory
from tests.faults.harms import Full, Harm, Jump, Kill, Pause
from tests.faults.parts import CUMULOG, Child, Process, command
from tests.faults.surroundings import SteppedClock, Volume, need

SETTINGS = ("--set", "identity.bcrypt_cost=4", "--set", "journal.deadline=3")
SIMULATED = ("--driver", "simulated", "--hosts", "3")


class Together:
    """One cloud in one directory, entered when it is ready and left when it is dead."""

    def __init__(self, state: Path, *options: str, faulty: bool = False) -> None:
        self.state = state
        self.volumes: dict[str, Volume] = {}
        environment: dict[str, str] = {}
        self.harms: list[Harm] = []
        if faulty:
            need("mount", "umount", "gcc")
            self.clock = SteppedClock(state.parent)
            environment = self.clock.environment
            self.volumes = {"nats": Volume(state / "journal", 96), "images": Volume(state / "images", 64)}
        up = (CUMULOG, "up", "--state", state, "--listen", "127.0.0.1:0", *SETTINGS, *options)
        self.main = Process("cloud", up, state.with_name(state.name + ".log"), environment=environment)
        self.nats = Child("nats", state / "journal" / "nats.pid")
        self.processes = [self.main]
        if faulty:
            self.harms = [
                *(Kill(part) for part in (self.main, self.nats)),
                *(Pause(part) for part in (self.main, self.nats)),
                *(Full(name, volume) for name, volume in self.volumes.items()),
                Jump("cloud", self.clock),
            ]

    async def __aenter__(self) -> Together:
        try:
            await self.start()
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, fault: object, trace: TracebackType | None) -> None:
        await self._leave()

    async def _leave(self) -> None:
        self.nats.resume()
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
        """Where its simulated hosts keep their guests."""
        return [self.state / "simulated.db"]

    async def ask(self, *words: str) -> tuple[int, str]:
        """What a command about it says, and its status."""
        return await command(CUMULOG, words[0], "--state", self.state, *words[1:])
