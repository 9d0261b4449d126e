"""`cumulog up --nodes 3`: a cluster of NATS servers, two gateways, two processes of handlers, agents: on one machine.

This process binds the listener and never takes a connection: the gateways inherit it, and who of them lives takes the
next one. It watches all of them; SIGHUP restarts every part, one at a time, each when the one before is ready.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from events import process
from events.nats.cluster import NatsCluster, settled
from events.nats.server import StartFault
from events.nats.wire import Wire
from events.settings import Settings
from gateway import http
from gateway.composition import journals
from gateway.composition.children import STOP, Child
from gateway.composition.directory import Directory, DirectoryFault
from gateway.composition.hosts import Hosts
from gateway.composition.part_agents import host_names
from gateway.composition.parts import CannotStart, Parts
from gateway.composition.up import Options, make_demo, start_journal

EACH = 2  # gateways and handlers
AGENTS = 4  # processes at most that share the simulated hosts
LIFE = "up.json"

log = logging.getLogger("cumulog.children")


class Life(Struct, frozen=True, kw_only=True):
    """What others know of this process."""

    who: process.Identity
    restarts: int = 0  # of all parts, since it runs
    fault: str = ""  # why the last one failed


class Many:
    """A running cloud of many processes."""

    def __init__(self, directory: Directory, settings: Settings, options: Options, passed: list[str]) -> None:
        self.directory = directory
        self.settings = settings
        self.options = options
        self.parts = Parts()
        self._passed = passed  # settings, as the command line of each child has them
        self._restart = asyncio.Event()

    async def run(self, ready: Callable[[str], None]) -> None:
        """Start, say that it is ready, and go on until SIGINT or SIGTERM. Raises CannotStart."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._restart.set)
        await self.parts.run(self.start, ready)

    async def start(self) -> str:
        """The cloud's URL, once its first request would succeed. Raises CannotStart."""
        parts, path, options = self.parts, self.directory.path, self.options
        hosts = self._agents()
        names = [*(f"gateway-{n}" for n in range(1, EACH + 1)), *(f"handlers-{n}" for n in range(1, EACH + 1)), *hosts]
        leftovers = (Child(path / name, ()).end_leftover() for name in names)
        await asyncio.gather(*leftovers)  # before the listener: they may hold it
        listening, url = http.listen(parts, options.host, options.port)
        cluster, wire = await self._start_journal([host for shared in hosts.values() for host in shared])
        children = [self._child(name, hosts.get(name, ()), listening, cluster) for name in names]

        async def stop() -> None:
            await asyncio.gather(*(child.stop() for child in children))

        parts.later("children", stop, patience=STOP + 5)
        await asyncio.gather(*(child.start() for child in children))
        parts.background("restarts", self._restarts(cluster, wire, children))
        if options.demo:
            await make_demo(self.directory, self.settings, url)
        return url

    def _agents(self) -> dict[str, tuple[str, ...]]:
        """The agents' processes, each with its hosts."""
        driver = self.options.driver
        why = Hosts(self.directory, self.settings, self.directory.path).missing() if driver != "simulated" else ""
        if driver == "libvirt" and why:
            raise CannotStart(f"--driver libvirt: {why}")
        if driver != "simulated" and not why:
            return {"agent": (socket.gethostname(),)}
        if why:
            print(f"hosts are simulated: {why}", flush=True)
        hosts = host_names(self.options.hosts)
        number = min(len(hosts), AGENTS)
        return {f"agent-{n + 1}": tuple(hosts[n::number]) for n in range(number)}

    async def _start_journal(self, hosts: list[str]) -> tuple[NatsCluster, Wire]:
        path = self.directory.path
        cluster = journals.servers(path, self.settings, self.options.nodes, hosts)
        assert isinstance(cluster, NatsCluster), "more than one"
        wire = await start_journal(self.parts, self.directory, cluster)
        await settled(wire, self.options.nodes)
        return cluster, wire

    def _child(self, name: str, hosts: tuple[str, ...], listening: socket.socket, cluster: NatsCluster) -> Child:
        role = name.partition("-")[0]
        arguments = [role, "--state", str(self.directory.path), "--name", name, *self._passed]
        arguments += ["--nats", ",".join(cluster.urls)]
        if role == "gateway":
            arguments += ["--listen", f"fd:{listening.fileno()}"]
        if role == "agent":
            driver = "simulated" if name != role else self.options.driver
            arguments += ["--driver", driver, *(word for host in hosts for word in ("--host", host))]
        files = (listening.fileno(),) if role == "gateway" else ()
        return Child(self.directory.path / name, arguments, files)

    async def _restarts(self, cluster: NatsCluster, wire: Wire, children: list[Child]) -> None:
        who = process.identity(os.getpid())
        assert who is not None, "this very process lives"
        life = Life(who=who)
        file = self.directory.path / LIFE
        _write(file, life)
        try:
            while True:
                await self._restart.wait()
                self._restart.clear()
                fault = ""
                try:
                    await cluster.restart(wire)
                    for child in children:
                        await child.restart()
                        log.info("%s is restarted", child.name)
                except (StartFault, CannotStart) as failed:
                    log.critical("the rolling restart stops: %s", failed)
                    fault = str(failed)
                life = Life(who=who, restarts=life.restarts + 1, fault=fault)
                _write(file, life)
        finally:
            file.unlink()


def _write(file: Path, life: Life) -> None:
    draft = file.with_name(file.name + ".new")
    draft.write_bytes(msgspec.json.encode(life))
    draft.replace(file)


async def restart(path: Path) -> None:
    """Have the cloud in `path` restart every part; return once it has. Raises DirectoryFault."""
    before = _life(path)
    os.kill(before.who.pid, signal.SIGHUP)
    while (now := _life(path)).restarts == before.restarts:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    if now.fault:
        raise DirectoryFault(f"the restart stopped: {now.fault}")


def _life(path: Path) -> Life:
    try:
        life = msgspec.json.decode((path / LIFE).read_bytes(), type=Life)
    except (FileNotFoundError, msgspec.DecodeError) as fault:
        raise DirectoryFault(f"no `cumulog up --nodes` runs in {path}") from fault
    if not process.lives(life.who):
        raise DirectoryFault(f"no `cumulog up --nodes` runs in {path}")
    return life
