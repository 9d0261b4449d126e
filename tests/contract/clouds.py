"""A real cloud for a while: `cumulog up` as a process of its own, with simulated hosts."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import httpx

from gateway.clouds import FILE

CUMULOG = Path(sys.executable).with_name("cumulog")
START = 30  # seconds


class RunningCloud:
    """A cloud, and the ways to it."""

    def __init__(self, state: Path, url: str, process: subprocess.Popen[str]) -> None:
        self.state = state
        self.url = url
        self._process = process

    @property
    def environment(self) -> dict[str, str]:
        """What the clients are told."""
        return {"OS_CLIENT_CONFIG_FILE": str(self.state / FILE), "OS_CLOUD": "cumulog", "HOME": str(self.state)}

    @property
    def password(self) -> str:
        line = next(line for line in (self.state / FILE).read_text().splitlines() if "password:" in line)
        return line.partition(": ")[2].strip('"')

    def user(self, name: str = "admin", password: str | None = None, project: str = "admin") -> httpx.Client:
        """HTTP as a user of a project; by default as the admin."""
        return login(self.url, name, password or self.password, project)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `cumulog ARGUMENTS` on this cloud's directory."""
        return cumulog(self.state, *arguments)

    def memory(self) -> int:
        """Of its process, in MiB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) >> 10

    def stop(self) -> int:
        """End it as Ctrl-C would; its exit status."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(30)


def cumulog(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `cumulog COMMAND --state STATE …`."""
    command, *rest = arguments
    return subprocess.run(
        [str(CUMULOG), command, "--state", str(state), *rest], capture_output=True, text=True, timeout=60, check=False
    )


def login(url: str, name: str, password: str, project: str) -> httpx.Client:
    """A client with a token."""
    user = {"name": name, "password": password, "domain": {"id": "default"}}
    scope = {"project": {"name": project, "domain": {"id": "default"}}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    answer = httpx.post(f"{url}/identity/v3/auth/tokens", json=body, timeout=30)
    assert answer.status_code == 201, answer.text
    return httpx.Client(base_url=url, headers={"X-Auth-Token": answer.headers["X-Subject-Token"]}, timeout=60)


@contextmanager
def running(state: Path, *, hosts: int = 3, arguments: tuple[str, ...] = ()) -> Iterator[RunningCloud]:
    """Start a cloud on a free port; it is stopped at the end, and must stop cleanly."""
    command = [str(CUMULOG), "up", "--state", str(state), "--driver", "simulated", "--hosts", str(hosts)]
    command += ["--set", "identity.bcrypt_cost=5"]  # each command logs in anew
    with (state.parent / f"{state.name}.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0", *arguments], stdout=subprocess.PIPE, stderr=log, text=True
        )
    cloud = None
    try:
        cloud = RunningCloud(state, _ready(process, state), process)
        yield cloud
    finally:
        status = cloud.stop() if cloud else _end(process)
        assert process.stdout is not None
        process.stdout.close()
    assert status == 0, f"`cumulog up` ended with {status}"
    complaints = (state.parent / f"{state.name}.log").read_text()
    assert "Traceback" not in complaints, complaints


def _ready(process: subprocess.Popen[str], state: Path) -> str:
    said: Queue[str] = Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said.put(line)

    threading.Thread(target=read, daemon=True).start()
    try:
        while not (line := said.get(timeout=START)).startswith("ready "):
            pass
    except Empty:
        raise AssertionError((state.parent / f"{state.name}.log").read_text()) from None
    return line.removeprefix("ready ").strip()


def _end(process: subprocess.Popen[str]) -> int:
    process.kill()
    return process.wait(10)


def found(answer: httpx.Response, status: int = 200) -> Any:
    """The JSON of an answer of this status."""
    assert answer.status_code == status, f"{answer.request.method} {answer.request.url}: {answer.text}"
    return answer.json() if answer.content else None


def user_environment(cloud: RunningCloud, name: str, password: str, project: str) -> Mapping[str, str]:
    """The clients' environment as another user of the cloud."""
    return {
        "OS_CLOUD": "",
        "OS_AUTH_URL": f"{cloud.url}/identity/v3",
        "OS_USERNAME": name,
        "OS_PASSWORD": password,
        "OS_PROJECT_NAME": project,
        "OS_USER_DOMAIN_ID": "default",
        "OS_PROJECT_DOMAIN_ID": "default",
        "OS_IDENTITY_API_VERSION": "3",
    }
