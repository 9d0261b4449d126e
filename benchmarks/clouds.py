"""A cloud of its own for a measurement: the real command, a fresh directory, simulated hosts."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import aiohttp

CUMULOG = Path(sys.executable).parent / "cumulog"


class Measured:
    """`cumulog up` as a child process."""

    def __init__(self, state: Path | None = None, *arguments: str) -> None:
        self.state = state or Path(tempfile.mkdtemp(prefix="cumulog-bench-"))
        self._own = state is None
        self._arguments = arguments
        self.url = ""
        self.seconds_to_ready = 0.0
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Measured:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.stop()
        if self._own:
            shutil.rmtree(self.state)

    async def start(self) -> None:
        began = time.perf_counter()
        self._process = await asyncio.create_subprocess_exec(
            CUMULOG,
            "up",
            "--state",
            self.state,
            "--listen",
            "127.0.0.1:0",
            *self._arguments,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        while not self.url:
            line = (await self._process.stdout.readline()).decode()
            if not line:
                raise RuntimeError("the cloud did not start")
            if line.startswith("ready "):
                self.url = line.split()[1]
        self.seconds_to_ready = time.perf_counter() - began

    async def stop(self) -> None:
        """End it, if it runs."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            await process.wait()
        self.url = ""

    @property
    def password(self) -> str:
        found = re.search(r'password: "(.*)"', (self.state / "clouds.yaml").read_text())
        assert found is not None
        return found[1]

    def memory(self) -> float:
        """MiB of all processes, proportional set size."""
        assert self._process is not None
        return sum(map(pss, _family(self._process.pid))) / 1024


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in _family(int(child)))]


def pss(pid: int) -> int:
    match = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(match[1]) if match else 0


class Place(Protocol):
    """A running cloud."""

    @property
    def url(self) -> str: ...

    @property
    def password(self) -> str: ...


class Client:
    """An admin of a cloud, over one kept connection for each caller."""

    def __init__(self, session: aiohttp.ClientSession, cloud: Place) -> None:
        self.session = session
        self.url = cloud.url
        self._password = cloud.password
        self.token = ""
        self.project = ""

    async def login(self) -> None:
        user = {"name": "admin", "password": self._password, "domain": {"id": "default"}}
        identity = {"methods": ["password"], "password": {"user": user}}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        async with self.session.post(
            self.url + "/identity/v3/auth/tokens", json={"auth": {"identity": identity, "scope": scope}}
        ) as answer:
            self.token = answer.headers["X-Subject-Token"]
            self.project = (await answer.json())["token"]["project"]["id"]

    async def call(
        self, method: str, path: str, body: Any = None, *, data: Any = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """The answer's JSON, or its bytes; an error is raised."""
        sent = {"X-Auth-Token": self.token, **(headers or {})}
        async with self.session.request(method, self.url + path, json=body, data=data, headers=sent) as answer:
            content = await answer.read()
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]!r}")
            return await answer.json() if answer.content_type == "application/json" and content else content

    async def exists(self, path: str) -> bool:
        """Whether a GET finds something."""
        async with self.session.get(self.url + path, headers={"X-Auth-Token": self.token}) as answer:
            return answer.status == 200
